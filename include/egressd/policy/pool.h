// Pools of egress IPs, and the networks that they are in. A part of the model of policy_set.h.
//
// Called by everybody who includes policy_set.h.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/address.h"

namespace egressd::policy {

// The network that the egress IPs of a pool are in, where it is not that of the gateway nodes, and the router that their traffic leaves by.
struct Subnet {
  std::optional<Prefix> ipv4;  // the router's address with the length of the network
  std::optional<Prefix> ipv6;
  std::uint16_t vlan = 0;      // 1-4094; 0 = untagged
  const std::optional<Prefix>& router(Family family) const { return family == Family::kIpv4 ? ipv4 : ipv6; }
  auto operator<=>(const Subnet&) const = default;
};

struct Pool {
  std::string name;
  std::vector<AddressRange> ipv4;
  std::vector<AddressRange> ipv6;
  std::vector<AddressRange> exclude;
  bool pair = false;
  std::optional<Subnet> subnet;
  auto operator<=>(const Pool&) const = default;
};

}  // namespace egressd::policy
