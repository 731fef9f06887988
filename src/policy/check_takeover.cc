// How the egress IPs of a gateway change their holder: strictness, grace, BFD, health checks, and room for all of them.
#include <algorithm>
#include <cstdint>
#include <format>
#include <map>
#include <set>
#include <tuple>

#include "egressd/base/duration.h"
#include "egressd/policy/binding.h"
#include "egressd/policy/limits.h"
#include "policy/checks.h"
#include "policy/describe.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

constexpr std::size_t kNodesForStrict = 3;  // the fewest that can lose one and still have a majority

void CheckTimer(const std::string& path, Duration duration, const DurationLimits& limits, std::string hint,
                std::vector<Finding>& findings) {
  if (limits.Hold(duration)) return;
  const std::string found = duration < Duration::zero() ? "a negative duration" : FormatDuration(duration);
  findings.push_back(
      Error(rule::kTimer, path,
            std::format("{} is out of range, expected {}-{}", found, FormatDuration(limits.lowest), FormatDuration(limits.highest)),
            std::move(hint)));
}

void CheckStrict(const Gateway& gateway, const std::string& path, const Surroundings& around, std::vector<Finding>& findings) {
  if (gateway.takeover != Takeover::kStrict) return;
  if (around.nodes && *around.nodes < kNodesForStrict) {
    const std::string message =
        *around.nodes < 2 ? "strict with a node alone: there is nobody to take over from it"
                          : "strict with two nodes cannot lose one: a lease needs a majority of all nodes, and one of two is none";
    findings.push_back(Warning(rule::kStrictOfTwo, path + ".takeover", message,
                               "add a third node to the cluster, which need not be a gateway, or write `takeover: immediate`"));
  }
  if (gateway.restart_grace != Gateway{}.restart_grace) {
    findings.push_back(Warning(rule::kGraceUnderStrict, path + ".restart_grace",
                               std::format("{} has no effect under `takeover: strict`: its leases are short, whatever stands here",
                                           FormatDuration(gateway.restart_grace)),
                               "remove it, or write `takeover: immediate`"));
  }
}

void CheckBfd(const Gateway& gateway, const std::string& path, std::vector<Finding>& findings) {
  if (!gateway.bfd) return;
  const BfdTimers& bfd = *gateway.bfd;
  const std::size_t before = findings.size();
  CheckTimer(path + ".bfd.min_rx", bfd.min_rx, kBfdLimits, "min_rx: 100ms", findings);
  CheckTimer(path + ".bfd.min_tx", bfd.min_tx, kBfdLimits, "min_tx: 100ms", findings);
  if (bfd.multiplier == 0) {
    findings.push_back(Error(rule::kTimer, path + ".bfd.multiplier", "multiplier 0 is not in 1-255", "multiplier: 3"));
  }
  if (bfd.multiplier == 1) {
    findings.push_back(Warning(rule::kOneLostPacket, path + ".bfd.multiplier",
                               "with multiplier 1 a single lost packet is taken for a dead node", "multiplier: 3"));
  }
  if (findings.size() != before || gateway.takeover == Takeover::kStrict) return;
  // What a node waits for its peer when both of them have these timers (RFC 5880 section 6.8.4).
  const Duration detection = std::max(bfd.min_rx, bfd.min_tx) * bfd.multiplier;
  if (detection <= gateway.restart_grace) return;
  findings.push_back(Warning(rule::kGraceBelowDetection, path + ".bfd",
                             std::format("a silent node is noticed after {}, but its leases end after {} (restart_grace): nobody holds its "
                                         "egress IPs in between",
                                         FormatDuration(detection), FormatDuration(gateway.restart_grace)),
                             "bfd: {min_rx: 100ms, min_tx: 100ms, multiplier: 3}"));
}

// What a check needs by itself; "" = nothing is missing.
std::string WhatIsWrong(const HealthCheck& check) {
  if (check.kind != HealthCheck::Kind::kIcmp && check.target.port == 0) return "port 0 is not in 1-65535";
  if (check.fail == 0 || check.fail > kMostHealthFailures) {
    return std::format("{} failures in a row are not in 1-{}", check.fail, kMostHealthFailures);
  }
  if (check.kind != HealthCheck::Kind::kHttp) return "";
  const bool plain = std::ranges::all_of(check.path, [](char c) { return c > ' ' && c <= '~' && c != '#'; });
  if (!plain || !check.path.starts_with('/') || check.path.size() > kLongestHealthPath) {
    return "the path of a request begins with `/` and has neither spaces nor control characters";
  }
  return "";
}

