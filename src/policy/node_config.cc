#include "egressd/policy/node_config.h"

#include <chrono>

namespace egressd::policy {

NodeConfig::Tunnel::Tunnel() : ipv4(*Prefix::Parse("198.19.0.0/16")), ipv6(*Prefix::Parse("fd65:6772:6573:7300::/64")) {}

BfdTimers BfdOf(const Gateway& gateway, Profile profile) {
  if (gateway.bfd) return *gateway.bfd;
  using std::chrono::milliseconds;
  const milliseconds interval(profile == Profile::kFast ? 10 : profile == Profile::kWan ? 300 : 100);
  return {.min_rx = interval, .min_tx = interval, .multiplier = 3};
}

}  // namespace egressd::policy
