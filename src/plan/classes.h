// Source classes: which connection mark an address gets, and the chain that decides where that depends on more than the source.
//
// 1. A class of one policy that translates everything external to one egress IP is no chain: its addresses map to the mark itself.
// 2. Work is proportional to addresses plus classes; a policy's own sets are made once, however many classes it is in.
//
// Called by plan.cc; SimpleMark also by explain.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "egressd/policy/selection.h"
#include "egressd/state/state.h"
#include "plan/facts.h"

namespace egressd::plan {

// The connection mark of a class that needs no chain; nullopt = it needs one.
std::optional<std::uint32_t> SimpleMark(const Facts& facts, const policy::SourceClass& source_class);

// Every connection mark to which a class may lead, for what is external.
std::vector<std::uint32_t> MarksOf(const Facts& facts, const policy::SourceClass& source_class);

void PutSourceClasses(const Facts& facts, state::State& state);

}  // namespace egressd::plan