void CheckHealth(const Subject& subject, const Gateway& gateway, const std::string& path, std::vector<Finding>& findings) {
  using Asked = std::tuple<HealthCheck::Kind, Endpoint, std::string>;
  std::set<Asked> seen;
  for (std::size_t i = 0; i < gateway.health.size(); ++i) {
    const HealthCheck& check = gateway.health[i];
    const std::string at = std::format("{}.health[{}]", path, i);
    const std::string name = Target(check);
    const std::string target = at + "." + name.substr(0, name.find(':'));
    const IpAddress& address = check.target.address;
    const AddressRange range{.first = address, .last = address};
    if (const std::string wrong = WhatIsWrong(check); !wrong.empty()) findings.push_back(Error(rule::kHealthCheck, at, wrong));
    CheckTimer(at + ".every", check.every, kHealthEveryLimits, "every: 2s", findings);
    // A check of something on the node itself is fine.
    if (const std::string_view kind = Unusable(range); !kind.empty() && kind != "loopback") {
      findings.push_back(Error(rule::kUnusableAddress, target, std::format("{} is a {} address", address.ToString(), kind)));
    }
    if (const Prefix* tunnel = TunnelOver(subject.tunnels, range)) {
      findings.push_back(Error(rule::kInsideTunnel, target,
                               std::format("{} is inside of the tunnel network {}", address.ToString(), tunnel->ToString()),
                               "check something beyond the uplink: the router, or a host behind it"));
    }
    if (const std::string* pool = subject.PoolAt(address)) {
      findings.push_back(
          Error(rule::kHealthInPool, target,
                std::format("{} is an egress IP of pool {}: the check would ask the nodes about themselves", address.ToString(), *pool),
                "check something beyond the uplink: the router, or a host behind it"));
    }
    if (!seen.insert({check.kind, check.target, check.path}).second) {
      findings.push_back(Error(rule::kHealthTwice, at, std::format("`{}` is checked twice", name), "remove it"));
    }
  }
}

}  // namespace

void CheckTakeover(const Subject& subject, std::vector<Finding>& findings) {
  for (const auto& [name, gateway] : subject.set.gateways) {
    const std::string path = "gateways." + name;
    CheckTimer(path + ".restart_grace", gateway.restart_grace, kRestartGraceLimits, "restart_grace: 15s", findings);
    CheckStrict(gateway, path, subject.surroundings, findings);
    CheckBfd(gateway, path, findings);
    CheckHealth(subject, gateway, path, findings);
  }
}

void CheckRoom(const PolicySet& set, std::vector<Finding>& findings) {
  // Only nodes that are listed by name can be counted here.
  const auto is_countable = [](const Gateway& gateway) {
    return gateway.max_ips_per_node > 0 && !gateway.nodes.names.empty() && gateway.nodes.labels.empty();
  };
  if (std::ranges::none_of(set.gateways, [&](const auto& entry) { return is_countable(entry.second); })) return;
  const auto bound = Bind(set, {});
  if (!bound) return;  // reported by whoever binds
  std::map<std::string, std::set<IpAddress>> addresses;
  for (const Binding& binding : bound->bindings) {
    if (binding.egress_ip) addresses[binding.gateway].insert(*binding.egress_ip);
  }
  for (const auto& [name, gateway] : set.gateways) {
    if (!is_countable(gateway)) continue;
    const std::size_t nodes = std::set(gateway.nodes.names.begin(), gateway.nodes.names.end()).size();
    const std::size_t places = nodes * gateway.max_ips_per_node;
    const std::size_t wanted = addresses[name].size();
    if (wanted <= places) continue;
    findings.push_back(
        Warning(rule::kNodesTooFull, std::format("gateways.{}.max_ips_per_node", name),
                std::format("{} egress IPs for {} node{} with room for {} each: {} of them {} unassigned", wanted, nodes,
                            nodes == 1 ? "" : "s", gateway.max_ips_per_node, wanted - places, wanted - places == 1 ? "remains" : "remain"),
                std::format("max_ips_per_node: {}", (wanted + nodes - 1) / nodes)));
  }
}

}  // namespace egressd::policy
