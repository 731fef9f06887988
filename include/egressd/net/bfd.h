// The UDP sockets of single-hop BFD (RFC 5881): port 3784 of all addresses of both families to receive, and one sending socket for each
// session, bound to the session's own source port. Carried between the network and bfd::Sessions by the daemon.
//
// 1. Never blocks. A route, an address or a device that is not there loses the packet; what comes back later works again.
// 2. Everything leaves with TTL 255 and DSCP CS6; what arrives tells its TTL, so that bfd::Sessions can refuse what a router has touched.
// 3. A source port that another program has is replaced by the next free one of 49152-65535, which then stands for it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/fd.h"

namespace egressd::net {

class BfdSocket {
 public:
  // kUnavailable: another program has the port (FRR's bfdd, say). A host without IPv6 has IPv4 alone.
  static Result<BfdSocket> Open();

  // To wait on: one for each family that the host has.
  std::vector<int> fds() const;
  // From now on packets of this family leave from this address: a peer knows a session by the address first of all. Without it the kernel
  // chooses one.
  void SetSource(const IpAddress& source);
  // `source_port` is the session's. Errors: no socket can be had for it.
  Result<void> Send(const IpAddress& to, std::uint16_t source_port, std::span<const std::uint8_t> bytes);

  struct Received {
    IpAddress from;
    std::uint16_t from_port = 0;
    std::uint8_t time_to_live = 0;  // or hop limit
    std::vector<std::uint8_t> bytes;
  };
  // The next waiting packet of either family, nullopt when there is none.
  Result<std::optional<Received>> Receive();

 private:
  struct Sender {
    Fd fd;
    std::uint64_t last_used = 0;  // number of the send
  };
  using Senders = std::map<std::pair<Family, std::uint16_t>, Sender>;

  BfdSocket() = default;
  Result<Sender*> SenderFor(Family family, std::uint16_t port);

  std::map<Family, Fd> receivers_;
  Senders senders_;
  std::map<Family, IpAddress> sources_;
  std::uint64_t sends_ = 0;
};

}  // namespace egressd::net
