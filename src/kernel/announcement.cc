#include "kernel/announcement.h"

#include <linux/if_ether.h>
#include <net/if_arp.h>

#include <algorithm>
#include <span>

#include "kernel/neighbour_discovery.h"

namespace egressd::kernel {
namespace {

ArpPacket Arp(std::uint8_t operation, const MacAddress& mac) {
  ArpPacket packet{0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, 6, 4, 0, operation};
  std::ranges::copy(mac.bytes, packet.begin() + 8);
  return packet;
}

void PutSender(ArpPacket& packet, const IpAddress& address) { std::ranges::copy(address.bytes().first<4>(), packet.begin() + 14); }
void PutTarget(ArpPacket& packet, const IpAddress& address) { std::ranges::copy(address.bytes().first<4>(), packet.begin() + 24); }

// An IPv6 header for a neighbour discovery message of `kSize` - 40 bytes, addresses unset.
template <std::size_t kSize>
std::array<std::uint8_t, kSize> NeighbourPacket(std::uint8_t type) {
  std::array<std::uint8_t, kSize> packet{0x60, 0, 0, 0, 0, kSize - kIpv6HeaderBytes, kIcmpv6, kNeighbourHopLimit};
  packet[kIpv6HeaderBytes] = type;
  return packet;
}

template <std::size_t kSize>
void Seal(std::array<std::uint8_t, kSize>& packet) {
  const std::uint16_t checksum = NeighbourChecksum(packet);
  packet[kIpv6HeaderBytes + 2] = static_cast<std::uint8_t>(checksum >> 8);
  packet[kIpv6HeaderBytes + 3] = static_cast<std::uint8_t>(checksum & 0xff);
}

}  // namespace

ArpPacket ArpAnnouncement(const IpAddress& address, const MacAddress& mac, ArpForm form) {
  ArpPacket packet = Arp(form == ArpForm::kRequest ? ARPOP_REQUEST : ARPOP_REPLY, mac);
  PutSender(packet, address);
  // A request asks for the hardware address, so it is left open; a reply fills in the sender's own.
  if (form == ArpForm::kReply) std::ranges::copy(mac.bytes, packet.begin() + 18);
  PutTarget(packet, address);
  return packet;
}

ArpPacket ArpProbe(const IpAddress& address, const MacAddress& mac) {
  ArpPacket packet = Arp(ARPOP_REQUEST, mac);
  PutTarget(packet, address);
  return packet;
}

std::array<std::uint8_t, 72> NeighbourAdvertisement(const IpAddress& address, const MacAddress& mac) {
  constexpr std::array<std::uint8_t, 16> kAllNodes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  auto packet = NeighbourPacket<72>(kNeighbourAdvertisement);
  std::ranges::copy(address.bytes(), packet.begin() + 8);
  std::ranges::copy(kAllNodes, packet.begin() + 24);
  packet[44] = 0x20;  // override
  std::ranges::copy(address.bytes(), packet.begin() + 48);
  packet[64] = kTargetLinkLayerAddress;
  packet[65] = 1;  // in units of 8 bytes
  std::ranges::copy(mac.bytes, packet.begin() + 66);
  Seal(packet);
  return packet;
}

std::array<std::uint8_t, 64> NeighbourProbe(const IpAddress& address) {
  constexpr std::array<std::uint8_t, 13> kSolicitedNode{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  auto packet = NeighbourPacket<64>(kNeighbourSolicitation);
  std::ranges::copy(kSolicitedNode, packet.begin() + 24);
  std::ranges::copy(address.bytes().last(3), packet.begin() + 37);
  std::ranges::copy(address.bytes(), packet.begin() + 48);
  Seal(packet);
  return packet;
}

MacAddress SolicitedNodeMac(const IpAddress& address) {
  MacAddress mac{{0x33, 0x33, 0xff}};
  std::ranges::copy(address.bytes().last(3), mac.bytes.begin() + 3);
  return mac;
}

}  // namespace egressd::kernel
