#include "egressd/kernel/announce.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <optional>
#include <span>
#include <vector>

#include "egressd/base/fd.h"
#include "kernel/announcement.h"

namespace egressd::kernel {
namespace {

struct Sender {
  Fd fd;
  int index = 0;
  MacAddress mac;
};

// nullopt: the device has no neighbours that could be told (point-to-point, loopback).
Result<std::optional<Sender>> OpenSender(const std::string& device) {
  // Protocol 0: nothing is received.
  Sender sender{.fd = Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
  if (!sender.fd.is_open()) return std::unexpected(SystemError("open packet socket", errno));
  ifreq request{};
  if (device.size() >= sizeof request.ifr_name) return Fail(ErrorKind::kInvalid, "no device can be called " + device);
  std::ranges::copy(device, request.ifr_name);
  if (::ioctl(sender.fd.get(), SIOCGIFINDEX, &request) != 0) return std::unexpected(SystemError("device " + device, errno));
  sender.index = request.ifr_ifindex;
  if (::ioctl(sender.fd.get(), SIOCGIFFLAGS, &request) != 0) return std::unexpected(SystemError("device " + device, errno));
  if ((request.ifr_flags & IFF_UP) == 0) return std::unexpected(SystemError("device " + device, ENETDOWN));
  if (::ioctl(sender.fd.get(), SIOCGIFHWADDR, &request) != 0) return std::unexpected(SystemError("device " + device, errno));
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) return std::optional<Sender>();
  std::memcpy(sender.mac.bytes.data(), request.ifr_hwaddr.sa_data, sender.mac.bytes.size());
  return std::optional(std::move(sender));
}

Result<void> Send(const Sender& sender, std::uint16_t protocol, const MacAddress& to, std::span<const std::uint8_t> packet) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = sender.index;
  address.sll_halen = ETH_ALEN;
  std::ranges::copy(to.bytes, address.sll_addr);
  const ssize_t sent = ::sendto(sender.fd.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
  if (sent < 0) return std::unexpected(SystemError("send", errno));
  return {};
}

Result<void> AnnounceOne(const Sender& from, const IpAddress& address) {
  if (address.family() == Family::kIpv6) {
    constexpr MacAddress kAllNodes{{0x33, 0x33, 0, 0, 0, 1}};
    return Send(from, ETH_P_IPV6, kAllNodes, NeighbourAdvertisement(address, from.mac));
  }
  constexpr MacAddress kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  auto sent = Send(from, ETH_P_ARP, kBroadcast, ArpAnnouncement(address, from.mac, ArpForm::kRequest));
  if (sent) sent = Send(from, ETH_P_ARP, kBroadcast, ArpAnnouncement(address, from.mac, ArpForm::kReply));
  return sent;
}

}  // namespace

std::array<std::uint8_t, 28> ArpAnnouncement(const IpAddress& address, const MacAddress& mac, ArpForm form) {
  const std::uint8_t operation = form == ArpForm::kRequest ? ARPOP_REQUEST : ARPOP_REPLY;
  std::array<std::uint8_t, 28> packet{0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, 6, 4, 0, operation};
  std::ranges::copy(mac.bytes, packet.begin() + 8);
  std::ranges::copy(address.bytes(), packet.begin() + 14);
  // A request asks for the hardware address, so it is left open; a reply fills in the sender's own.
  if (form == ArpForm::kReply) std::ranges::copy(mac.bytes, packet.begin() + 18);
  std::ranges::copy(address.bytes(), packet.begin() + 24);
  return packet;
}

std::array<std::uint8_t, 72> NeighbourAdvertisement(const IpAddress& address, const MacAddress& mac) {
  constexpr std::size_t kIpBytes = 40;
  constexpr std::uint8_t kIcmpBytes = 32;
  constexpr std::array<std::uint8_t, 16> kAllNodes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  std::array<std::uint8_t, 72> packet{0x60, 0, 0, 0, 0, kIcmpBytes, 58, 255};
  const auto at = [&](std::size_t offset) { return packet.begin() + static_cast<std::ptrdiff_t>(offset); };
  std::ranges::copy(address.bytes(), at(8));
  std::ranges::copy(kAllNodes, at(24));
  *at(kIpBytes) = 136;       // neighbour advertisement
  *at(kIpBytes + 4) = 0x20;  // override
  std::ranges::copy(address.bytes(), at(kIpBytes + 8));
  *at(kIpBytes + 24) = 2;  // target link-layer address
  *at(kIpBytes + 25) = 1;  // in units of 8 bytes
  std::ranges::copy(mac.bytes, at(kIpBytes + 26));
  // The checksum runs over both addresses, length, next header and the message (RFC 4443 section 2.3).
  std::uint32_t sum = kIcmpBytes + 58u;
  for (std::size_t i = 8; i < packet.size(); i += 2) sum += static_cast<std::uint32_t>(packet[i] << 8 | packet[i + 1]);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  sum = ~sum & 0xffff;
  *at(kIpBytes + 2) = static_cast<std::uint8_t>(sum >> 8);
  *at(kIpBytes + 3) = static_cast<std::uint8_t>(sum & 0xff);
  return packet;
}

Result<void> Announce(std::span<const IpAddress> addresses, const std::string& device) {
  if (addresses.empty()) return {};
  const auto in = [&](const IpAddress& address) { return std::format("announce {} on {}", address.ToString(), device); };
  auto sender = OpenSender(device);
  if (!sender) return std::unexpected(std::move(sender.error()).In(in(addresses.front())));
  if (!*sender) return {};
  for (const IpAddress& address : addresses) {
    if (auto sent = AnnounceOne(**sender, address); !sent) return std::unexpected(std::move(sent.error()).In(in(address)));
  }
  return {};
}

}  // namespace egressd::kernel
