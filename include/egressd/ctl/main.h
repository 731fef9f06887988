// egressctl: one verb a run.
#pragma once

namespace egressd::ctl {

// `egressctl …`; the exit code is one of those of egressctl(1).
int Main(int argument_count, char** arguments);

}  // namespace egressd::ctl
