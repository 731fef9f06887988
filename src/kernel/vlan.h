// Vlan: VLAN devices (net/8021q/vlan_netlink.c, vlan_dev.c).
//
// 1. Ours is a VLAN device with the alias "egressd". One without alias that is still down and has a name like ours is ours too: a crash
//    left it between two messages.
// 2. Parent and id cannot be changed: such a device is removed and made anew.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "egressd/state/state.h"
#include "kernel/route_message.h"
#include "kernel/seen.h"

namespace egressd::kernel {

// The device, down and without alias.
RouteMessage CreateVlan(const state::Vlan& vlan, std::uint32_t parent_index);
RouteMessage NameVlan(std::uint32_t index);
RouteMessage ChangeVlan(const state::Vlan& vlan, std::uint32_t index);

// Any VLAN device. `devices` tells the name of its parent.
std::optional<Seen<state::Vlan>> DecodeVlan(const nlmsghdr& message, const Devices& devices);

}  // namespace egressd::kernel
