// What is said in the name of a node whose daemon died and does not come back, by a process that is not that daemon: that the node has
// left. The others take its egress IPs at once, instead of waiting for its leases. Called by `egressd --release-after-crash`, after the
// kernel has let go of the addresses.
#pragma once

#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/agent/outputs.h"
#include "egressd/state/host.h"

namespace egressd::agent {

// As the settings of a start at this moment: the incarnation must be above that of the daemon that died. Empty: a cluster of one, a node
// without an address, or one that never met anybody.
std::vector<OutgoingDatagram> Farewell(const Settings& settings, const state::Host& host);

}  // namespace egressd::agent
