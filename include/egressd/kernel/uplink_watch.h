// Listens on the uplinks for somebody else who uses, or asks for, an egress IP: ARP (RFC 5227) and neighbour discovery (RFC 4861).
//
// 1. Only frames about a watched address wake this process: the rest ends in a filter in the kernel (classic BPF). Packets that are neither
//    ARP nor IPv6 do not even meet the filter.
// 2. Frames that come from, or speak for, a MAC address of this host are nobody else's.
// 3. Sockets stay open: to close one, or to bind a running one to another device, costs milliseconds (synchronize_net in af_packet.c). What
//    changes is the filter; the socket of a device that is gone is bound to the next new one.
// Called by daemon/core.cc.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/error.h"

namespace egressd::kernel {

struct Heard {
  IpAddress address;
  std::string device;
  MacAddress mac;      // who says so
  bool probe = false;  // it asks whether anybody has the address, and does not claim it
  auto operator<=>(const Heard&) const = default;
};

class UplinkWatch {
 public:
  struct Wanted {
    std::set<std::string> devices;
    std::set<MacAddress> own;       // of all devices of this host
    std::set<IpAddress> addresses;
    bool operator==(const Wanted&) const = default;
  };

  // In the network namespace of the calling thread.
  static Result<UplinkWatch> Open();
  UplinkWatch(UplinkWatch&&) noexcept;
  UplinkWatch& operator=(UplinkWatch&&) noexcept;
  ~UplinkWatch();

  // From now on this and nothing else is watched. To be called again whenever devices may have come, gone or been made anew; when nothing
  // changed that costs microseconds. A device that cannot be watched does not keep the others; the first error is returned.
  Result<void> Watch(const Wanted& wanted);

  // Readable when Take has something.
  int fd() const;
  // What was heard since the last call, each once, in order. Bounded: a flood leaves the rest for the next call, or is lost.
  std::vector<Heard> Take();

 private:
  struct Body;
  explicit UplinkWatch(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace egressd::kernel
