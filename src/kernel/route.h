// Route: unicast routes with our protocol number (net/ipv4/fib_*.c, net/ipv6/route.c).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "egressd/state/host.h"
#include "egressd/state/state.h"
#include "kernel/route_message.h"
#include "kernel/seen.h"

namespace egressd::kernel {

// Creates or replaces.
RouteMessage CreateRoute(const state::Route& route, std::uint32_t device_index);
RouteMessage RemoveRoute(const state::Route& route, std::uint32_t device_index);
// Those with our protocol number only, whatever else the host has.
RouteMessage DumpRoutes(Family family);
RouteMessage DumpMainRoutes(Family family);

// Any unicast route.
std::optional<Seen<state::Route>> DecodeRoute(const nlmsghdr& message, const Devices& devices);
// A unicast route of the main table that is not ours: one entry per next hop; empty = it is something else.
std::vector<state::HostRoute> DecodeHostRoute(const nlmsghdr& message, const Devices& devices);

}  // namespace egressd::kernel
