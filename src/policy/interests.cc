#include "policy/interests.h"

#include <algorithm>
#include <map>

#include "egressd/policy/selection.h"

namespace egressd::policy {
namespace {

// From `at` on a network counts (or no longer does).
struct Boundary {
  enum class Side : std::uint8_t { kOpens, kCloses };
  IpAddress at;
  Side side = Side::kOpens;
  Rank rank = 0;
  std::string interface;  // empty = any
};

// How often each policy is interested at the place that a sweep has reached, by device.
using Active = std::map<Rank, std::map<std::string, std::size_t>>;

void Absorb(RankedInterest& into, const RankedInterest& other) {
  if (into.interfaces.empty()) return;
  if (other.interfaces.empty()) {
    into.interfaces.clear();
  } else {
    into.interfaces.insert(other.interfaces.begin(), other.interfaces.end());
  }
}

void Cross(Active& active, const Boundary& boundary) {
  if (boundary.side == Boundary::Side::kOpens) {
    ++active[boundary.rank][boundary.interface];
    return;
  }
  const auto of_rank = active.find(boundary.rank);
  const auto count = of_rank->second.find(boundary.interface);
  if (--count->second == 0) of_rank->second.erase(count);
  if (of_rank->second.empty()) active.erase(of_rank);
}

InterestList Snapshot(const Active& active) {
  InterestList list;
  list.reserve(active.size());
  for (const auto& [rank, counts] : active) {
    RankedInterest interest{.rank = rank};
    if (!counts.contains("")) {
      for (const auto& [interface, count] : counts) interest.interfaces.insert(interface);
    }
    list.push_back(std::move(interest));
  }
  return list;
}

IpAddress LastOf(Family family) { return Prefix::Containing(family == Family::kIpv4 ? IpAddress() : *IpAddress::Parse("::"), 0).Last(); }

void AddNetwork(std::vector<Boundary>& boundaries, const Prefix& prefix, Rank rank, const Selector& selector) {
  const std::string interface = selector.interface.value_or("");
  boundaries.push_back({.at = prefix.First(), .side = Boundary::Side::kOpens, .rank = rank, .interface = interface});
  if (const std::optional<IpAddress> behind = prefix.Last().Next()) {
    boundaries.push_back({.at = *behind, .side = Boundary::Side::kCloses, .rank = rank, .interface = interface});
  }
}

}  // namespace

void Normalise(InterestList& list) {
  std::ranges::stable_sort(list, {}, &RankedInterest::rank);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (kept > 0 && list[kept - 1].rank == list[i].rank) {
      Absorb(list[kept - 1], list[i]);
    } else {
      if (kept != i) list[kept] = std::move(list[i]);
      ++kept;
    }
  }
  list.resize(kept);
}

InterestList Merge(const InterestList& a, const InterestList& b) {
  if (b.empty()) return a;
  InterestList list = a;
  list.insert(list.end(), b.begin(), b.end());
  Normalise(list);
  return list;
}

bool Vantage::Counts(const Selector& selector) const {
  if (node_name == nullptr) return selector.nodes.empty() && selector.node_labels.empty();
  return CountsOn(selector, *node_name, *node_labels);
}

const Labels& Vantage::LabelsOf(const std::string& name) const {
  static const Labels kNone;
  const auto found = set.namespaces.find(name);
  return found == set.namespaces.end() ? kNone : found->second.labels;
}

bool SelectsWorkloads(const Policy& policy, const Selector& selector) {
  return !selector.names_processes() && (selector.names_workloads() || (selector.all && policy.namespace_.has_value()));
}

NetworkInterests::NetworkInterests(const std::vector<const Policy*>& order, const Vantage& vantage) {
  std::vector<Boundary> boundaries;
  for (Rank rank = 0; rank < order.size(); ++rank) {
    for (const Selector& selector : order[rank]->from) {
      if (selector.names_processes() || SelectsWorkloads(*order[rank], selector) || !vantage.Counts(selector)) continue;
      if (selector.cidrs.empty() && selector.interface) {
        devices.push_back({.rank = rank, .interfaces = {*selector.interface}});
      } else if (selector.cidrs.empty() && selector.all) {
        AddNetwork(boundaries, Prefix{}, rank, selector);
        AddNetwork(boundaries, Prefix::Containing(LastOf(Family::kIpv6), 0), rank, selector);
      }
      for (const Prefix& prefix : selector.cidrs) AddNetwork(boundaries, prefix, rank, selector);
    }
  }
  Normalise(devices);
  std::ranges::stable_sort(boundaries, {}, &Boundary::at);
  Active active;
  for (std::size_t i = 0; i < boundaries.size();) {
    const IpAddress at = boundaries[i].at;
    for (; i < boundaries.size() && boundaries[i].at == at; ++i) Cross(active, boundaries[i]);
    if (active.empty()) continue;
    const bool reaches_end = i == boundaries.size() || boundaries[i].at.family() != at.family();
    const IpAddress last = reaches_end ? LastOf(at.family()) : *boundaries[i].at.Previous();
    InterestList interests = Merge(Snapshot(active), devices);
    if (!segments.empty() && segments.back().range.last.Next() == at && segments.back().interests == interests) {
      segments.back().range.last = last;
    } else {
      segments.push_back({.range = {.first = at, .last = last}, .interests = std::move(interests)});
    }
    // What reaches the end of its family has no closing boundary.
    if (reaches_end) active.clear();
  }
}

const InterestList& NetworkInterests::At(const IpAddress& source) const {
  const auto behind = std::ranges::upper_bound(segments, source, {}, [](const Segment& segment) { return segment.range.first; });
  if (behind != segments.begin() && std::prev(behind)->range.Contains(source)) return std::prev(behind)->interests;
  return devices;
}

}  // namespace egressd::policy
