// Interests before they become a source class: which policies (by rank) care about a source, and through which devices.
//
// 1. A rank is the place of a policy in deciding order.
// 2. A list is sorted by rank, each rank at most once; interest through any device swallows interest through certain ones.
// Called by SelectorIndex, NetworkInterests, ClassTable and Selection.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/policy/policy_set.h"

namespace egressd::policy {

using Rank = std::uint32_t;

struct RankedInterest {
  Rank rank = 0;
  std::set<std::string> interfaces;  // empty = any
  bool operator==(const RankedInterest&) const = default;
};
using InterestList = std::vector<RankedInterest>;

// Brings a list in any order, ranks repeated, into the form of invariant 2.
void Normalise(InterestList& list);
// The union of two normal lists.
InterestList Merge(const InterestList& a, const InterestList& b);

// True when a selector speaks of workloads: by itself, or because its policy restricts `all: true` to a namespace.
bool SelectsWorkloads(const Policy& policy, const Selector& selector);

// What the selectors that need no knowledge of workloads say, for every possible source.
struct NetworkInterests {
  struct Segment {
    AddressRange range;
    InterestList interests;  // those of `devices` included
  };
  explicit NetworkInterests(const std::vector<const Policy*>& order);
  // Valid for any address, also for one outside of every segment.
  const InterestList& At(const IpAddress& source) const;

  std::vector<Segment> segments;  // disjoint, in order, IPv4 first
  InterestList devices;           // from selectors with nothing but an interface
};

}  // namespace egressd::policy
