#include "kernel/translation_message.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include <charconv>

#include "kernel/sysctl.h"
#include "kernel/translation.h"

namespace egressd::kernel {
namespace {

// What RFC 7323 allows at most. Nothing is checked against it (the window is liberal), but a window must not look smaller than it is.
constexpr std::uint8_t kWindowScale = 14;
constexpr std::uint8_t kTcpFlags = IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM | IP_CT_TCP_FLAG_BE_LIBERAL;

class Nest {
 public:
  Nest(nlmsghdr* message, int type) : message_(message), nest_(mnl_attr_nest_start(message, static_cast<std::uint16_t>(type))) {}
  Nest(const Nest&) = delete;
  Nest& operator=(const Nest&) = delete;
  ~Nest() { mnl_attr_nest_end(message_, nest_); }

 private:
  nlmsghdr* message_;
  nlattr* nest_;
};

void PutAddress(nlmsghdr* message, const IpAddress& address, std::uint16_t ipv4, std::uint16_t ipv6) {
  mnl_attr_put(message, address.family() == Family::kIpv4 ? ipv4 : ipv6, address.bytes().size(), address.bytes().data());
}

void PutTuple(nlmsghdr* message, int type, const ConnectionTuple& tuple) {
  const Nest outer(message, type);
  {
    const Nest ip(message, CTA_TUPLE_IP);
    PutAddress(message, tuple.source, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
    PutAddress(message, tuple.destination, CTA_IP_V4_DST, CTA_IP_V6_DST);
  }
  const Nest protocol(message, CTA_TUPLE_PROTO);
  mnl_attr_put_u8(message, CTA_PROTO_NUM, tuple.protocol);
  if (!IsIcmp(tuple.protocol)) {
    mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(tuple.source_port));
    mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple.destination_port));
    return;
  }
  const bool ipv4 = tuple.protocol == IPPROTO_ICMP;
  mnl_attr_put_u16(message, ipv4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, htons(tuple.source_port));
  mnl_attr_put_u8(message, ipv4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, static_cast<std::uint8_t>(tuple.destination_port >> 8));
  mnl_attr_put_u8(message, ipv4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, static_cast<std::uint8_t>(tuple.destination_port));
}

ConnectionTuple OriginalOf(const state::Translation& translation) {
  return {.source = translation.source,
          .destination = translation.destination,
          .protocol = translation.protocol,
          .source_port = translation.source_port,
          .destination_port = translation.destination_port};
}

// What comes back to `address` and `port`.
ConnectionTuple ReplyTo(const state::Translation& translation, const IpAddress& address, std::uint16_t port) {
  ConnectionTuple reply{.source = translation.destination, .destination = address, .protocol = translation.protocol};
  if (IsIcmp(translation.protocol)) {
    const auto type = IcmpReplyTo(static_cast<std::uint8_t>(translation.destination_port >> 8), address.family());
    reply.source_port = port;
    reply.destination_port = static_cast<std::uint16_t>(type.value_or(0) << 8 | (translation.destination_port & 0xff));
  } else {
    reply.source_port = translation.destination_port;
    reply.destination_port = port;
  }
  return reply;
}

// nf_nat_setup_info: the kernel itself turns the plain reply into the translated one. Given the translated one, it finds nothing to do and
// translates no packet.
void PutNat(nlmsghdr* message, const NewEntry& entry) {
  const Nest nat(message, CTA_NAT_SRC);
  PutAddress(message, entry.egress_ip, CTA_NAT_V4_MINIP, CTA_NAT_V6_MINIP);
  PutAddress(message, entry.egress_ip, CTA_NAT_V4_MAXIP, CTA_NAT_V6_MAXIP);
  const Nest protocol(message, CTA_NAT_PROTO);
  mnl_attr_put_u16(message, CTA_PROTONAT_PORT_MIN, htons(entry.translation.translated_port));
  mnl_attr_put_u16(message, CTA_PROTONAT_PORT_MAX, htons(entry.translation.translated_port));
}

