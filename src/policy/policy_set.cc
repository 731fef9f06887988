#include "egressd/policy/policy_set.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace egressd::policy {

std::vector<const Policy*> InOrder(const PolicySet& set) {
  std::vector<const Policy*> order;
  for (const auto& [name, policy] : set.policies) {
    if (policy.enabled) order.push_back(&policy);
  }
  std::ranges::sort(order,
                    [](const Policy* a, const Policy* b) { return std::tie(a->priority, a->name) < std::tie(b->priority, b->name); });
  return order;
}

std::string_view ToString(Action action) {
  switch (action) {
    case Action::kSnat: return "snat";
    case Action::kRoute: return "route";
    case Action::kDirect: return "direct";
    case Action::kDrop: return "drop";
  }
  return "?";
}

bool UsesGateway(const Policy& policy) { return policy.action == Action::kSnat || policy.action == Action::kRoute; }

bool KeepsSource(const Policy& policy) {
  return policy.action == Action::kRoute || (policy.action == Action::kSnat && policy.source == Source::kPreserve);
}

bool LeavesFromOwnNode(const Policy& policy) { return policy.gateway == kSelf; }

std::size_t ReplicasOf(const Policy& policy) {
  if (policy.replicas != 0) return policy.replicas;
  if (policy.egress_ip.kind != EgressIpChoice::Kind::kAddress) return 1;
  std::size_t ipv4 = 0;
  std::size_t ipv6 = 0;
  for (const AddressPair& pair : policy.egress_ip.addresses) {
    if (pair.ipv4) ++ipv4;
    if (pair.ipv6) ++ipv6;
  }
  return std::max(ipv4, ipv6);
}

const Gateway* GatewayOf(const PolicySet& set, const Policy& policy) {
  const std::optional<std::string>* named = &policy.gateway;
  if (!*named && policy.namespace_) {
    const auto own = set.namespaces.find(*policy.namespace_);
    if (own != set.namespaces.end()) named = &own->second.gateway;
  }
  if (*named) {
    const auto found = set.gateways.find(**named);
    return found == set.gateways.end() ? nullptr : &found->second;
  }
  const auto found = std::ranges::find_if(set.gateways, [](const auto& entry) { return entry.second.is_default; });
  return found == set.gateways.end() ? nullptr : &found->second;
}

const Subnet* SubnetOf(const PolicySet& set, const IpAddress& egress_ip) {
  for (const auto& [name, pool] : set.pools) {
    if (!pool.subnet) continue;
    const auto holds = [&](const AddressRange& range) { return range.Contains(egress_ip); };
    if (std::ranges::any_of(egress_ip.family() == Family::kIpv4 ? pool.ipv4 : pool.ipv6, holds)) return &*pool.subnet;
  }
  return nullptr;
}

std::vector<Prefix> Resolve(const PolicySet& set, const std::vector<Destination>& destinations) {
  std::vector<Prefix> prefixes;
  std::set<std::string_view> followed;
  std::vector<const std::vector<Destination>*> pending{&destinations};
  while (!pending.empty()) {
    const std::vector<Destination>& list = *pending.back();
    pending.pop_back();
    for (const Destination& destination : list) {
      if (const Prefix* prefix = std::get_if<Prefix>(&destination)) {
        prefixes.push_back(*prefix);
        continue;
      }
      const auto found = set.destinations.find(std::get<std::string>(destination));
      if (found != set.destinations.end() && followed.insert(found->first).second) pending.push_back(&found->second);
    }
  }
  std::ranges::sort(prefixes);
  prefixes.erase(std::ranges::unique(prefixes).begin(), prefixes.end());
  return prefixes;
}

}  // namespace egressd::policy
