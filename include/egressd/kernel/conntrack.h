// Tracked connections: list and delete (ctnetlink, net/netfilter/nf_conntrack_netlink.c).
//
// Called by the daemon: what a policy no longer allows ends, and status counts them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "egressd/base/address.h"
#include "egressd/base/error.h"

namespace egressd::kernel {

// Connection marks that agree with `value` in the bits of `mask`; by default every mark.
struct MarkMatch {
  std::uint32_t value = 0;
  std::uint32_t mask = 0;
  constexpr bool Matches(std::uint32_t mark) const { return (mark & mask) == value; }
};

// The original tuple, before any translation, what the destination sees as the source, and the mark.
struct Connection {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;       // 0 where the protocol has none
  std::uint16_t destination_port = 0;
  IpAddress translated_source;         // of the reply tuple: where answers go
  std::uint32_t mark = 0;
};

// Reads the whole table once, both families, and calls `visit` for every entry.
Result<void> ForEachConnection(const std::function<void(const Connection&)>& visit);
// Deletes every entry for which `doomed` says so; returns how many. An entry that is gone meanwhile is no error.
Result<std::size_t> DeleteConnections(const std::function<bool(const Connection&)>& doomed);

}  // namespace egressd::kernel
