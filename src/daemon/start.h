// What a daemon starts with, and what speaks in its name after its death: the node file, the keys, and what was kept on disk.
#pragma once

#include "daemon/core.h"
#include "daemon/setup.h"
#include "egressd/agent/agent.h"
#include "egressd/base/address.h"
#include "egressd/base/error.h"

namespace egressd::daemon {

Core::Files FilesIn(const Options& options);
// Everything but what the kernel has. An error: what was kept cannot be read.
Result<agent::Settings> SettingsOf(const Setup& setup);
// Where gossip listens, unless the node file says so: the node's own address, else every address of the family in which nodes meet.
Endpoint ListenAddress(const policy::NodeConfig& config, const state::Host& host);

}  // namespace egressd::daemon
