// FdbEntry: where a VXLAN device sends frames for a MAC address (drivers/net/vxlan/vxlan_core.c, vxlan_fdb_*).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "egressd/state/state.h"
#include "kernel/route_message.h"
#include "kernel/seen.h"

namespace egressd::kernel {

// Creates or replaces.
RouteMessage CreateFdbEntry(const state::FdbEntry& entry, std::uint32_t device_index);
RouteMessage RemoveFdbEntry(const state::FdbEntry& entry, std::uint32_t device_index);
RouteMessage DumpFdb(std::uint32_t device_index);

// Any entry of a known device's own table; the caller looks at the device.
std::optional<Seen<state::FdbEntry>> DecodeFdbEntry(const nlmsghdr& message, const Devices& devices);

}  // namespace egressd::kernel
