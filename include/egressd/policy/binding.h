// Which egress IP and which egress id every policy got: settled once when a policy set is applied, and replicated with it.
//
// 1. An egress id stands for one (policy, egress IP) pair (with `egress_ip: node`: for (policy, family)).
// 2. Bind keeps the id and the automatic address of every pair that lives on.
// 3. Ids are handed out upwards from the cursor and wrap, so that a freed id is not used again soon.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/ids.h"
#include "egressd/policy/finding.h"
#include "egressd/policy/policy_set.h"

namespace egressd::policy {

struct Binding {
  EgressId id;
  std::string policy;
  std::string gateway;                 // kSelf: none, every node carries what its own workloads send
  Family family = Family::kIpv4;
  std::optional<IpAddress> egress_ip;  // unset: `egress_ip: node`, every gateway node uses its own address
  auto operator<=>(const Binding&) const = default;
};

struct Bindings {
  std::vector<Binding> bindings;  // sorted by id
  EgressId cursor{0};             // the id handed out last
  auto operator<=>(const Bindings&) const = default;
};

// `set` is valid. Enabled policies with action snat or route get bindings: one for each family that their pool, address or gateway offers.
// Findings (errors) when a pool has no unused address left for `auto`, or the ids are exhausted.
std::expected<Bindings, std::vector<Finding>> Bind(const PolicySet& set, const Bindings& previous);

// What an apply takes away from policies that go on: `auto` egress IPs that no pool of their gateway offers any more (warnings).
std::vector<Finding> RemovedInUse(const PolicySet& set, const Bindings& previous);

// How many addresses a pool has, exclusions left out; saturating at 2^64 - 1.
std::uint64_t CountOf(const Pool& pool, Family family);
// Is this one of them?
bool Contains(const Pool& pool, const IpAddress& address);

// Every address of a pool in order, exclusions left out. At most `limit` (pools of IPv6 can be huge).
std::vector<IpAddress> AddressesOf(const Pool& pool, Family family, std::size_t limit);

}  // namespace egressd::policy
