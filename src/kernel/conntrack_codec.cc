#include "kernel/conntrack_codec.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

namespace egressd::kernel {
namespace {

// More than any tuple has (two IPv6 addresses, ports, zone), less than a message of ours has room for.
constexpr std::size_t kTupleBytes = 512;

// A dump of a full table decodes 64,000 of them: each level is walked once, by type.
std::uint32_t Number(ByteSpan value) {
  std::uint32_t number = 0;
  for (const auto byte : value) number = number << 8 | byte;
  return number;
}
bool Is8(const Attribute& attribute) { return attribute.value.size() == 1; }
bool Is16(const Attribute& attribute) { return attribute.value.size() == 2; }
bool Is32(const Attribute& attribute) { return attribute.value.size() == 4; }

struct Addresses {
  ByteSpan source, destination;
};

Addresses DecodeAddresses(ByteSpan bytes) {
  Addresses found;
  while (const auto attribute = NextAttribute(bytes)) {
    const std::size_t size = attribute->value.size();
    switch (attribute->type) {
      case CTA_IP_V4_SRC: if (size == 4) found.source = attribute->value; break;
      case CTA_IP_V4_DST: if (size == 4) found.destination = attribute->value; break;
      case CTA_IP_V6_SRC: if (size == 16) found.source = attribute->value; break;
      case CTA_IP_V6_DST: if (size == 16) found.destination = attribute->value; break;
      default: break;
    }
  }
  return found;
}

// False: there is no protocol number.
bool DecodePorts(ByteSpan bytes, ConnectionTuple& into) {
  bool numbered = false;
  const auto PutByte = [&](const Attribute& attribute, int shift) {
    if (Is8(attribute)) into.destination_port = static_cast<std::uint16_t>(into.destination_port | attribute.value[0] << shift);
  };
  while (const auto attribute = NextAttribute(bytes)) {
    switch (attribute->type) {
      case CTA_PROTO_NUM:
        if (!Is8(*attribute)) return false;
        into.protocol = attribute->value[0];
        numbered = true;
        break;
      case CTA_PROTO_SRC_PORT:
      case CTA_PROTO_ICMP_ID:
      case CTA_PROTO_ICMPV6_ID:
        if (Is16(*attribute)) into.source_port = static_cast<std::uint16_t>(Number(attribute->value));
        break;
      case CTA_PROTO_DST_PORT:
        if (Is16(*attribute)) into.destination_port = static_cast<std::uint16_t>(Number(attribute->value));
        break;
      case CTA_PROTO_ICMP_TYPE:
      case CTA_PROTO_ICMPV6_TYPE: PutByte(*attribute, 8); break;
      case CTA_PROTO_ICMP_CODE:
      case CTA_PROTO_ICMPV6_CODE: PutByte(*attribute, 0); break;
      default: break;
    }
  }
  return numbered;
}

std::optional<ConnectionTuple> DecodeTuple(ByteSpan bytes) {
  ConnectionTuple tuple;
  Addresses addresses;
  bool numbered = false;
  while (const auto attribute = NextAttribute(bytes)) {
    if (attribute->type == CTA_TUPLE_IP) addresses = DecodeAddresses(attribute->value);
    if (attribute->type == CTA_TUPLE_PROTO) numbered = DecodePorts(attribute->value, tuple);
  }
  if (!numbered || addresses.source.empty() || addresses.source.size() != addresses.destination.size()) return std::nullopt;
  tuple.source = IpAddress::FromBytes(addresses.source);
  tuple.destination = IpAddress::FromBytes(addresses.destination);
  return tuple;
}

void DecodeTcp(Attributes tcp, DecodedConnection& into) {
  into.tcp_state = tcp.U8(CTA_PROTOINFO_TCP_STATE).value_or(0);
  // struct nf_ct_tcp_flags: flags, mask
  const auto original = tcp.U16(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL), reply = tcp.U16(CTA_PROTOINFO_TCP_FLAGS_REPLY);
  into.tcp_flags = static_cast<std::uint8_t>(original.value_or(0) >> 8 & reply.value_or(0) >> 8);
}

}  // namespace

std::optional<DecodedConnection> DecodeConnection(const nlmsghdr* message) {
  if (message->nlmsg_type >> 8 != NFNL_SUBSYS_CTNETLINK) return std::nullopt;
  DecodedConnection decoded;
  std::optional<ConnectionTuple> original, reply;
  for (auto rest = Attributes::OfMessage(message).bytes(); const auto attribute = NextAttribute(rest);) {
    switch (attribute->type) {
      case CTA_TUPLE_ORIG:
        if (attribute->value.size() > kTupleBytes) return std::nullopt;
        decoded.tuple = attribute->value;
        original = DecodeTuple(attribute->value);
        break;
      case CTA_TUPLE_REPLY: reply = DecodeTuple(attribute->value); break;
      case CTA_MARK: if (Is32(*attribute)) decoded.mark = Number(attribute->value); break;
      case CTA_STATUS: if (Is32(*attribute)) decoded.status = Number(attribute->value); break;
      case CTA_PROTOINFO: DecodeTcp(Attributes(attribute->value).Nested(CTA_PROTOINFO_TCP), decoded); break;
      case CTA_ZONE: if (Is16(*attribute)) decoded.zone = attribute->value; break;
      case CTA_ID: if (Is32(*attribute)) decoded.id = attribute->value; break;
      default: break;
    }
  }
  if (!original || !reply) return std::nullopt;
  decoded.original = *original;
  decoded.reply = *reply;
  return decoded;
}

Connection ToConnection(const DecodedConnection& decoded) {
  const ConnectionTuple& original = decoded.original;
  const bool has_ports = !IsIcmp(original.protocol);
  return {.source = original.source,
          .destination = original.destination,
          .protocol = original.protocol,
          .source_port = has_ports ? original.source_port : std::uint16_t{0},
          .destination_port = has_ports ? original.destination_port : std::uint16_t{0},
          .translated_source = decoded.reply.destination,
          .mark = decoded.mark};
}

}  // namespace egressd::kernel
