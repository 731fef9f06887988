// What a policy does with the connections that it is about, word by word. Part of policy_set.h.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

namespace egressd::policy {

enum class Action : std::uint8_t {
  kSnat,
  kRoute,   // through the gateway, with the workload's own address
  kDirect,
  kDrop,
};
std::string_view ToString(Action action);  // the word of the policy file
// What the gateway sees of the workload (kRoute: always kPreserve).
enum class Source : std::uint8_t {
  kMasquerade,  // the tunnel address of its node
  kPreserve,    // its own address, which the gateway routes back
};
enum class OnNoGateway : std::uint8_t { kDrop, kDirect };

// Which of its egress IPs a policy of several gives to a new connection.
enum class Spread : std::uint8_t {
  kSource,  // always the same one to a source address
  kFlow,    // all of them in turn
};
enum class Prefer : std::uint8_t { kAny, kLocal };

// What all connections of a policy together may send (egress) and be sent (ingress) through one gateway node.
struct Bandwidth {
  std::uint64_t egress_bits = 0;   // in a second; 0 = no limit
  std::uint64_t ingress_bits = 0;  // in a second; 0 = no limit
  std::uint64_t burst_bits = 0;    // that may pass at once after a pause; 0 = what the rate gives in a second
  auto operator<=>(const Bandwidth&) const = default;
};

}  // namespace egressd::policy
