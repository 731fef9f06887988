// The source of a flow as `egressctl explain` writes it.
#pragma once

#include <optional>
#include <string>

#include "daemon/core.h"
#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/policy/selection.h"

namespace egressd::daemon {

struct FlowSource {
  IpAddress address;
  std::optional<policy::Process> process;  // set = the host's own traffic
};

// An address; `name` or `namespace/name` of a workload (its first address of this family); or `unit:NAME`, `user:NAME` or
// `unit:NAME,user:NAME` for a process of this host, with the address that the host would use. Errors: kInvalid, kNotFound.
Result<FlowSource> SourceOf(const Core& core, const std::string& text, Family family);
// "unit:nginx.service,user:33"; empty for what is forwarded.
std::string ToString(const std::optional<policy::Process>& process);

}  // namespace egressd::daemon
