// Policies: each by itself, and with the gateway and pools that it uses.
#include <algorithm>
#include <format>
#include <set>

#include "egressd/base/bit_rate.h"
#include "egressd/policy/limits.h"
#include "policy/checks.h"
#include "policy/describe.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

void CheckValues(const Policy& policy, const std::string& path, std::vector<Finding>& findings) {
  if (policy.priority == 0) {
    findings.push_back(Error(rule::kPriority, path + ".priority", "priority 0 is not in 1-65535, the lowest number wins", "priority: 1"));
  }
  if (policy.namespace_ && policy.namespace_->empty())
    findings.push_back(Error(rule::kName, path + ".namespace", "the namespace is empty"));
  if (policy.to == Reach::kListed && policy.destinations.empty()) {
    findings.push_back(
        Error(rule::kEmptyTo, path + ".to", "the list of destinations is empty, so the policy would never apply", "to: external"));
  }
  for (std::size_t i = 0; i < policy.ports.size(); ++i) {
    const PortRange& range = policy.ports[i];
    const std::string at = std::format("{}.ports[{}]", path, i);
    if (range.protocol != 6 && range.protocol != 17 && range.protocol != 132) {
      findings.push_back(
          Error(rule::kPorts, at, std::format("protocol {} has no ports", range.protocol), "ports: [tcp/443, udp/443, sctp/5000]"));
    } else if (range.first == 0 || range.first > range.last) {
      findings.push_back(Error(rule::kPorts, at, std::format("{} is not a range of ports: 1-65535, the lower one first", Text(range)),
                               "ports: [tcp/8000-8100]"));
    }
  }
}

void CheckBandwidth(const Bandwidth& bandwidth, const std::string& path, std::vector<Finding>& findings) {
  if (bandwidth == Bandwidth{}) return;
  const auto CheckRange = [&](std::string_view key, std::uint64_t bits, const BitLimits& limits) {
    if (bits == 0 || limits.Hold(bits)) return;
    findings.push_back(Error(rule::kBandwidth, std::format("{}.{}", path, key),
                             std::format("{} is out of range, expected {}-{} bit{}", FormatBits(bits), FormatBits(limits.lowest),
                                         FormatBits(limits.highest), key == "burst" ? "" : "/s")));
  };
  CheckRange("egress", bandwidth.egress_bits, kRateLimits);
  CheckRange("ingress", bandwidth.ingress_bits, kRateLimits);
  CheckRange("burst", bandwidth.burst_bits, kBurstLimits);
  const std::uint64_t highest = std::max(bandwidth.egress_bits, bandwidth.ingress_bits);
  if (highest == 0) {
    findings.push_back(Error(rule::kBandwidth, path, "neither `egress` nor `ingress`: nothing is limited", "bandwidth: {egress: 800M}"));
  } else if (bandwidth.burst_bits != 0 && bandwidth.burst_bits < highest) {
    findings.push_back(Error(rule::kBurstBelowRate, path + ".burst",
                             std::format("a burst of {} bit is less than what a limit of {} bit/s lets pass in a second: the kernel knows "
                                         "no smaller one",
                                         FormatBits(bandwidth.burst_bits), FormatBits(highest)),
                             std::format("burst: {}, or remove it, which means the same", FormatBits(highest))));
  }
}

// Keys that do nothing are mistakes: whoever wrote them expected something.
void CheckEffect(const Policy& policy, const std::string& path, std::vector<Finding>& findings) {
  if (UsesGateway(policy)) return;
  const auto NoEffect = [&](std::string_view key) {
    findings.push_back(Error(rule::kNoEffect, std::format("{}.{}", path, key),
                             std::format("`{}` has no effect with `action: {}`", key, ToString(policy.action)),
                             std::format("remove `{}`, or `action: snat`", key)));
  };
  if (policy.gateway) NoEffect("gateway");
  if (policy.egress_ip != EgressIpChoice{}) NoEffect("egress_ip");
  if (policy.replicas != 0) NoEffect("replicas");
  if (policy.spread != Spread::kSource) NoEffect("spread");
  if (policy.prefer != Prefer::kAny) NoEffect("prefer");
  if (policy.on_no_gateway != OnNoGateway::kDrop) NoEffect("on_no_gateway");
  if (policy.source != Source::kMasquerade) NoEffect("source");
  if (policy.bandwidth != Bandwidth{}) NoEffect("bandwidth");
}

