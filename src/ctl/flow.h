// "192.0.2.44:443/tcp": where a flow goes, as one writes it on the command line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "egressd/base/address.h"
#include "egressd/base/error.h"

namespace egressd::ctl {

struct FlowEnd {
  IpAddress address;
  std::uint16_t port = 0;       // 0 = none given
  std::uint8_t protocol = 6;    // IANA number; tcp unless given
  auto operator<=>(const FlowEnd&) const = default;
};

// ADDRESS, ADDRESS:PORT, [IPV6]:PORT, each with /PROTO (tcp, udp, sctp, icmp or a number) behind it.
Result<FlowEnd> ParseFlowEnd(std::string_view text);
std::string ProtocolName(std::uint8_t protocol);

}  // namespace egressd::ctl
