// Which of its egress ids a policy with several of them gives to a new connection: a table of lots per policy and family, the same for the
// kernel (a map that classification looks into) and for explain. Established connections have their id in the connection mark and are not
// asked again.
//
//   spread: source   the lot is a hash of the source address, the same hash that the kernel computes
//   spread: flow     the lot is the next one, in turn
//
// 1. Every lot has a home: the ids share the lots evenly, give or take one. With `source` one id more or less changes few homes.
// 2. A lot whose home nobody who lives carries now goes to one of those that somebody does, evenly again, until its home is back.
// 3. With `prefer: local` the ids that this node carries itself get all lots, if there are any.
// 4. When nobody carries any of them the homes stand, and what follows is what follows for a policy with one id.
// 5. The table is elements: a holder that comes or goes changes no rule.
//
// Called by classes.cc and explain.cc.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "egressd/policy/policy_set.h"
#include "plan/facts.h"

namespace egressd::plan {

inline constexpr std::uint32_t kLots = 128;

// For every lot its binding; the policy has at least one of this family.
std::vector<const policy::Binding*> LotsOf(const Facts& facts, const policy::Policy& policy, Family family);

// Equal container networks stand behind many nodes: each spreads them in a way of its own.
std::uint32_t SpreadSeed(std::string_view node_name);
// What nft's `jhash ip saddr mod 128 seed …` says.
std::uint32_t LotOfSource(const IpAddress& source, std::uint32_t seed);

}  // namespace egressd::plan
