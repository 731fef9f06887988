#include "kernel/translation.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>

namespace egressd::kernel {
namespace {

bool IsAnswered(const DecodedConnection& connection) { return (connection.status & IPS_SEEN_REPLY) != 0; }

}  // namespace

EgressId IdIn(const DecodedConnection& connection, const MarkMatch& decided) {
  return {static_cast<std::uint16_t>(connection.mark & ~decided.mask)};
}

bool IsTranslatable(std::uint8_t protocol, Family family) {
  if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) return true;
  return family == Family::kIpv4 ? protocol == IPPROTO_ICMP : protocol == IPPROTO_ICMPV6;
}

state::Translation BehindTunnel(const DecodedConnection& connection, const MarkMatch& decided) {
  const std::uint16_t port = connection.translated_port();
  return {.id = IdIn(connection, decided),
          .protocol = connection.original.protocol,
          .source = connection.reply.destination,
          .destination = connection.reply.source,
          .source_port = port,
          // A destination may be translated too (DNAT of the host): what counts is what the gateway sees. ICMP has no such thing.
          .destination_port = IsIcmp(connection.original.protocol) ? connection.original.destination_port : connection.reply.source_port,
          .translated_port = port,
          .answered = IsAnswered(connection)};
}

state::Translation OutOfTunnel(const DecodedConnection& connection, const MarkMatch& decided) {
  return {.id = IdIn(connection, decided),
          .protocol = connection.original.protocol,
          .source = connection.original.source,
          .destination = connection.original.destination,
          .source_port = connection.original.source_port,
          .destination_port = connection.original.destination_port,
          .translated_port = connection.translated_port(),
          .answered = IsAnswered(connection)};
}

bool IsClosing(const DecodedConnection& connection) {
  return connection.original.protocol == IPPROTO_TCP &&
         (connection.tcp_state == TCP_CONNTRACK_LAST_ACK || connection.tcp_state == TCP_CONNTRACK_TIME_WAIT ||
          connection.tcp_state == TCP_CONNTRACK_CLOSE);
}

bool IsRemapped(const DecodedConnection& connection, const MarkMatch& decided) {
  return decided.Matches(connection.mark) && IdIn(connection, decided).value != kDirectMark &&
         IsTranslatable(connection.original.protocol, connection.original.source.family()) &&
         connection.original.source_port != connection.translated_port();
}

std::optional<std::uint8_t> IcmpReplyTo(std::uint8_t type, Family family) {
  if (family == Family::kIpv6) {
    switch (type) {
      case 128: return std::uint8_t{129};  // echo
      case 139: return std::uint8_t{140};  // node information query
      default: return std::nullopt;
    }
  }
  switch (type) {
    case 8: return std::uint8_t{0};    // echo
    case 13: return std::uint8_t{14};  // timestamp
    case 15: return std::uint8_t{16};  // information
    case 17: return std::uint8_t{18};  // address mask
    default: return std::nullopt;
  }
}

}  // namespace egressd::kernel
