// Gateways: their nodes, their pools, their default egress IPs.
#include <algorithm>
#include <format>
#include <map>
#include <set>

#include "policy/checks.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

void CheckDefaults(const PolicySet& set, std::vector<Finding>& findings) {
  const std::string* first = nullptr;
  for (const auto& [name, gateway] : set.gateways) {
    if (!gateway.is_default) continue;
    if (first == nullptr) {
      first = &name;
      continue;
    }
    findings.push_back(Error(rule::kTwoDefaultGateways, std::format("gateways.{}.default", name),
                             std::format("there is at most one default gateway, and {} is it already", *first), "default: false"));
  }
}

void CheckNodes(const std::string& path, const NodeSelector& nodes, std::vector<Finding>& findings) {
  if (nodes.names.empty() && nodes.labels.empty()) {
    findings.push_back(Error(rule::kNoNodes, path, "the gateway selects no node", "nodes: {labels: {role: gateway}}"));
  }
  for (std::size_t i = 0; i < nodes.names.size(); ++i) {
    if (!nodes.names[i].empty()) continue;
    findings.push_back(Error(rule::kNoNodes, std::format("{}[{}]", path, i), "the name of a node is empty"));
  }
  for (const Requirement& requirement : nodes.labels) {
    const bool wants_values = requirement.op == Requirement::Operator::kIn || requirement.op == Requirement::Operator::kNotIn;
    if (!requirement.key.empty() && (!wants_values || !requirement.values.empty())) continue;
    findings.push_back(Error(rule::kRequirement, path, std::format("the requirement on label `{}` lacks a key or a value", requirement.key),
                             "select: \"role=gateway,zone in (a,b)\""));
  }
}

void CheckPoolList(const PolicySet& set, const std::string& path, const Gateway& gateway, std::vector<Finding>& findings) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < gateway.pools.size(); ++i) {
    const std::string& pool = gateway.pools[i];
    const std::string at = gateway.pools.size() == 1 ? path + ".pool" : std::format("{}.pool[{}]", path, i);
    if (!set.pools.contains(pool)) {
      findings.push_back(Error(rule::kUnknownPool, at, std::format("there is no pool `{}`", pool), SuggestName(pool, NamesOf(set.pools))));
    }
    if (!seen.insert(pool).second)
      findings.push_back(Error(rule::kPoolTwice, at, std::format("pool {} is listed twice", pool), "remove it"));
  }
}

void CheckDefaultIp(const Subject& subject, const std::string& path, const Gateway& gateway, std::vector<Finding>& findings) {
  const auto Check = [&](const std::optional<IpAddress>& address, Family family) {
    if (!address) return;
    const std::string at = std::format("{}.default_ip.{}", path, ToString(family));
    if (address->family() != family) {
      findings.push_back(Error(rule::kWrongFamily, at,
                               std::format("{} is {}, but stands in {}", address->ToString(), Spelled(address->family()), ToString(family)),
                               std::format("{}: {}", ToString(address->family()), address->ToString())));
      return;
    }
    const bool inside = std::ranges::any_of(gateway.pools, [&](const std::string& pool) {
      const auto found = subject.layouts.find(pool);
      return found != subject.layouts.end() && found->second.Contains(*address);
    });
    if (inside) return;
    findings.push_back(Error(rule::kDefaultNotInPools, at,
                             std::format("{} is not in the pools of gateway {}", address->ToString(), gateway.name),
                             "choose an address of its pools, or leave `default_ip` out: the first one is taken"));
  };
  Check(gateway.default_ipv4, Family::kIpv4);
  Check(gateway.default_ipv6, Family::kIpv6);
  if (!gateway.default_ipv4 || !gateway.default_ipv6) return;
  for (const std::string& pool : gateway.pools) {
    const auto found = subject.layouts.find(pool);
    if (found == subject.layouts.end()) continue;
    const auto mate = found->second.MateOf(*gateway.default_ipv4);
    if (!mate || *mate == *gateway.default_ipv6) continue;
    findings.push_back(Error(rule::kNotAPair, path + ".default_ip.ipv6",
                             std::format("pool {} pairs {} with {}, not with {}", pool, gateway.default_ipv4->ToString(), mate->ToString(),
                                         gateway.default_ipv6->ToString()),
                             "ipv6: \"" + mate->ToString() + "\""));
  }
}

// An egress IP belongs to one gateway: two with different nodes would both want to hold it.
void CheckSharedPools(const PolicySet& set, std::vector<Finding>& findings) {
  std::map<std::string, std::string> gateway_of;
  for (const auto& [name, gateway] : set.gateways) {
    for (const std::string& pool : gateway.pools) {
      const auto [place, fresh] = gateway_of.emplace(pool, name);
      if (fresh || place->second == name) continue;
      findings.push_back(Error(rule::kPoolOfTwoGateways, std::format("gateways.{}.pool", name),
                               std::format("pool {} belongs to gateway {} already, and an egress IP has one gateway", pool, place->second),
                               "give each gateway a pool of its own"));
    }
  }
}

}  // namespace

void CheckGateways(const Subject& subject, std::vector<Finding>& findings) {
  for (const auto& [name, gateway] : subject.set.gateways) {
    const std::string path = "gateways." + name;
    CheckName("gateway", "gateways", name, findings);
    if (name == kSelf) {
      findings.push_back(Error(rule::kName, path, "`self` is reserved: `gateway: self` means the workload's own node",
                               "choose another name"));
    }
    CheckNodes(path + ".nodes", gateway.nodes, findings);
    CheckPoolList(subject.set, path, gateway, findings);
    CheckDefaultIp(subject, path, gateway, findings);
    if (gateway.interface && !IsDeviceName(*gateway.interface)) {
      findings.push_back(Error(rule::kInterface, path + ".interface",
                               std::format("`{}` is not the name of a network device", *gateway.interface), "interface: auto"));
    }
  }
  CheckDefaults(subject.set, findings);
  CheckSharedPools(subject.set, findings);
}

}  // namespace egressd::policy
