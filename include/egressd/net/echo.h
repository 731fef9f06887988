// Echo requests through one device and the replies to them: is the data path of a peer alive? Its kernel answers, not its daemon. ICMP
// for IPv4, ICMPv6 for IPv6; raw sockets (CAP_NET_RAW). Carried between the network and the agent by the daemon.
//
// 1. Never blocks. While the device is not there or down, requests are lost; a device of the same name that comes later is used.
// 2. Receive tells only replies to requests with this identifier that came in through this device; everything else is filtered in the
//    kernel or passed over.
// 3. Requests have TTL 1: a reply is of a host at the other end of the device, not of one behind it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/fd.h"

namespace egressd::net {

class EchoSocket {
 public:
  // `identifier` tells several programs on one host apart. `device` need not exist. A host without IPv6 has IPv4 alone.
  static Result<EchoSocket> Open(std::uint16_t identifier, std::string device);

  // To wait on: one for each family that the host has.
  std::vector<int> fds() const;
  // From now on requests of this family leave from this address (a node's own tunnel address). Without it the kernel chooses one.
  void SetSource(const IpAddress& source);
  Result<void> Send(const IpAddress& to, std::uint16_t sequence);

  struct Received {
    IpAddress from;
    std::uint16_t sequence = 0;
    auto operator<=>(const Received&) const = default;
  };
  // The next waiting reply of either family, nullopt when there is none.
  Result<std::optional<Received>> Receive();

 private:
  EchoSocket() = default;

  std::uint16_t identifier_ = 0;
  std::string device_;
  std::map<Family, Fd> sockets_;
  std::map<Family, IpAddress> sources_;
};

}  // namespace egressd::net
