// The host's own processes: which connection mark a (unit class, user, source address) gets.
//
// 1. A unit that starts or stops is an element of `units`; a policy, a user or an address is elements of own4 and own6. Rules grow with the
//    depth of the tree of cgroups in use, one lookup each, and with nothing else.
// 2. Packets of a connection follow what its first one decided. UDP is looked at again, whose ports go from process to process.
// 3. Without a policy that speaks of processes there are neither sets nor rules.
//
// Called by plan.cc, chains.cc and update.cc.
#pragma once

#include <vector>

#include "egressd/state/state.h"
#include "plan/facts.h"

namespace egressd::plan {

// Conditions of the output hook, ahead of a decision that was made before.
std::vector<state::NftRule> DecidedRules(const Facts& facts);
// Conditions of the output hook, ahead of what an address alone decides.
std::vector<state::NftRule> ProcessRules(const Facts& facts);
// Sets, elements, and the chain for units that are not known yet.
void PutProcesses(const Facts& facts, state::State& state);
// The same, in place of what `state` has of them.
void ReplaceProcesses(const Facts& facts, state::State& state);

}  // namespace egressd::plan
