// Tells the network where an egress IP lives now, and asks whether somebody else has it.
//
// Announcement: gratuitous ARP (RFC 5227 section 3, as request and as reply) or an unsolicited neighbour advertisement with the override
// flag (RFC 4861 section 7.2.6). Probe: an ARP request from 0.0.0.0 (RFC 5227 section 2.1.1) or a neighbour solicitation from ::
// (RFC 4862 section 5.4.2); whoever answers is heard by UplinkWatch.
//
// 1. The one socket stays open: to close a packet socket costs milliseconds (synchronize_net in af_packet.c), which an announcement during
//    a takeover does not have.
// 2. Sending never waits. Frames overtake others in the queue of the device (TC_PRIO_CONTROL).
// Called by daemon/core.cc.
#pragma once

#include <span>
#include <string>

#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/fd.h"

namespace egressd::kernel {

class AnnounceSocket {
 public:
  // In the network namespace of the calling thread, for all of its devices.
  static Result<AnnounceSocket> Open();

  // Announces each address once, now. Errors: the device is gone or down, its queue is full. An address that could not be sent does not
  // keep the others; the first error is returned.
  Result<void> Announce(std::span<const IpAddress> addresses, const std::string& device) const;
  // Asks once for each. Errors as above.
  Result<void> Probe(std::span<const IpAddress> addresses, const std::string& device) const;

 private:
  explicit AnnounceSocket(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace egressd::kernel
