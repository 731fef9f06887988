// The chains of the skeleton: the same on every node but for device name, port, tunnel addresses and MTU.
//
// Called by plan.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "egressd/state/state.h"
#include "plan/facts.h"

namespace egressd::plan {

// A chain without a hook.
void PutChain(state::State& state, std::string_view name, std::vector<state::NftRule> rules);

// The entrance of the host's own traffic; its rules follow the units in use (processes.h).
void PutOutput(const Facts& facts, state::State& state);

void PutSkeletonChains(const Facts& facts, state::State& state);

}  // namespace egressd::plan
