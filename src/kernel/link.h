// Link: the VXLAN device (drivers/net/vxlan/vxlan_core.c, net/core/rtnetlink.c).
//
// 1. Ours is a VXLAN device with our name and the alias "egressd". One without alias that is still down and looks like what CreateLink
//    makes is ours too: a crash left it between two messages.
// 2. VNI, port, local address, group policy and learning cannot be changed: such a link is removed and made anew.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "egressd/state/state.h"
#include "kernel/route_message.h"
#include "kernel/seen.h"

namespace egressd::kernel {

// True when the kernel can take `observed` to `desired` without a new device.
bool CanChange(const state::Link& observed, const state::Link& desired);

// The device, down and without alias.
RouteMessage CreateLink(const state::Link& link);
// Gives it the alias and keeps IPv6 from making up a link-local address.
RouteMessage NameLink(std::uint32_t index);
// The same without touching IPv6, for kernels without it.
RouteMessage NameLinkWithoutIpv6(std::uint32_t index);
// MAC, MTU and up.
RouteMessage ChangeLink(const state::Link& link, std::uint32_t index);
RouteMessage RemoveLink(std::uint32_t index);
RouteMessage DumpLinks();

// Any link of the given name.
std::optional<Seen<state::Link>> DecodeLink(const nlmsghdr& message, const std::string& name);

}  // namespace egressd::kernel
