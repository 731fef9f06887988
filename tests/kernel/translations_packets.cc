// Connections whose gateway lost everything go on through translations that were made anew.
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "translations_fixture.h"

namespace egressd::kernel::test {
namespace {

constexpr std::uint8_t kLiberal = IP_CT_TCP_FLAG_BE_LIBERAL | IP_CT_TCP_FLAG_WINDOW_SCALE;

Translation Of(const Cast& cast, const char* source, const Conversation& conversation, std::uint16_t port) {
  return TranslationOf(cast, source, IPPROTO_TCP, conversation.client_port, port, conversation.outside_port);
}

std::string Megabyte() {
  std::string text;
  while (text.size() < (std::size_t{1} << 20)) text += std::to_string(text.size());
  return text;
}

std::uint8_t IcmpOf(const Cast& cast) {
  if (cast.family == Family::kIpv4) return IPPROTO_ICMP;
  return IPPROTO_ICMPV6;
}

Fd Raw(const Cast& cast, const char* source) {
  Fd fd(::socket(cast.family == Family::kIpv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IcmpOf(cast)));
  REQUIRE(fd.is_open());
  SocketAddress address(source, 0);
  REQUIRE(::bind(fd.get(), address.get(), address.length) == 0);
  return fd;
}

// An echo request or reply with the identifier. The kernel computes the checksum of ICMPv6 itself.
void SendEcho(const Fd& fd, const Cast& cast, const char* to, std::uint8_t type, std::uint16_t identifier) {
  std::array<std::uint8_t, 8> message{type};
  message[4] = static_cast<std::uint8_t>(identifier >> 8);
  message[5] = static_cast<std::uint8_t>(identifier);
  if (cast.family == Family::kIpv4) {
    std::uint32_t sum = static_cast<std::uint32_t>(type) * 256 + identifier;
    sum = (sum & 0xffff) + (sum >> 16);
    message[2] = static_cast<std::uint8_t>(~sum >> 8);
    message[3] = static_cast<std::uint8_t>(~sum);
  }
  SocketAddress address(to, 0);
  REQUIRE(::sendto(fd.get(), message.data(), message.size(), 0, address.get(), address.length) == 8);
}

// The identifier of the next message of that type that the socket hears; nullopt: none comes for long.
std::optional<std::uint16_t> HearEcho(const Fd& fd, const Cast& cast, std::uint8_t type) {
  while (WaitReadable(fd, kPatienceMilliseconds)) {
    std::array<std::uint8_t, 256> packet{};
    const auto size = ::recv(fd.get(), packet.data(), packet.size(), 0);
    const std::size_t at = cast.family == Family::kIpv4 ? 20 : 0;
    REQUIRE(size >= static_cast<ssize_t>(at + 8));
    if (packet[at] == type) return static_cast<std::uint16_t>(packet[at + 4] << 8 | packet[at + 5]);
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("translations: a server that pushes to a silent client goes on, and nothing is reset in between") {
  GatewayHost gateway;
  for (const Cast& cast : kCasts) {
    const auto listener = Listening(cast, 6000);
    Conversation conversation(cast, cast.a, 0, listener, 6000);
    REQUIRE(conversation.Works());
    CHECK(Forget(cast.egress) == 1);

    const auto before = gateway.unexpected();
    REQUIRE(::send(conversation.server.get(), "x", 1, 0) == 1);
    CHECK(gateway.unexpected() > before);
    CHECK(Entries().empty());

    const auto restored = Restore({{Of(cast, cast.a, conversation, 6000), Address(cast.egress)}});
    CHECK(restored.made == 1);
    CHECK(restored.refused == 0);
    REQUIRE(WaitReadable(conversation.client, kPatienceMilliseconds));
    char pushed = 0;
    CHECK(::recv(conversation.client.get(), &pushed, 1, 0) == 1);
    CHECK(Says(conversation.server, conversation.client, Megabyte()));
    CHECK(Says(conversation.client, conversation.server, Megabyte()));
    CHECK(Entries().size() == 1);
    CHECK(Forget(cast.egress) == 1);
  }
}

TEST_CASE("translations: a restored entry is one that the kernel would have made itself, but liberal") {
  GatewayHost gateway;
  const Cast& cast = kCasts[0];
  CHECK(Restore({{TranslationOf(cast, cast.a, IPPROTO_TCP, 40'000, 443, 50'000), Address(cast.egress)}}).made == 1);
  const auto entries = Entries();
  REQUIRE(entries.size() == 1);
  const Entry& entry = entries[0];
  CHECK(entry.mark == (kDecided.value | 7));
  CHECK((entry.status & (IPS_SRC_NAT | IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE | IPS_ASSURED | IPS_SEEN_REPLY | IPS_CONFIRMED)) ==
        (IPS_SRC_NAT | IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE | IPS_ASSURED | IPS_SEEN_REPLY | IPS_CONFIRMED));
  CHECK((entry.status & IPS_DST_NAT) == 0);
  CHECK(entry.tcp_state == TCP_CONNTRACK_ESTABLISHED);
  CHECK((entry.tcp_flags & kLiberal) == kLiberal);
  CHECK(entry.original.source_port == 40'000);
  CHECK(entry.reply.destination == Address(cast.egress));
  CHECK(entry.reply.source_port == 443);
  CHECK(entry.translated_port == 50'000);
}

TEST_CASE("translations: connections with clashing source ports keep the ports that the server knows, in any order of restoring") {
  for (const Cast& cast : kCasts) {
    GatewayHost gateway;
    const auto listener = Listening(cast, 6001);
    Conversation first(cast, cast.a, 40'000, listener, 6001), second(cast, cast.b, 40'000, listener, 6001);
    REQUIRE(first.outside_port == 40'000);
    REQUIRE(second.outside_port != 40'000);
    const auto remapped = CollectRemapped(ConntrackHere(), TunnelNetworks(), kDecided);
    REQUIRE(remapped.has_value());
    REQUIRE(*remapped == std::vector{Of(cast, cast.b, second, 6001)});

    const std::pair one{Of(cast, cast.a, first, 6001), Address(cast.egress)}, two{Of(cast, cast.b, second, 6001), Address(cast.egress)};
    for (const Restorable& order : {Restorable{one, two}, Restorable{two, one}}) {
      CHECK(Forget(cast.egress) == 2);
      CHECK(Restore(order).made == 2);
      CHECK(first.Works());
      CHECK(second.Works());
    }

    // The second one spoke before it was restored: the kernel took the port for its own, which it is not.
    for (const Restorable& order : {Restorable{one, two}, Restorable{two, one}}) {
      CHECK(Forget(cast.egress) == 2);
      REQUIRE(::send(second.client.get(), "x", 1, 0) == 1);
      REQUIRE(Entries().size() == 1);
      REQUIRE(Entries()[0].translated_port == 40'000);
      const auto restored = Restore(order);
      CHECK(restored.made + restored.replaced == 2);
      CHECK(restored.refused == 0);
      char early = 0;
      REQUIRE(WaitReadable(second.server, kPatienceMilliseconds));
      CHECK(::recv(second.server.get(), &early, 1, 0) == 1);
      CHECK(first.Works());
      CHECK(second.Works());
    }

    // And if only the first one is restored, what was guessed for the second gives way.
    CHECK(Forget(cast.egress) == 2);
    REQUIRE(::send(second.client.get(), "x", 1, 0) == 1);
    CHECK(Restore({one}).replaced == 1);
    CHECK(first.Works());
    CHECK(Entries().size() == 1);
  }
}

TEST_CASE("translations: a server's datagrams reach a silent client, also at a port that was changed") {
  GatewayHost gateway;
  for (const Cast& cast : kCasts) {
    for (const std::uint16_t outside : {std::uint16_t{45'000}, std::uint16_t{45'001}}) {
      const auto client = Bound(SOCK_DGRAM, {cast.a, 45'000}), server = Bound(SOCK_DGRAM, {cast.outsider, 5300});
      CHECK(Restore({{TranslationOf(cast, cast.a, IPPROTO_UDP, 45'000, 5300, outside), Address(cast.egress)}}).made == 1);
      CHECK(Pass(server, client, {cast.egress, outside}).has_value());
      const auto seen = Pass(client, server, {cast.outsider, 5300});
      REQUIRE(seen.has_value());
      CHECK(seen->Text() == Address(cast.egress).ToString());
      CHECK(PortOf(*seen) == outside);
      CHECK(Forget(cast.egress) == 1);
    }
  }
}

TEST_CASE("translations: an echo is answered after its gateway was replaced, also with an identifier that was changed") {
  GatewayHost gateway;
  for (const Cast& cast : kCasts) {
    const bool ipv4 = cast.family == Family::kIpv4;
    const std::uint8_t request = ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST, reply = ipv4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
    const auto client = Raw(cast, cast.a), server = Raw(cast, cast.outsider);
    for (const std::uint16_t outside : {std::uint16_t{77}, std::uint16_t{78}}) {
      const auto type_and_code = static_cast<std::uint16_t>(request << 8);
      CHECK(Restore({{TranslationOf(cast, cast.a, IcmpOf(cast), 77, type_and_code, outside), Address(cast.egress)}}).made == 1);
      SendEcho(server, cast, cast.egress, reply, outside);
      CHECK(HearEcho(client, cast, reply) == 77);
      SendEcho(client, cast, cast.outsider, request, 77);
      CHECK(HearEcho(server, cast, request) == outside);
      CHECK(HearEcho(client, cast, reply) == 77);
      CHECK(Forget(cast.egress) == 1);
    }
  }
}

TEST_CASE("translations: what is there already is made liberal, or replaced when its port is another one") {
  GatewayHost gateway;
  const Cast& cast = kCasts[0];
  const auto listener = Listening(cast, 6002);
  Conversation conversation(cast, cast.a, 0, listener, 6002);
  auto translation = Of(cast, cast.a, conversation, 6002);
  REQUIRE((Entries()[0].tcp_flags & IP_CT_TCP_FLAG_BE_LIBERAL) == 0);
  const auto again = Restore({{translation, Address(cast.egress)}});
  CHECK(again.existed == 1);
  CHECK(again.made + again.replaced + again.refused == 0);
  CHECK((Entries()[0].tcp_flags & kLiberal) == kLiberal);
  CHECK(conversation.Works());

  translation.translated_port = 50'123;
  const auto other = Restore({{translation, Address(cast.egress)}});
  CHECK(other.replaced == 1);
  REQUIRE(Entries().size() == 1);
  CHECK(Entries()[0].translated_port == 50'123);
}

TEST_CASE("translations: what is closed gives its port up for what lives") {
  GatewayHost gateway;
  for (const Cast& cast : kCasts) {
    const auto listener = Listening(cast, 6003);
    std::uint16_t port = 0;
    {
      Conversation closed(cast, cast.a, 0, listener, 6003);
      port = closed.outside_port;
      REQUIRE(closed.Works());
    }
    int waited = 0;
    for (; Entries()[0].tcp_state != TCP_CONNTRACK_TIME_WAIT && waited < kPatienceMilliseconds; ++waited) ::usleep(1000);
    REQUIRE(waited < kPatienceMilliseconds);
    const auto restored = Restore({{TranslationOf(cast, cast.b, IPPROTO_TCP, 41'000, 6003, port), Address(cast.egress)}});
    CHECK(restored.replaced == 1);
    CHECK(restored.refused == 0);
    REQUIRE(Entries().size() == 1);
    CHECK(Entries()[0].original.source == Address(cast.b));
    CHECK(Forget(cast.egress) == 1);
  }
}

TEST_CASE("translations: what cannot be made is refused with a reason and does not stop the others") {
  GatewayHost gateway;
  const Cast &cast = kCasts[0], &six = kCasts[1];
  const IpAddress egress = Address(cast.egress);
  const auto good = TranslationOf(cast, cast.a, IPPROTO_UDP, 1000, 53, 1000);
  auto taken = good, mixed = good, protocol = good, icmp = good, direct = good;
  taken.source = Address(cast.b);
  mixed.destination = Address(six.outsider);
  protocol.protocol = 132;
  icmp.protocol = IPPROTO_ICMP;
  icmp.destination_port = ICMP_ECHOREPLY << 8;
  direct.id = {kDirectMark};
  const auto restored = Restore({{mixed, egress}, {protocol, egress}, {icmp, egress}, {direct, egress}, {good, Address(six.egress)},
                                 {good, egress}, {taken, egress}});
  CHECK(restored.made == 1);
  CHECK(restored.refused == 6);
  REQUIRE(restored.first_refusal.has_value());
  CHECK(restored.first_refusal->message ==
        "connection 127.1.0.2 port 1000 to 2001:db8::1 port 53 (protocol 17) as 127.0.0.77 port 1000: addresses of both families");
  const auto alone = Restore({{taken, egress}});
  REQUIRE(alone.first_refusal.has_value());
  CHECK(alone.first_refusal->message ==
        "connection 127.1.0.3 port 1000 to 127.0.0.1 port 53 (protocol 17) as 127.0.0.77 port 1000: another connection has the port");
  CHECK(Entries().size() == 1);
}

TEST_CASE("translations: ten thousand are made, known again and forgotten; the connections of others stay") {
  GatewayHost gateway;
  Restorable many;
  for (const Cast& cast : kCasts) {
    for (std::uint32_t i = 0; i < 5000; ++i) {
      const auto protocol = static_cast<std::uint8_t>(i % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP);
      const auto port = static_cast<std::uint16_t>(10'000 + i);
      many.emplace_back(TranslationOf(cast, i % 3 == 0 ? cast.a : cast.b, protocol, port, 443, port), Address(cast.egress));
    }
  }
  const auto first = Restore(many);
  CHECK(first.made == many.size());
  CHECK(Entries().size() == many.size());
  const auto second = Restore(many);
  CHECK(second.existed == many.size());
  CHECK(second.made + second.replaced + second.refused == 0);
  for (auto& [translation, egress] : many) translation.translated_port = static_cast<std::uint16_t>(translation.translated_port + 20'000);
  CHECK(Restore(many).replaced == many.size());
  const auto remapped = CollectRemapped(ConntrackHere(), TunnelNetworks(), kDecided);
  REQUIRE(remapped.has_value());
  CHECK(remapped->size() == many.size());
  CHECK(ExchangeUdp({"127.0.0.9", "127.0.0.1", 5301}));
  CHECK(Forget(kCasts[0].egress) == many.size() / 2);
  CHECK(Forget(kCasts[1].egress) == many.size() / 2);
  CHECK(Entries().size() == 1);
}

}  // namespace egressd::kernel::test
