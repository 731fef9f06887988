// Interests before they become a source class: which policies (by rank) care about a source, and through which devices.
//
// 1. A rank is the place of a policy in deciding order.
// 2. A list is sorted by rank, each rank at most once; interest through any device swallows interest through certain ones.
// Called by SelectorIndex, NetworkInterests, ProcessInterests, ClassTable and Selection.
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

// Where selectors are read: what this node is, and what is known of namespaces.
struct Vantage {
  const PolicySet& set;
  const std::string* node_name = nullptr;  // nullptr = no node in particular: only selectors that count on all of them
  const Labels* node_labels = nullptr;

  bool Counts(const Selector& selector) const;
  // Those that `namespaces:` gives it.
  const Labels& LabelsOf(const std::string& name) const;
};

// Brings a list in any order, ranks repeated, into the form of invariant 2.
void Normalise(InterestList& list);
// The union of two normal lists.
InterestList Merge(const InterestList& a, const InterestList& b);

// True when a selector speaks of workloads: by itself, or because its policy restricts `all: true` to a namespace.
// Not when it speaks of the host's own processes, which are none.
bool SelectsWorkloads(const Policy& policy, const Selector& selector);

// What the selectors that need no knowledge of workloads say, for every possible source.
struct NetworkInterests {
  struct Segment {
    AddressRange range;
    InterestList interests;  // those of `devices` included
  };
  NetworkInterests(const std::vector<const Policy*>& order, const Vantage& vantage);
  // Valid for any address, also for one outside of every segment.
  const InterestList& At(const IpAddress& source) const;

  std::vector<Segment> segments;  // disjoint, in order, IPv4 first
  InterestList devices;           // from selectors with nothing but an interface
};

}  // namespace egressd::policy
