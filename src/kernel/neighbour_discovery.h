// Numbers of neighbour discovery (RFC 4861 section 4), and the checksum of its messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace egressd::kernel {

inline constexpr std::size_t kIpv6HeaderBytes = 40;
inline constexpr std::uint8_t kIcmpv6 = 58;
inline constexpr std::uint8_t kNeighbourHopLimit = 255;  // no router has passed the message on
inline constexpr std::uint8_t kNeighbourSolicitation = 135, kNeighbourAdvertisement = 136;
inline constexpr std::uint8_t kSourceLinkLayerAddress = 1, kTargetLinkLayerAddress = 2;

// RFC 4443 section 2.3, over an IPv6 header and the message behind it: what its checksum field must hold when that is zero; 0 when the
// field is right. `packet` has an even number of bytes, at least 40.
inline std::uint16_t NeighbourChecksum(std::span<const std::uint8_t> packet) {
  std::uint32_t sum = static_cast<std::uint32_t>(packet.size() - kIpv6HeaderBytes) + kIcmpv6;
  for (std::size_t i = 8; i + 1 < packet.size(); i += 2) sum += static_cast<std::uint32_t>(packet[i] << 8 | packet[i + 1]);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xffff);
}

}  // namespace egressd::kernel
