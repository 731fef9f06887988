// Pools: every range by itself, within its pool, and against every other pool.
#include <algorithm>
#include <format>
#include <set>

#include "policy/checks.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

void CheckRanges(const Subject& subject, const std::string& path, const std::vector<AddressRange>& ranges, Family family,
                 std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const AddressRange& range = ranges[i];
    const std::string at = std::format("{}[{}]", path, i);
    if (range.family() != family) {
      findings.push_back(Error(rule::kWrongFamily, at,
                               std::format("{} is {}, but stands in {}", range.ToString(), Spelled(range.family()), ToString(family)),
                               std::format("move it to `{}:`", ToString(range.family()))));
      continue;
    }
    if (const std::string_view kind = Unusable(range); !kind.empty()) {
      findings.push_back(
          Error(rule::kUnusableAddress, at, std::format("{} holds {} addresses, which cannot be egress IPs", range.ToString(), kind)));
    }
    if (const Prefix* tunnel = TunnelOver(subject.tunnels, range)) {
      findings.push_back(Error(rule::kInsideTunnel, at,
                               std::format("{} overlaps the tunnel network {}", range.ToString(), tunnel->ToString()),
                               "take these addresses out, or choose another tunnel network in egressd.yaml"));
    }
  }
}

// Ranges of one pool that share addresses. In order of address, so that each is compared with its neighbour only.
void CheckOwnOverlaps(const std::string& path, const std::vector<AddressRange>& ranges, std::vector<Finding>& findings) {
  std::vector<std::size_t> order(ranges.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return ranges[i]; });
  std::size_t widest = 0;
  for (std::size_t i = 1; i < order.size(); ++i) {
    const AddressRange& before = ranges[order[widest]];
    const AddressRange& range = ranges[order[i]];
    if (before.Overlaps(range)) {
      findings.push_back(Error(rule::kRangesOverlap, std::format("{}[{}]", path, order[i]),
                               std::format("{} overlaps {} of the same pool", range.ToString(), before.ToString()),
                               "write every address once"));
    }
    if (range.last > before.last) widest = i;
  }
}

void CheckExclude(const std::string& path, const Pool& pool, std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < pool.exclude.size(); ++i) {
    const AddressRange& hole = pool.exclude[i];
    const auto Holds = [&](const AddressRange& range) { return range.Contains(hole.first) && range.Contains(hole.last); };
    if (std::ranges::any_of(pool.ipv4, Holds) || std::ranges::any_of(pool.ipv6, Holds)) continue;
    findings.push_back(Error(rule::kExcludeOutside, std::format("{}.exclude[{}]", path, i),
                             std::format("{} is not inside one of the pool's ranges, so there is nothing to exclude", hole.ToString()),
                             "remove it"));
  }
}

void CheckCounts(const std::string& path, const Pool& pool, const PoolLayout& layout, std::vector<Finding>& findings) {
  const std::uint64_t ipv4 = layout.Count(Family::kIpv4);
  const std::uint64_t ipv6 = layout.Count(Family::kIpv6);
  if (ipv4 == 0 && ipv6 == 0) {
    findings.push_back(Error(rule::kEmptyPool, path, "the pool holds no address", "ipv4: [203.0.113.10-203.0.113.19]"));
  } else if (pool.pair && ipv4 != ipv6) {
    findings.push_back(
        Error(rule::kPairCounts, path + ".pair",
              std::format("with `pair: true` every IPv4 address goes with one IPv6 address, but there are {} and {}", ipv4, ipv6),
              "make both lists equally long, or `pair: false`"));
  }
}

void CheckSharedAddresses(const Subject& subject, std::vector<Finding>& findings) {
  std::set<std::pair<std::string, std::string>> reported;
  const Subject::Offered* widest = nullptr;
  for (const Subject::Offered& entry : subject.offered) {
    if (widest != nullptr && widest->pool != entry.pool && widest->range.Overlaps(entry.range) &&
        reported.insert(std::minmax(widest->pool, entry.pool)).second) {
      findings.push_back(Error(rule::kPoolsShareAddress, "pools." + std::max(widest->pool, entry.pool),
                               std::format("{} is in the pools {} and {}", entry.range.first.ToString(), std::min(widest->pool, entry.pool),
                                           std::max(widest->pool, entry.pool)),
                               std::format("exclude: [{}]", entry.range.first.ToString())));
    }
    if (widest == nullptr || !widest->range.Overlaps(entry.range) || entry.range.last > widest->range.last) widest = &entry;
  }
}

void CheckNodeAddresses(const Subject& subject, std::vector<Finding>& findings) {
  std::set<IpAddress> addresses(subject.surroundings.node_addresses.begin(), subject.surroundings.node_addresses.end());
  for (const IpAddress& address : addresses) {
    const std::string* pool = subject.PoolAt(address);
    if (pool == nullptr) continue;
    findings.push_back(Error(rule::kPoolHoldsNode, "pools." + *pool, std::format("{} is the own address of a node", address.ToString()),
                             std::format("exclude: [{}]", address.ToString())));
  }
}

}  // namespace

void CheckPools(const Subject& subject, std::vector<Finding>& findings) {
  for (const auto& [name, pool] : subject.set.pools) {
    const std::string path = "pools." + name;
    CheckName("pool", "pools", name, findings);
    CheckRanges(subject, path + ".ipv4", pool.ipv4, Family::kIpv4, findings);
    CheckRanges(subject, path + ".ipv6", pool.ipv6, Family::kIpv6, findings);
    CheckOwnOverlaps(path + ".ipv4", pool.ipv4, findings);
    CheckOwnOverlaps(path + ".ipv6", pool.ipv6, findings);
    CheckExclude(path, pool, findings);
    CheckCounts(path, pool, subject.layouts.at(name), findings);
  }
  CheckSharedAddresses(subject, findings);
  CheckNodeAddresses(subject, findings);
}

}  // namespace egressd::policy
