#include "egressd/policy/validate.h"

#include <algorithm>
#include <array>
#include <format>

#include "policy/checks.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

// Levenshtein distance of two short texts.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

void CheckInternal(const Subject& subject, std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < subject.set.internal.size(); ++i) {
    const Prefix& prefix = subject.set.internal[i];
    const Prefix* tunnel = TunnelOver(subject.tunnels, RangeOf(prefix));
    if (tunnel == nullptr) continue;
    findings.push_back(
        Warning(rule::kInternalOverTunnel, std::format("internal[{}]", i),
                std::format("{} overlaps the tunnel network {}: is that network really free?", prefix.ToString(), tunnel->ToString()),
                "choose a tunnel network that nobody uses: `tunnel: {ipv4: ...}` in egressd.yaml"));
  }
}

void CheckTunnelRoutes(const Subject& subject, std::vector<Finding>& findings) {
  for (const Prefix& route : subject.surroundings.routes) {
    if (route.length == 0) continue;
    const Prefix* tunnel = TunnelOver(subject.tunnels, RangeOf(route));
    if (tunnel == nullptr) continue;
    findings.push_back(Error(
        rule::kTunnelOverRoute, "",
        std::format("the tunnel network {} overlaps the network {}, to which this node has a route", tunnel->ToString(), route.ToString()),
        "choose another tunnel network: `tunnel: {ipv4: ..., ipv6: ...}` in egressd.yaml of every node"));
  }
}

}  // namespace

Subject::Subject(const PolicySet& policies, const Surroundings& around) : set(policies), surroundings(around) {
  for (const auto& [name, pool] : set.pools) {
    const PoolLayout& layout = layouts.emplace(name, PoolLayout(pool)).first->second;
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      for (const AddressRange& range : layout.Ranges(family)) offered.push_back({.range = range, .pool = name});
    }
  }
  std::ranges::stable_sort(offered, {}, [](const Offered& entry) { return entry.range; });
  if (surroundings.tunnel) tunnels = {surroundings.tunnel->ipv4, surroundings.tunnel->ipv6};
}

const std::string* Subject::PoolAt(const IpAddress& address) const {
  const auto behind = std::ranges::upper_bound(offered, address, {}, [](const Offered& entry) { return entry.range.first; });
  if (behind == offered.begin() || !std::prev(behind)->range.Contains(address)) return nullptr;
  return &std::prev(behind)->pool;
}

bool IsName(std::string_view name) {
  const auto LetterOrDigit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && LetterOrDigit(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return LetterOrDigit(c) || c == '.' || c == '_' || c == '-'; });
}

void CheckName(std::string_view kind, std::string_view section, const std::string& name, std::vector<Finding>& findings) {
  if (IsName(name)) return;
  findings.push_back(
      Error(rule::kName, std::format("{}.{}", section, name),
            std::format("`{}` is not a name for a {}: 1-63 of a-z, 0-9, `.`, `_` and `-`, the first a letter or digit", name, kind)));
}

bool IsDeviceName(std::string_view name) {
  return !name.empty() && name.size() <= 15 && name != "." && name != ".." &&
         std::ranges::none_of(name, [](char c) { return c == '/' || c == ':' || c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; });
}

std::string_view Unusable(const AddressRange& range) {
  struct Block {
    Prefix prefix;
    std::string_view kind;
  };
  static const std::array kBlocks = {
      Block{*Prefix::Parse("0.0.0.0/8"), "unspecified"},
      Block{*Prefix::Parse("127.0.0.0/8"), "loopback"},
      Block{*Prefix::Parse("169.254.0.0/16"), "link-local"},
      Block{*Prefix::Parse("224.0.0.0/4"), "multicast"},
      Block{*Prefix::Parse("255.255.255.255/32"), "broadcast"},
      Block{*Prefix::Parse("::/128"), "unspecified"},
      Block{*Prefix::Parse("::1/128"), "loopback"},
      Block{*Prefix::Parse("fe80::/10"), "link-local"},
      Block{*Prefix::Parse("ff00::/8"), "multicast"},
  };
  const auto found = std::ranges::find_if(kBlocks, [&](const Block& block) { return RangeOf(block.prefix).Overlaps(range); });
  return found == kBlocks.end() ? std::string_view() : found->kind;
}

const Prefix* TunnelOver(const std::vector<Prefix>& tunnels, const AddressRange& range) {
  const auto found = std::ranges::find_if(tunnels, [&](const Prefix& tunnel) { return RangeOf(tunnel).Overlaps(range); });
  return found == tunnels.end() ? nullptr : &*found;
}

AddressRange RangeOf(const Prefix& prefix) { return {.first = prefix.First(), .last = prefix.Last()}; }

std::string_view Spelled(Family family) { return family == Family::kIpv4 ? "IPv4" : "IPv6"; }

std::string SuggestName(std::string_view wrong, const std::vector<std::string>& known) {
  if (known.empty()) return "";
  const auto nearest = std::ranges::min_element(known, {}, [&](const std::string& name) { return Distance(wrong, name); });
  if (Distance(wrong, *nearest) <= 2) return std::format("did you mean `{}`?", *nearest);
  constexpr std::size_t kMost = 8;
  std::string text = "there are: ";
  for (std::size_t i = 0; i < known.size() && i < kMost; ++i) text += (i > 0 ? ", " : "") + known[i];
  return known.size() > kMost ? text + ", ..." : text;
}

std::vector<Finding> Validate(const PolicySet& set, const Surroundings& surroundings) {
  const Subject subject(set, surroundings);
  std::vector<Finding> findings;
  CheckInternal(subject, findings);
  CheckWorkloads(subject, findings);
  CheckDestinations(subject, findings);
  CheckPools(subject, findings);
  CheckSubnets(subject, findings);
  CheckGateways(subject, findings);
  CheckTakeover(subject, findings);
  CheckPolicies(subject, findings);
  CheckNamespaces(set, findings);
  CheckTunnelRoutes(subject, findings);
  CheckUnused(set, findings);
  CheckOverlaps(set, findings);
  if (!HasErrors(findings)) CheckRoom(set, findings);
  return findings;
}

}  // namespace egressd::policy