// What a new entry has and an old one may be given.
void PutCondition(nlmsghdr* message, const NewEntry& entry) {
  // IPS_CONFIRMED is set already, and the kernel refuses to take it away.
  std::uint32_t status = IPS_CONFIRMED;
  if (entry.translation.answered) status |= IPS_SEEN_REPLY;
  if (entry.translation.answered && !IsIcmp(entry.translation.protocol)) status |= IPS_ASSURED;
  if (entry.translation.answered) mnl_attr_put_u32(message, CTA_STATUS, htonl(status));
  mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(entry.timeout_seconds));
  mnl_attr_put_u32(message, CTA_MARK, htonl(entry.mark));
  if (entry.translation.protocol != IPPROTO_TCP) return;
  const Nest info(message, CTA_PROTOINFO);
  const Nest tcp(message, CTA_PROTOINFO_TCP);
  constexpr nf_ct_tcp_flags kFlags{.flags = kTcpFlags, .mask = kTcpFlags};
  mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
  mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, kWindowScale);
  mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_WSCALE_REPLY, kWindowScale);
  mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(kFlags), &kFlags);
  mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(kFlags), &kFlags);
}

nlmsghdr* Begin(ConntrackMessages& messages, ConntrackMessages::Kind kind, const NewEntry& entry) {
  return messages.Begin(kind, entry.translation.source.family());
}

}  // namespace

ConnectionTimeouts ConnectionTimeouts::Read() {
  ConnectionTimeouts timeouts;
  const auto read = [](const char* name, std::uint32_t& seconds) {
    const auto text = ReadSysctl(std::string("net/netfilter/nf_conntrack_") + name);
    if (text) std::from_chars(text->data(), text->data() + text->size(), seconds);  // else the kernel's own default stays
  };
  read("tcp_timeout_established", timeouts.tcp_established);
  read("tcp_timeout_unacknowledged", timeouts.tcp_unanswered);
  read("udp_timeout", timeouts.udp);
  read("udp_timeout_stream", timeouts.udp_answered);
  read("icmp_timeout", timeouts.icmp);
  read("icmpv6_timeout", timeouts.icmpv6);
  return timeouts;
}

std::uint32_t ConnectionTimeouts::Of(const state::Translation& translation) const {
  switch (translation.protocol) {
    case IPPROTO_TCP: return translation.answered ? tcp_established : tcp_unanswered;
    case IPPROTO_UDP: return translation.answered ? udp_answered : udp;
    case IPPROTO_ICMP: return icmp;
    default: return icmpv6;
  }
}

void AddCreate(ConntrackMessages& messages, const NewEntry& entry) {
  const state::Translation& translation = entry.translation;
  auto* message = Begin(messages, ConntrackMessages::Kind::kCreate, entry);
  PutTuple(message, CTA_TUPLE_ORIG, OriginalOf(translation));
  PutTuple(message, CTA_TUPLE_REPLY, ReplyTo(translation, translation.source, translation.source_port));
  PutNat(message, entry);
  PutCondition(message, entry);
  messages.End();
}

void AddRefresh(ConntrackMessages& messages, const NewEntry& entry) {
  auto* message = Begin(messages, ConntrackMessages::Kind::kUpdate, entry);
  PutTuple(message, CTA_TUPLE_ORIG, OriginalOf(entry.translation));
  PutCondition(message, entry);
  messages.End();
}

void AddGetOriginal(ConntrackMessages& messages, const NewEntry& entry) {
  PutTuple(Begin(messages, ConntrackMessages::Kind::kGet, entry), CTA_TUPLE_ORIG, OriginalOf(entry.translation));
  messages.End();
}

void AddGetReply(ConntrackMessages& messages, const NewEntry& entry) {
  PutTuple(Begin(messages, ConntrackMessages::Kind::kGet, entry), CTA_TUPLE_REPLY,
           ReplyTo(entry.translation, entry.egress_ip, entry.translation.translated_port));
  messages.End();
}

bool IsPickedUp(const DecodedConnection& connection) {
  return connection.original.protocol == IPPROTO_TCP && (connection.tcp_flags & IP_CT_TCP_FLAG_BE_LIBERAL) != 0 &&
         (connection.tcp_flags & IP_CT_TCP_FLAG_WINDOW_SCALE) == 0;
}

}  // namespace egressd::kernel
