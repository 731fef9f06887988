// Classic BPF programs that let frames about certain addresses through to a packet socket (SOCK_RAW). They may let more through than the
// decoders of uplink_frame.h find something in, never less.
#pragma once

#include <linux/filter.h>

#include <set>
#include <vector>

#include "egressd/base/address.h"

namespace egressd::kernel {

// One program of many would cost every frame; beyond this many ranges of addresses all frames of the right form are let through.
inline constexpr std::size_t kFilterRanges = 256;

using FilterProgram = std::vector<sock_filter>;

// Frames that DecodeArp finds one of the IPv4 addresses in.
FilterProgram ArpFilter(const std::set<IpAddress>& addresses);
// Frames that DecodeNeighbourDiscovery finds one of the IPv6 addresses in (told apart by their last four bytes).
FilterProgram NeighbourFilter(const std::set<IpAddress>& addresses);
// Nothing.
FilterProgram ClosedFilter();

}  // namespace egressd::kernel
