// A connection that leaves through an egress id, as its gateway translates it. The source node knows it too (its own translation to the
// tunnel address makes the same tuple), so the state of a dead gateway can be made anew on another one.
#pragma once

#include <compare>
#include <cstdint>

#include "egressd/base/address.h"
#include "egressd/base/ids.h"

namespace egressd::state {

struct Translation {
  EgressId id;
  std::uint8_t protocol = 0;           // 6 tcp, 17 udp, 1 icmp, 58 icmpv6
  IpAddress source;                    // tunnel address of the source node; the workload's own where its policy keeps it
  IpAddress destination;
  std::uint16_t source_port = 0;       // as it comes out of the tunnel; ICMP: the identifier
  std::uint16_t destination_port = 0;  // ICMP: type << 8 | code
  std::uint16_t translated_port = 0;   // source port (ICMP identifier) outside; the same as source_port unless the gateway had to change it
  bool answered = false;               // packets were seen in both directions
  auto operator<=>(const Translation&) const = default;
};

}  // namespace egressd::state
