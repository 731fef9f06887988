// Tells the network where an egress IP lives now: gratuitous ARP (RFC 5227 section 3, an ARP announcement as request and as reply) or
// an unsolicited neighbour advertisement with the override flag (RFC 4861 section 7.2.6).
#pragma once

#include <span>
#include <string>

#include "egressd/base/address.h"
#include "egressd/base/error.h"

namespace egressd::kernel {

// Announces each address once, now. Many go together: to close a packet socket costs milliseconds (synchronize_net in af_packet.c).
// Errors: the device is gone or down; the first address that could not be sent ends it.
Result<void> Announce(std::span<const IpAddress> addresses, const std::string& device);

}  // namespace egressd::kernel
