// A connection as ctnetlink shows it (net/netfilter/nf_conntrack_netlink.c).
#pragma once

#include <cstdint>
#include <optional>

#include "egressd/base/address.h"
#include "egressd/kernel/conntrack.h"
#include "kernel/nft_attributes.h"

struct nlmsghdr;

namespace egressd::kernel {

// One direction of a connection, in the kernel's terms.
struct ConnectionTuple {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;       // ICMP: the identifier, in both directions
  std::uint16_t destination_port = 0;  // ICMP: type << 8 | code of this direction
};
constexpr bool IsIcmp(std::uint8_t protocol) { return protocol == 1 || protocol == 58; }

// Nothing is copied: the spans point into the message.
struct DecodedConnection {
  ConnectionTuple original;
  ConnectionTuple reply;
  std::uint32_t mark = 0;
  std::uint32_t status = 0;          // IPS_… of nf_conntrack_common.h
  std::uint8_t tcp_state = 0;        // TCP_CONNTRACK_…, 0 = not told
  std::uint8_t tcp_flags = 0;        // IP_CT_TCP_FLAG_… that are set in both directions
  // As they came, to name the connection when it is deleted; zone and id are empty where the kernel gave none.
  ByteSpan tuple, zone, id;

  // Where answers of the destination go: source port (ICMP: identifier) as the destination sees it.
  std::uint16_t translated_port() const { return IsIcmp(reply.protocol) ? reply.source_port : reply.destination_port; }
};
// Takes any bytes; nullopt when they are malformed or neither IPv4 nor IPv6.
std::optional<DecodedConnection> DecodeConnection(const nlmsghdr* message);
Connection ToConnection(const DecodedConnection& decoded);

}  // namespace egressd::kernel
