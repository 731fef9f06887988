#include "kernel/conntrack_codec.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "kernel/nft_attributes.h"

namespace egressd::kernel {
namespace {

// More than any tuple has (two IPv6 addresses, ports, zone), less than a deletion has room for.
constexpr std::size_t kTupleBytes = 512;

std::optional<IpAddress> AddressOf(Attributes ip, std::uint16_t ipv4, std::uint16_t ipv6) {
  if (const auto bytes = ip.Find(ipv4); bytes && bytes->size() == 4) return IpAddress::FromBytes(*bytes);
  if (const auto bytes = ip.Find(ipv6); bytes && bytes->size() == 16) return IpAddress::FromBytes(*bytes);
  return std::nullopt;
}

std::vector<std::uint8_t> Copy(std::optional<ByteSpan> bytes, std::size_t size) {
  if (!bytes || bytes->size() != size) return {};
  return {bytes->begin(), bytes->end()};
}

}  // namespace

std::optional<DecodedConnection> DecodeConnection(const nlmsghdr* message) {
  const auto attributes = Attributes::OfMessage(message);
  const auto tuple = attributes.Find(CTA_TUPLE_ORIG);
  if (!tuple || tuple->size() > kTupleBytes) return std::nullopt;
  const Attributes original(*tuple);
  const auto ip = original.Nested(CTA_TUPLE_IP);
  const auto protocol = original.Nested(CTA_TUPLE_PROTO);
  const auto source = AddressOf(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
  const auto destination = AddressOf(ip, CTA_IP_V4_DST, CTA_IP_V6_DST);
  const auto number = protocol.U8(CTA_PROTO_NUM);
  const auto answers_go_to = AddressOf(attributes.Nested(CTA_TUPLE_REPLY).Nested(CTA_TUPLE_IP), CTA_IP_V4_DST, CTA_IP_V6_DST);
  if (!source || !destination || !number || source->family() != destination->family()) return std::nullopt;
  return DecodedConnection{
      .connection = {.source = *source,
                     .destination = *destination,
                     .protocol = *number,
                     .source_port = protocol.U16(CTA_PROTO_SRC_PORT).value_or(0),
                     .destination_port = protocol.U16(CTA_PROTO_DST_PORT).value_or(0),
                     .translated_source = answers_go_to.value_or(*source),
                     .mark = attributes.U32(CTA_MARK).value_or(0)},
      .tuple = {tuple->begin(), tuple->end()},
      .zone = Copy(attributes.Find(CTA_ZONE), 2),
      .id = Copy(attributes.Find(CTA_ID), 4),
  };
}

}  // namespace egressd::kernel
