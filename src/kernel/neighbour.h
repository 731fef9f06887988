// Neighbour: permanent entries on the tunnel device (net/core/neighbour.c). Entries in any other state are not ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "egressd/state/state.h"
#include "kernel/route_message.h"
#include "kernel/seen.h"

namespace egressd::kernel {

// Creates or replaces.
RouteMessage CreateNeighbour(const state::Neighbour& neighbour, std::uint32_t device_index);
RouteMessage RemoveNeighbour(const state::Neighbour& neighbour, std::uint32_t device_index);
RouteMessage DumpNeighbours(std::uint32_t device_index);

// Any IPv4 or IPv6 neighbour on a known device; the caller looks at the device.
std::optional<Seen<state::Neighbour>> DecodeNeighbour(const nlmsghdr& message, const Devices& devices);

}  // namespace egressd::kernel
