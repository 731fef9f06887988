// The tunnel device, its neighbours, and one route table and rule per next hop.
//
// Called by plan.cc.
#pragma once

#include "egressd/state/state.h"
#include "plan/facts.h"

namespace egressd::plan {

// Device, address, FDB and permanent neighbours: nothing is learned.
void PutTunnel(const Facts& facts, state::State& state);
// Slots: gateways behind the tunnel, uplinks of this node, the mark of replies.
void PutRouting(const Facts& facts, state::State& state);
void PutSysctls(const Facts& facts, state::State& state);
// Egress IPs that this node holds (not those it only prepares), on their uplinks.
void PutEgressAddresses(const Facts& facts, state::State& state);

}  // namespace egressd::plan
