// ARP and neighbour discovery frames as they come from the wire, from anybody: who says what about which address.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "egressd/base/address.h"

namespace egressd::kernel {

struct Claim {
  IpAddress address;
  MacAddress mac;      // the hardware address that it speaks for
  MacAddress from;     // the source of the frame
  bool probe = false;  // asks whether anybody has the address (RFC 5227 section 2.1.1, RFC 4862 section 5.4.3)
  auto operator<=>(const Claim&) const = default;
};

inline constexpr std::size_t kEthernetHeaderBytes = 14;
// No claim is behind this many bytes of a frame.
inline constexpr std::size_t kFrameBytes = 256;

// An Ethernet frame with ARP for IPv4: any operation claims its sender address; a request from 0.0.0.0 probes its target. nullopt: anything
// else, too short, or about no address.
std::optional<Claim> DecodeArp(std::span<const std::uint8_t> frame);

// An Ethernet frame with a neighbour advertisement or solicitation that is valid by RFC 4861 section 7.1: an advertisement claims its
// target, a solicitation claims its source, or from :: probes its target. The frame may be longer than the packet. nullopt: anything else.
std::optional<Claim> DecodeNeighbourDiscovery(std::span<const std::uint8_t> frame);

}  // namespace egressd::kernel
