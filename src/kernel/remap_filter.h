// The socket filter of RemapListener: classic BPF with the netlink extensions of net/core/filter.c, run by the kernel for every new
// connection before anything is queued.
#pragma once

#include <linux/filter.h>

#include <span>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/kernel/conntrack.h"

namespace egressd::kernel {

// Accepts an event (one ctnetlink message) about a connection that a packet began, marked `decided` with an egress id, whose original
// source is in one of the networks (at most one a family) and whose source port (ICMP: identifier) is another one behind the translation.
std::vector<sock_filter> RemapFilter(std::span<const Prefix> networks, const MarkMatch& decided);

}  // namespace egressd::kernel
