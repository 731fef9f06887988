// Rule: policy routing rules with our protocol number (net/core/fib_rules.c).
#pragma once

#include <optional>

#include "egressd/state/state.h"
#include "kernel/route_message.h"
#include "kernel/seen.h"

namespace egressd::kernel {

RouteMessage CreateRule(const state::Rule& rule);
RouteMessage RemoveRule(const state::Rule& rule);
RouteMessage DumpRules(Family family);

// Any rule of IPv4 or IPv6.
std::optional<Seen<state::Rule>> DecodeRule(const nlmsghdr& message);

}  // namespace egressd::kernel
