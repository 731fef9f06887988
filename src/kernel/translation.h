// A tracked connection as a state::Translation, seen from either end of the tunnel.
#pragma once

#include "egressd/kernel/conntrack.h"
#include "egressd/state/translation.h"
#include "kernel/conntrack_codec.h"

namespace egressd::kernel {

EgressId IdIn(const DecodedConnection& connection, const MarkMatch& decided);
// Protocols whose translations can be moved to another gateway.
bool IsTranslatable(std::uint8_t protocol, Family family);

// On the node that sends it: its own translation is what the gateway sees as the source.
state::Translation BehindTunnel(const DecodedConnection& connection, const MarkMatch& decided);
// On the gateway.
state::Translation OutOfTunnel(const DecodedConnection& connection, const MarkMatch& decided);
// TCP that is over, or nearly: its entry only waits for its end.
bool IsClosing(const DecodedConnection& connection);
// Goes out with another source port than it came with, and through an egress id.
bool IsRemapped(const DecodedConnection& connection, const MarkMatch& decided);

// Type and code of the answers to an ICMP request, as connection tracking inverts them (nf_conntrack_proto_icmp.c,
// nf_conntrack_proto_icmpv6.c); nullopt: it is not asked with this type.
std::optional<std::uint8_t> IcmpReplyTo(std::uint8_t type, Family family);

}  // namespace egressd::kernel
