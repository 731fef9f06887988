// Strong integer types: an egress id cannot be passed where a next-hop slot is meant.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace egressd {

template <typename Tag, typename Integer>
struct StrongId {
  Integer value = 0;
  auto operator<=>(const StrongId&) const = default;
};

// One (policy, egress IP) pair: 1-65534. Carried in the low 16 bits of the connection mark and in the VXLAN header.
// 65535 is reserved: in a connection mark it says "decided: goes out directly".
using EgressId = StrongId<struct EgressIdTag, std::uint16_t>;
inline constexpr EgressId kLastEgressId{65534};
inline constexpr std::uint16_t kDirectMark = 65535;

// The packet mark of what egressd itself sends (gossip, BFD, echo requests, health checks): never selected, whoever it runs as. Its bits
// are none that policy routing here looks at (those are above bit 15), nor podman's (0x2000) or kube-proxy's (0x4000, 0x8000).
inline constexpr std::uint32_t kDaemonMark = 0x000010e6;

// A way out of this node: 1-255, the bits of the packet mark that policy routing looks at.
using Slot = StrongId<struct SlotTag, std::uint8_t>;

}  // namespace egressd

template <typename Tag, typename Integer>
struct std::hash<egressd::StrongId<Tag, Integer>> {
  std::size_t operator()(egressd::StrongId<Tag, Integer> id) const noexcept { return std::hash<Integer>{}(id.value); }
};
