#include "policy/pool_layout.h"

#include <algorithm>
#include <limits>

namespace egressd::policy {
namespace {

std::uint64_t AddSaturating(std::uint64_t a, std::uint64_t b) {
  return a > std::numeric_limits<std::uint64_t>::max() - b ? std::numeric_limits<std::uint64_t>::max() : a + b;
}

// `excluded` is sorted. Appends what is left of `range`.
void AppendWithout(const AddressRange& range, const std::vector<AddressRange>& excluded, std::vector<AddressRange>& left) {
  std::optional<IpAddress> at = range.first;
  for (const AddressRange& hole : excluded) {
    if (!at || *at > range.last) return;
    if (hole.last < *at) continue;
    if (hole.first > range.last) break;
    if (hole.first > *at) left.push_back({.first = *at, .last = *hole.first.Previous()});
    at = hole.last.Next();
    // The address behind the last IPv4 address is not an IPv6 one.
    if (at && at->family() != range.family()) return;
  }
  if (at && *at <= range.last) left.push_back({.first = *at, .last = range.last});
}

}  // namespace

PoolLayout::PoolLayout(const Pool& pool) : pair_(pool.pair) {
  std::vector<AddressRange> excluded = pool.exclude;
  std::ranges::sort(excluded);
  for (const AddressRange& range : pool.ipv4) {
    if (range.family() == Family::kIpv4) AppendWithout(range, excluded, ipv4_);
  }
  for (const AddressRange& range : pool.ipv6) {
    if (range.family() == Family::kIpv6) AppendWithout(range, excluded, ipv6_);
  }
}

std::uint64_t PoolLayout::Count(Family family) const {
  std::uint64_t count = 0;
  for (const AddressRange& range : Ranges(family)) count = AddSaturating(count, range.Count());
  return count;
}

std::optional<std::uint64_t> PoolLayout::PositionOf(const IpAddress& address) const {
  std::uint64_t before = 0;
  for (const AddressRange& range : Ranges(address.family())) {
    if (range.Contains(address)) return AddSaturating(before, AddressRange{.first = range.first, .last = address}.Count() - 1);
    before = AddSaturating(before, range.Count());
  }
  return std::nullopt;
}

std::optional<IpAddress> PoolLayout::At(Family family, std::uint64_t position) const {
  for (const AddressRange& range : Ranges(family)) {
    const std::uint64_t count = range.Count();
    if (position < count) return range.first.Plus(position);
    position -= count;
  }
  return std::nullopt;
}

std::optional<IpAddress> PoolLayout::MateOf(const IpAddress& address) const {
  if (!pair_) return std::nullopt;
  const std::optional<std::uint64_t> position = PositionOf(address);
  if (!position) return std::nullopt;
  return At(address.family() == Family::kIpv4 ? Family::kIpv6 : Family::kIpv4, *position);
}

}  // namespace egressd::policy