// Whoever keeps its source must have one that can be routed back to its node.
void CheckSource(const Policy& policy, const std::string& path, std::vector<Finding>& findings) {
  if (!KeepsSource(policy)) return;
  const bool routes = policy.action == Action::kRoute;
  if (LeavesFromOwnNode(policy) && routes) {
    findings.push_back(Error(rule::kRouteWithoutGateway, path + ".gateway", "`action: route` leads through a gateway, and `self` is none",
                             "name a gateway, or `action: direct`"));
  } else if (LeavesFromOwnNode(policy)) {
    findings.push_back(Error(rule::kNoEffect, path + ".source", "`source` has no effect with `gateway: self`: there is no tunnel",
                             "remove `source`"));
  }
  for (std::size_t i = 0; i < policy.from.size(); ++i) {
    if (!policy.from[i].names_processes()) continue;
    findings.push_back(Error(rule::kSourceOfProcesses, std::format("{}.from[{}]", path, i),
                             std::format("the host's own processes have an address of the node, not of a workload: `{}` cannot keep it",
                                         routes ? "action: route" : "source: preserve"),
                             routes ? "action: snat, for processes" : "leave `source` out, for processes"));
  }
}

// True when every pool of the gateway exists and none has an address.
bool HasNoAddress(const Subject& subject, const Gateway& gateway) {
  return std::ranges::all_of(gateway.pools, [&](const std::string& pool) {
    const auto found = subject.layouts.find(pool);
    return found != subject.layouts.end() && found->second.Count(Family::kIpv4) == 0 && found->second.Count(Family::kIpv6) == 0;
  });
}

// `path` is that of the address or pair.
void CheckEgressAddress(const Subject& subject, const Gateway& gateway, const std::string& path, const IpAddress& address, Family family,
                        std::vector<Finding>& findings) {
  const std::string at = std::format("{}.{}", path, ToString(family));
  if (address.family() != family) {
    findings.push_back(Error(rule::kWrongFamily, at,
                             std::format("{} is {}, but stands in {}", address.ToString(), Spelled(address.family()), ToString(family)),
                             std::format("egress_ip: {{{}: \"{}\"}}", ToString(address.family()), address.ToString())));
    return;
  }
  bool all_known = true;
  for (const std::string& pool : gateway.pools) {
    const auto found = subject.layouts.find(pool);
    all_known = all_known && found != subject.layouts.end();
    if (found != subject.layouts.end() && found->second.Contains(address)) return;
  }
  if (!all_known) return;  // the pool that is missing is the mistake
  const std::string* other = subject.PoolAt(address);
  std::string hint =
      gateway.pools.empty()
          ? std::format("pools: {{public: {{{}: [{}]}}}} and `pool: public` in the gateway", ToString(family), address.ToString())
          : std::format("add it to pool {}: `{}: [{}]`", gateway.pools.front(), ToString(family), address.ToString());
  if (other != nullptr) hint = std::format("it is in pool {}: use a gateway with that pool", *other);
  findings.push_back(
      Error(rule::kEgressNotInPools, at, std::format("{} is not in the pools of gateway {}", address.ToString(), gateway.name), hint));
}

void CheckPair(const Subject& subject, const Gateway& gateway, const std::string& path, const AddressPair& choice,
               std::vector<Finding>& findings) {
  if (!choice.ipv4 || !choice.ipv6) return;
  for (const std::string& pool : gateway.pools) {
    const auto found = subject.layouts.find(pool);
    if (found == subject.layouts.end() || !found->second.pair()) continue;
    const bool holds_ipv6 = found->second.Contains(*choice.ipv6);
    const std::optional<IpAddress> mate = found->second.MateOf(*choice.ipv4);
    if ((!mate && !holds_ipv6) || mate == choice.ipv6) continue;
    const IpAddress wanted = mate ? *mate : found->second.MateOf(*choice.ipv6).value_or(*choice.ipv6);
    findings.push_back(Error(
        rule::kNotAPair, path,
        std::format("pool {} has `pair: true`, and {} and {} are not a pair of it", pool, choice.ipv4->ToString(), choice.ipv6->ToString()),
        mate ? std::format("egress_ip: {{ipv4: {}, ipv6: \"{}\"}}", choice.ipv4->ToString(), wanted.ToString())
             : std::format("egress_ip: {{ipv4: {}, ipv6: \"{}\"}}", wanted.ToString(), choice.ipv6->ToString())));
  }
}

