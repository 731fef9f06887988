// The daemon: reads the node file, opens the edges, and carries what the agent says to them until it is told to stop.
#pragma once

namespace egressd::daemon {

// `egressd …`; the exit code is one of those of egressd(8).
int Main(int argument_count, char** arguments);

}  // namespace egressd::daemon
