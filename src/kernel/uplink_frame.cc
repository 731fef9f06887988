#include "kernel/uplink_frame.h"

#include <linux/if_ether.h>
#include <net/if_arp.h>

#include <algorithm>

#include "kernel/neighbour_discovery.h"

namespace egressd::kernel {
namespace {

using Bytes = std::span<const std::uint8_t>;

// All offsets below have been checked against the size of the frame.
std::uint16_t Half(Bytes bytes, std::size_t offset) { return static_cast<std::uint16_t>(bytes[offset] << 8 | bytes[offset + 1]); }

MacAddress MacAt(Bytes bytes, std::size_t offset) {
  MacAddress mac;
  std::ranges::copy(bytes.subspan(offset, mac.bytes.size()), mac.bytes.begin());
  return mac;
}

constexpr std::size_t kSourceMac = 6, kEtherType = 12;

// Hardware address in the option of that kind. Outer nullopt: the options are malformed, which makes the whole message invalid.
std::optional<std::optional<MacAddress>> FindLinkLayerAddress(Bytes options, std::uint8_t kind) {
  std::optional<MacAddress> found;
  while (!options.empty()) {
    if (options.size() < 8) return std::nullopt;
    const std::size_t bytes = options[1] * std::size_t{8};
    if (bytes == 0 || bytes > options.size()) return std::nullopt;
    if (options[0] == kind && bytes == 8 && !found) found = MacAt(options, 2);
    options = options.subspan(bytes);
  }
  return found;
}

}  // namespace

std::optional<Claim> DecodeArp(Bytes frame) {
  constexpr std::size_t kArpBytes = 28;
  if (frame.size() < kEthernetHeaderBytes + kArpBytes || Half(frame, kEtherType) != ETH_P_ARP) return std::nullopt;
  const Bytes arp = frame.subspan(kEthernetHeaderBytes, kArpBytes);
  if (Half(arp, 0) != ARPHRD_ETHER || Half(arp, 2) != ETH_P_IP || arp[4] != 6 || arp[5] != 4) return std::nullopt;
  Claim claim{.address = IpAddress::FromBytes(arp.subspan(14, 4)), .mac = MacAt(arp, 8), .from = MacAt(frame, kSourceMac)};
  if (claim.address.is_unspecified()) {
    claim.address = IpAddress::FromBytes(arp.subspan(24, 4));
    claim.probe = true;
    if (Half(arp, 6) != ARPOP_REQUEST || claim.address.is_unspecified()) return std::nullopt;
  }
  return claim;
}

std::optional<Claim> DecodeNeighbourDiscovery(Bytes frame) {
  constexpr std::size_t kFixedBytes = 24;  // of both messages: type, code, checksum, flags, target
  if (frame.size() < kEthernetHeaderBytes + kIpv6HeaderBytes + kFixedBytes || Half(frame, kEtherType) != ETH_P_IPV6) return std::nullopt;
  Bytes packet = frame.subspan(kEthernetHeaderBytes);
  const std::size_t message_bytes = Half(packet, 4);
  if (packet[0] >> 4 != 6 || packet[6] != kIcmpv6 || packet[7] != kNeighbourHopLimit) return std::nullopt;
  // Options come in units of eight bytes, so an odd length is malformed.
  if (message_bytes < kFixedBytes || message_bytes % 8 != 0 || packet.size() - kIpv6HeaderBytes < message_bytes) return std::nullopt;
  packet = packet.first(kIpv6HeaderBytes + message_bytes);
  const Bytes message = packet.subspan(kIpv6HeaderBytes);
  const bool advertisement = message[0] == kNeighbourAdvertisement;
  if ((!advertisement && message[0] != kNeighbourSolicitation) || message[1] != 0 || NeighbourChecksum(packet) != 0) return std::nullopt;
  const auto source = IpAddress::FromBytes(packet.subspan(8, 16));
  const auto target = IpAddress::FromBytes(message.subspan(8, 16));
  if (target.is_multicast() || target.is_unspecified() || source.is_multicast()) return std::nullopt;
  const auto option = FindLinkLayerAddress(message.subspan(kFixedBytes), advertisement ? kTargetLinkLayerAddress : kSourceLinkLayerAddress);
  if (!option) return std::nullopt;
  Claim claim{.address = target, .mac = option->value_or(MacAt(frame, kSourceMac)), .from = MacAt(frame, kSourceMac)};
  if (advertisement) return claim;
  claim.probe = source.is_unspecified();
  if (claim.probe && *option) return std::nullopt;  // RFC 4861 section 7.1.1
  if (!claim.probe) claim.address = source;
  return claim;
}

}  // namespace egressd::kernel
