// Tells the network where an egress IP lives now: gratuitous ARP (RFC 5227 section 3, an ARP announcement as request and as reply) or
// an unsolicited neighbour advertisement with the override flag (RFC 4861 section 7.2.6).
#pragma once

#include <string>

#include "egressd/base/address.h"
#include "egressd/base/error.h"

namespace egressd::kernel {

// One announcement, now. Errors: the device is gone or down.
Result<void> Announce(const IpAddress& address, const std::string& device);

}  // namespace egressd::kernel
