#include "yaml/keys.h"

#include <algorithm>
#include <array>
#include <format>
#include <numeric>
#include <vector>

#include "yaml/codes.h"

namespace egressd::yaml {
namespace {

// What other systems call it, and what it is called here. Several entries for one word: the first whose key the object has.
struct Foreign {
  std::string_view word;
  std::string_view key;
  std::string_view example;  // empty = just the key
};

constexpr std::string_view kManifest = "this looks like a Kubernetes manifest; a file of egressd starts with `version: 1`";

constexpr auto kForeign = std::to_array<Foreign>({
    {"apiVersion", "version", kManifest},
    {"kind", "version", kManifest},
    {"metadata", "version", kManifest},
    {"spec", "version", kManifest},
    {"appliedTo", "from", "from: {labels: {app: web}}"},
    {"podSelector", "from", "from: {labels: {app: web}}"},
    {"podSelector", "labels", ""},
    {"selectors", "from", ""},
    {"selector", "from", ""},
    {"selector", "select", ""},
    {"selector", "nodes", ""},
    {"podSubnet", "from", "from: {cidr: [192.0.2.0/24]}"},
    {"podSubnet", "cidr", ""},
    {"ipBlocks", "cidr", ""},
    {"cidrs", "cidr", ""},
    {"address", "cidr", ""},
    {"namespaceSelector", "namespace", ""},
    {"namespaceSelector", "from", "from: {namespace: shop}"},
    {"project", "namespace", ""},
    {"matchLabels", "labels", ""},
    {"matchExpressions", "select", "select: \"app in (web,api),!canary\""},
    {"destSubnet", "to", ""},
    {"destinationCIDRs", "to", ""},
    {"destination", "to", ""},
    {"destinations", "to", ""},
    {"destinationCIDR", "to", ""},
    {"excludedCIDRs", "except", ""},
    {"exceptCIDRs", "except", ""},
    {"exclude", "except", ""},
    {"except", "exclude", ""},
    {"egressGatewayName", "gateway", ""},
    {"egressGateway", "gateway", ""},
    {"egressIP", "egress_ip", ""},
    {"egressIPs", "egress_ip", ""},
    {"ip", "egress_ip", ""},
    {"ips", "egress_ip", ""},
    {"useNodeIP", "egress_ip", "egress_ip: node"},
    {"allocatorPolicy", "egress_ip", "egress_ip: auto"},
    {"snat", "action", "action: snat"},
    {"port", "ports", ""},
    {"trafficPolicy", "prefer", ""},
    {"ippools", "pool", ""},
    {"ippools", "pools", ""},
    {"ipPools", "pools", ""},
    {"externalIPPool", "pool", ""},
    {"externalIPPools", "pool", ""},
    {"pools", "pool", ""},
    {"pool", "pools", ""},
    {"ipRanges", "ipv4", "ipv4: [203.0.113.10-203.0.113.19]"},
    {"externalIPs", "pool", ""},
    {"ranges", "ipv4", "ipv4: [203.0.113.10-203.0.113.19]"},
    {"subnetInfo", "subnet", ""},
    {"nodeSelector", "nodes", "nodes: {labels: {role: gateway}}"},
    {"ipv4DefaultEIP", "default_ip", "default_ip: {ipv4: 203.0.113.10}"},
    {"ipv6DefaultEIP", "default_ip", "default_ip: {ipv6: \"2001:db8::10\"}"},
    {"ipv4DefaultEIP", "pools", "default_ip: {ipv4: 203.0.113.10} of a gateway"},
    {"clusterDefault", "default", "default: true"},
    {"maxEgressIPsPerNode", "max_ips_per_node", ""},
    {"extraCidr", "internal", ""},
    {"policy", "policies", ""},
    {"gateway", "gateways", ""},
    {"workload", "workloads", ""},
    {"ip", "addresses", ""},
    {"address", "addresses", ""},
    {"ips", "addresses", ""},
    {"seeds", "join", ""},
    {"peers", "join", ""},
    {"key", "key_file", ""},
    {"policies", "policy_file", ""},
    {"providers", "workloads", ""},
    {"name", "device", ""},
    {"id", "vni", ""},
    {"mark", "next_hop_mark", ""},
    {"table", "tables", ""},
});

// Insertions, removals, replacements and swaps of neighbours.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::vector<std::size_t> next(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) next[j] = std::min(next[j], before[j - 2] + 1);
    }
    std::swap(before, row);
    std::swap(row, next);
  }
  return row[b.size()];
}

// "podSelector", "pod-selector" and "pod_selector" are one word.
std::string Folded(std::string_view word) {
  std::string folded;
  for (const char c : word) {
    if (c >= 'A' && c <= 'Z') folded += static_cast<char>(c - 'A' + 'a');
    if (!(c >= 'A' && c <= 'Z') && c != '_' && c != '-') folded += c;
  }
  return folded;
}

}  // namespace

std::string_view Nearest(std::string_view written, std::span<const std::string_view> words) {
  if (written.size() > 40) return {};
  const std::string folded = Folded(written);
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, folded.size() / 3) + 1;
  for (const std::string_view word : words) {
    const std::size_t distance = EditDistance(folded, Folded(word));
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = word;
  }
  return best;
}

std::string GuessKey(std::string_view written, std::span<const Key> keys) {
  if (written.size() > 40) return {};
  const std::string folded = Folded(written);
  for (const Foreign& foreign : kForeign) {
    if (Folded(foreign.word) != folded) continue;
    if (!std::ranges::contains(keys, foreign.key, &Key::name)) continue;
    if (foreign.example == kManifest) return std::string(kManifest);
    if (foreign.example.empty()) return std::format("it is spelled `{}` here", foreign.key);
    return std::format("here it is written as `{}`", foreign.example);
  }
  std::vector<std::string_view> words;
  for (const Key& key : keys) words.push_back(key.name);
  if (const std::string_view word = Nearest(written, words); !word.empty()) return std::format("did you mean `{}`?", word);
  std::string known;
  for (const Key& key : keys) known += std::format("{}{}", known.empty() ? "" : ", ", key.name);
  return std::format("known keys are {}", known);
}

void CheckKeys(Report& report, const Node& map, std::span<const Key> keys, std::string_view what) {
  for (const Node::Entry& entry : map.entries) {
    const auto known = std::ranges::find(keys, std::string_view(entry.key->text), &Key::name);
    if (known != keys.end()) continue;
    std::string hint = report.is_full() ? std::string() : GuessKey(entry.key->text, keys);
    report.Error(*entry.key, kUnknownKey, std::format("unknown key {} in {}", Quote(entry.key->text), what), std::move(hint));
  }
}

}  // namespace egressd::yaml
