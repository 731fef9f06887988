// The parts of Validate, one per kind of object. Each appends its findings in the order of names.
// Called by Validate only; the codes are in rules.h.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/policy/finding.h"
#include "egressd/policy/policy_set.h"
#include "egressd/policy/validate.h"
#include "policy/pool_layout.h"

namespace egressd::policy {

// What several checks need, worked out once.
struct Subject {
  explicit Subject(const PolicySet& policies, const Surroundings& around);

  // The pool that offers an address; nullptr = none.
  const std::string* PoolAt(const IpAddress& address) const;

  struct Offered {
    AddressRange range;
    std::string pool;
  };
  const PolicySet& set;
  const Surroundings& surroundings;
  std::map<std::string, PoolLayout> layouts;
  std::vector<Offered> offered;  // every range of every pool, exclusions left out, by first address
  std::vector<Prefix> tunnels;   // the tunnel networks, when known
};

void CheckPools(const Subject& subject, std::vector<Finding>& findings);
// Of pools that are in a network of their own.
void CheckSubnets(const Subject& subject, std::vector<Finding>& findings);
void CheckGateways(const Subject& subject, std::vector<Finding>& findings);
// How the egress IPs of each gateway change their holder: timers, strictness, health checks.
void CheckTakeover(const Subject& subject, std::vector<Finding>& findings);
// Are there enough places under `max_ips_per_node`? Only for a set without errors: it binds.
void CheckRoom(const PolicySet& set, std::vector<Finding>& findings);
void CheckWorkloads(const Subject& subject, std::vector<Finding>& findings);
void CheckDestinations(const Subject& subject, std::vector<Finding>& findings);
void CheckPolicies(const Subject& subject, std::vector<Finding>& findings);
void CheckSelectors(const Policy& policy, std::vector<Finding>& findings);
void CheckNamespaces(const PolicySet& set, std::vector<Finding>& findings);
void CheckOverlaps(const PolicySet& set, std::vector<Finding>& findings);
void CheckUnused(const PolicySet& set, std::vector<Finding>& findings);

// --- vocabulary of the checks ---

// [a-z0-9][a-z0-9._-]{0,62}
bool IsName(std::string_view name);
void CheckName(std::string_view kind, std::string_view section, const std::string& name, std::vector<Finding>& findings);
// A device name that the kernel takes: 1-15 characters, no `/`, `:` or space.
bool IsDeviceName(std::string_view name);
// Why nobody can have an address of this range: "loopback", "multicast", …; empty = usable.
std::string_view Unusable(const AddressRange& range);
// A tunnel network that shares addresses with `range`; nullptr = none.
const Prefix* TunnelOver(const std::vector<Prefix>& tunnels, const AddressRange& range);
AddressRange RangeOf(const Prefix& prefix);
std::string_view Spelled(Family family);  // "IPv4", "IPv6"
// The name that was probably meant, as "did you mean `edge`?"; else the known names; empty when there are none.
std::string SuggestName(std::string_view wrong, const std::vector<std::string>& known);

template <typename Object>
std::vector<std::string> NamesOf(const std::map<std::string, Object>& objects) {
  std::vector<std::string> names;
  for (const auto& [name, object] : objects) names.push_back(name);
  return names;
}

}  // namespace egressd::policy