void CheckAddresses(const Subject& subject, const Gateway& gateway, const Policy& policy, const std::string& path,
                    std::vector<Finding>& findings) {
  const std::vector<AddressPair>& addresses = policy.egress_ip.addresses;
  std::set<IpAddress> seen;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const std::string at = addresses.size() == 1 ? path + ".egress_ip" : std::format("{}.egress_ip[{}]", path, i);
    const AddressPair& pair = addresses[i];
    if (!pair.ipv4 && !pair.ipv6) findings.push_back(Error(rule::kNoEgressAddress, at, "the egress IP is empty", "egress_ip: auto"));
    if (pair.ipv4) CheckEgressAddress(subject, gateway, at, *pair.ipv4, Family::kIpv4, findings);
    if (pair.ipv6) CheckEgressAddress(subject, gateway, at, *pair.ipv6, Family::kIpv6, findings);
    CheckPair(subject, gateway, at, pair, findings);
    for (const std::optional<IpAddress>& address : {pair.ipv4, pair.ipv6}) {
      if (address && !seen.insert(*address).second)
        findings.push_back(Error(rule::kEgressTwice, at, std::format("{} is listed twice", address->ToString()), "remove it"));
    }
  }
}

// `replicas`, `spread` and `prefer` against what `egress_ip` offers.
void CheckReplicas(const Policy& policy, const std::string& path, std::vector<Finding>& findings) {
  using enum EgressIpChoice::Kind;
  const std::size_t wanted = ReplicasOf(policy);
  Policy unlimited = policy;
  unlimited.replicas = 0;
  const std::size_t listed = ReplicasOf(unlimited);
  const bool of_the_node = policy.egress_ip.kind == kNode || LeavesFromOwnNode(policy);
  const auto refuse = [&](std::string message, std::string hint) {
    findings.push_back(Error(rule::kReplicas, path + ".replicas", std::move(message), std::move(hint)));
  };
  if (wanted > kMostReplicas) {
    refuse(std::format("{} egress IPs at work at once, and there are at most {}", wanted, kMostReplicas),
           std::format("replicas: {}", kMostReplicas));
  } else if (of_the_node && wanted > 1) {
    refuse("with the address of the node there is no number of egress IPs: each gateway node uses its own", "remove `replicas`");
  } else if (policy.egress_ip.kind == kDefault && wanted > 1) {
    refuse("`egress_ip: default` is one egress IP", "egress_ip: auto");
  } else if (policy.egress_ip.kind == kAddress && wanted > listed) {
    refuse(std::format("{} egress IPs at work at once, and `egress_ip` lists {}", wanted, listed),
           listed == 1 ? "list as many addresses, or `egress_ip: auto`" : std::format("replicas: {}", listed));
  } else if (policy.egress_ip.kind == kAddress && wanted < listed) {
    findings.push_back(Warning(rule::kSpareEgress, path + ".replicas",
                               std::format("`egress_ip` lists {}, and the first {} {} at work: the rest is kept for more replicas", listed,
                                           wanted, wanted == 1 ? "is" : "are"),
                               std::format("replicas: {}", listed)));
  }
  if (wanted > 1) return;
  const auto warn = [&](std::string_view key) {
    findings.push_back(Warning(rule::kOnlyOneEgress, std::format("{}.{}", path, key),
                               std::format("`{}` chooses between several egress IPs, and the policy has one", key),
                               of_the_node ? std::format("remove `{}`", key) : std::string("replicas: 2")));
  };
  if (policy.spread != Spread::kSource) warn("spread");
  // A gateway node's own workloads use its own address anyway: as wished.
  if (policy.prefer != Prefer::kAny && policy.egress_ip.kind != kNode) warn("prefer");
}

// Then an unknown gateway is the namespace's mistake.
bool HasNamespaceGateway(const PolicySet& set, const Policy& policy) {
  const auto named = policy.namespace_ ? set.namespaces.find(*policy.namespace_) : set.namespaces.end();
  return named != set.namespaces.end() && named->second.gateway.has_value();
}

