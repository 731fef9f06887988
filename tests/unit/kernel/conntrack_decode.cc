// Connections of a real kernel, decoded; damaged ones are in nft_decode.cc with all other messages.
#include <doctest/doctest.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include <algorithm>
#include <vector>

#include "kernel/conntrack_codec.h"
#include "kernel/translation.h"
#include "unit/kernel/nft_captured.h"

namespace egressd::kernel {
namespace {

constexpr MarkMatch kDecided{.value = 0x00e60000, .mask = 0xffff0000};

}  // namespace

TEST_CASE("connections are read with their original tuple") {
  Captured bytes(kConnection4);
  const auto ipv4 = DecodeConnection(bytes.message());
  REQUIRE(ipv4.has_value());
  const Connection connection = ToConnection(*ipv4);
  CHECK(connection.source.ToString() == "127.0.0.5");
  CHECK(connection.destination.ToString() == "127.0.0.1");
  CHECK(connection.protocol == 17);
  CHECK(connection.source_port == 0xe08d);
  CHECK(connection.destination_port == 5300);
  CHECK(connection.mark == 7);
  CHECK(ipv4->tuple.size() == 0x30);
  CHECK(std::ranges::equal(ipv4->id, std::vector<std::uint8_t>{0x85, 0xf2, 0x0f, 0x20}));
  CHECK(ipv4->zone.empty());
  Captured bytes6(kConnection6);
  const auto ipv6 = DecodeConnection(bytes6.message());
  REQUIRE(ipv6.has_value());
  CHECK(ToConnection(*ipv6).source.ToString() == "::1");
  CHECK(ToConnection(*ipv6).destination_port == 5301);
}

TEST_CASE("a connection is a translation of the gateway, and another one of the node behind the tunnel") {
  Captured bytes(kConnectionTcp);
  const auto tcp = DecodeConnection(bytes.message());
  REQUIRE(tcp.has_value());
  CHECK(tcp->tcp_state == TCP_CONNTRACK_ESTABLISHED);
  CHECK((tcp->tcp_flags & IP_CT_TCP_FLAG_BE_LIBERAL) != 0);
  CHECK((tcp->status & IPS_SRC_NAT) != 0);
  CHECK(IsRemapped(*tcp, kDecided));
  const state::Translation expected{.id = {7},
                                    .protocol = 6,
                                    .source = IpAddress::Parse("198.19.0.2").value(),
                                    .destination = IpAddress::Parse("203.0.113.9").value(),
                                    .source_port = 40'000,
                                    .destination_port = 443,
                                    .translated_port = 50'000,
                                    .answered = true};
  CHECK(OutOfTunnel(*tcp, kDecided) == expected);
  state::Translation behind = expected;
  behind.source = IpAddress::Parse("192.0.2.100").value();
  behind.source_port = 50'000;
  CHECK(BehindTunnel(*tcp, kDecided) == behind);
}

TEST_CASE("of ICMP the identifier is the port, and what was asked the destination") {
  Captured bytes(kConnectionEcho6);
  const auto echo = DecodeConnection(bytes.message());
  REQUIRE(echo.has_value());
  const auto translation = OutOfTunnel(*echo, kDecided);
  CHECK(translation.source_port == 77);
  CHECK(translation.translated_port == 78);
  CHECK(translation.destination_port == 128 << 8);
  CHECK(BehindTunnel(*echo, kDecided).destination_port == 128 << 8);
  CHECK(ToConnection(*echo).source_port == 0);
  CHECK(ToConnection(*echo).destination_port == 0);
}

TEST_CASE("a connection without one of its tuples, and any other message, is none") {
  CHECK_FALSE(DecodeConnection(Captured(kConnection4, 40).message()).has_value());
  CHECK_FALSE(DecodeConnection(Captured(kRefusal).message()).has_value());
  Captured other(kConnection4);
  other[5] = 0x0a;  // of nftables
  CHECK_FALSE(DecodeConnection(other.message()).has_value());
}

}  // namespace egressd::kernel
