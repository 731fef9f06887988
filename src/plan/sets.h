// Sets, maps and their elements.
//
// 1. Every set of the skeleton exists on every node, empty or not: a workload, a peer or an egress IP that comes or goes is elements,
//    never a rule.
// 2. Elements of sets with intervals are disjoint: overlapping and touching ranges become one.
//
// Called by plan.cc and classes.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/policy/policy_set.h"
#include "egressd/state/state.h"
#include "plan/facts.h"

namespace egressd::plan {

// Puts elements into one set; cheap when they come in order.
class Elements {
 public:
  Elements(state::State& state, std::string_view set_name, state::NftFamily family = state::NftFamily::kInet);
  void Add(const state::NftBytes& key) { AddRange(key, key, {}); }
  void Add(const state::NftBytes& key, const state::NftBytes& value) { AddRange(key, key, value); }
  // Unset: it stays.
  void AddLease(const state::NftBytes& key, std::optional<Duration> lease);
  void Add(const state::NftBytes& key, state::NftVerdict verdict) { AddRange(key, key, std::move(verdict)); }
  void Add(const state::NftBytes& key, state::NftLimitName limit) { AddRange(key, key, std::move(limit)); }
  void AddRange(const state::NftBytes& first, const state::NftBytes& last, decltype(state::NftElement::value) value);

 private:
  void Insert(state::NftElement element);

  state::State& state_;
  state::NftName set_;
  state::Objects<state::NftElement>::iterator next_;
};

// Prefixes of one family as disjoint ranges in order.
std::vector<AddressRange> Disjoint(const std::vector<Prefix>& prefixes, Family family);
// Port ranges as disjoint ranges in order of protocol, then port.
std::vector<policy::PortRange> Disjoint(std::vector<policy::PortRange> ranges);

state::NftSet::Type AddressType(Family family);
// Declares a set of address ranges and fills it.
void PutNetworks(state::State& state, std::string_view set_name, Family family, const std::vector<Prefix>& prefixes);
// Declares a set of (protocol, port) and fills it.
void PutPorts(state::State& state, std::string_view set_name, const std::vector<policy::PortRange>& ports);

// Declares a map from 0, 1, … to these marks and fills it.
void PutMarkTable(state::State& state, std::string_view map_name, const std::vector<std::uint32_t>& marks);

// internal4 and internal6.
void PutInternal(const Facts& facts, state::State& state);
// The sets of the skeleton, in both tables, and everything in them but source classes (classes.h).
void PutSkeletonSets(const Facts& facts, state::State& state);

}  // namespace egressd::plan