void CheckEgress(const Subject& subject, const Policy& policy, const std::string& path, std::vector<Finding>& findings) {
  const PolicySet& set = subject.set;
  const EgressIpChoice& choice = policy.egress_ip;
  const Gateway* gateway = GatewayOf(set, policy);
  CheckReplicas(policy, path, findings);
  if (LeavesFromOwnNode(policy)) {
    if (choice.kind == EgressIpChoice::Kind::kNode) return;
    findings.push_back(Error(rule::kSelfWithAddress, path + ".egress_ip",
                             "with `gateway: self` every node translates to its own address: no egress IP is held",
                             "egress_ip: node, or name a gateway"));
    return;
  }
  if (choice.kind != EgressIpChoice::Kind::kAddress && !choice.addresses.empty()) {
    findings.push_back(Error(rule::kNodeWithAddress, path + ".egress_ip", "an address and `node`, `auto` or `default` exclude each other",
                             "egress_ip: node"));
  }
  if (gateway == nullptr && policy.gateway) {
    findings.push_back(Error(rule::kUnknownGateway, path + ".gateway", std::format("there is no gateway `{}`", *policy.gateway),
                             SuggestName(*policy.gateway, NamesOf(set.gateways))));
  } else if (gateway == nullptr && !HasNamespaceGateway(set, policy)) {
    findings.push_back(Error(rule::kNoGateway, path, "the policy names no gateway, and there is no default one",
                             set.gateways.empty() ? "gateways: {edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}}"
                                                  : std::format("gateway: {}", set.gateways.begin()->first)));
  }
  if (gateway == nullptr) return;
  if (choice.kind == EgressIpChoice::Kind::kAddress) {
    if (choice.addresses.empty())
      findings.push_back(Error(rule::kNoEgressAddress, path + ".egress_ip", "the egress IP is empty", "egress_ip: auto"));
    CheckAddresses(subject, *gateway, policy, path, findings);
  } else if (choice.kind != EgressIpChoice::Kind::kNode && HasNoAddress(subject, *gateway)) {
    findings.push_back(Error(rule::kNoEgressAddress, path + ".egress_ip",
                             std::format("gateway {} has no pool with addresses, so there is no egress IP to take", gateway->name),
                             "give the gateway a pool, or `egress_ip: node` for the gateway node's own address"));
  }
}

}  // namespace

void CheckPolicies(const Subject& subject, std::vector<Finding>& findings) {
  for (const auto& [name, policy] : subject.set.policies) {
    const std::string path = "policies." + name;
    CheckName("policy", "policies", name, findings);
    CheckValues(policy, path, findings);
    CheckSelectors(policy, findings);
    CheckBandwidth(policy.bandwidth, path + ".bandwidth", findings);
    CheckEffect(policy, path, findings);
    CheckSource(policy, path, findings);
    if (UsesGateway(policy)) CheckEgress(subject, policy, path, findings);
  }
}

void CheckUnused(const PolicySet& set, std::vector<Finding>& findings) {
  std::set<std::string_view> pools;
  std::set<std::string_view> gateways;
  std::set<std::string_view> destinations;
  const auto Note = [&](const std::vector<Destination>& list) {
    for (const Destination& destination : list) {
      if (const std::string* name = std::get_if<std::string>(&destination)) destinations.insert(*name);
    }
  };
  for (const auto& [name, gateway] : set.gateways) {
    pools.insert(gateway.pools.begin(), gateway.pools.end());
    if (gateway.is_default) gateways.insert(name);
  }
  for (const auto& [name, list] : set.destinations) Note(list);
  for (const auto& [name, named] : set.namespaces) {
    if (named.gateway) gateways.insert(*named.gateway);
  }
  for (const auto& [name, policy] : set.policies) {
    if (policy.gateway) gateways.insert(*policy.gateway);
    Note(policy.destinations);
    Note(policy.except);
  }
  for (const auto& [name, pool] : set.pools) {
    if (!pools.contains(name))
      findings.push_back(
          Warning(rule::kUnusedPool, "pools." + name, std::format("no gateway uses pool {}", name), std::format("pool: {}", name)));
  }
  for (const auto& [name, gateway] : set.gateways) {
    if (!gateways.contains(name)) {
      findings.push_back(Warning(rule::kUnusedGateway, "gateways." + name, std::format("no policy uses gateway {}", name),
                                 std::format("gateway: {}", name)));
    }
  }
  for (const auto& [name, list] : set.destinations) {
    if (!destinations.contains(name)) {
      findings.push_back(Warning(rule::kUnusedDestinations, "destinations." + name,
                                 std::format("nothing refers to the destinations {}", name), std::format("to: [\"@{}\"]", name)));
    }
  }
}

}  // namespace egressd::policy
