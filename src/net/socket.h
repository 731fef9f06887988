// What the sockets of this module have in common: addresses as the kernel wants them, control messages, and which failures of a send are
// losses.
//
// 1. The kernel's structures are copied in and out, never pointed into.
#pragma once

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/fd.h"

namespace egressd::net {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};
SocketAddress Encode(const Endpoint& endpoint);
Endpoint Decode(const SocketAddress& from);

// Whether the kernel speaks this family at all.
bool HostHas(Family family);
// A wish: a kernel that does not know the option is no reason to fail.
void SetOption(const Fd& fd, int level, int option, int value);
// Only packets that `program` accepts reach the socket.
Result<void> Attach(const Fd& fd, std::span<const sock_filter> program);
// Marks what is sent as network control: DSCP CS6, and the highest band of a queueing discipline.
void Prioritise(const Fd& fd, Family family);

// One packet out. `source` and `device` (an interface index, 0 = any) are the kernel's choice if not given.
struct Way {
  std::optional<IpAddress> source;
  int device = 0;
};
// What a full buffer, a firewall, or a route, address or device that is not there keeps from leaving is lost, as datagrams may be; only our
// own mistakes are errors.
Result<void> SendTo(const Fd& fd, const Endpoint& to, const Way& way, std::span<const std::uint8_t> bytes);

// One packet in.
struct Arrival {
  Endpoint from;
  std::size_t size_bytes = 0;  // in the caller's buffer; what did not fit is gone
  int time_to_live = 0;        // or hop limit; 0 = the socket does not ask for it
  int device = 0;              // 0 = the socket does not ask for it
};
// nullopt when nothing waits.
Result<std::optional<Arrival>> ReceiveFrom(const Fd& fd, std::span<std::uint8_t> buffer);

}  // namespace egressd::net
