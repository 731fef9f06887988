// Which source ports a gateway changed: the listener hears of those, and only those.
#include "translations_fixture.h"

namespace egressd::kernel::test {
namespace {

RemapListener Open() {
  auto listener = RemapListener::Open(TunnelNetworks(), kDecided);
  REQUIRE_MESSAGE(listener.has_value(), listener.error().message);
  return std::move(*listener);
}

bool IsReadable(const RemapListener& listener) {
  pollfd waiting{.fd = listener.fd(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) == 1;
}

// A connection from that source and port; the server sees it when this returns.
std::uint16_t PortOutside(const Cast& cast, const char* source, std::uint16_t port, const Fd& server, std::uint16_t server_port) {
  const auto client = Bound(SOCK_DGRAM, {source, port});
  const auto seen = Pass(client, server, {cast.outsider, server_port});
  REQUIRE(seen.has_value());
  return PortOf(*seen);
}

void SendPing(const char* source, const char* destination, std::uint16_t identifier) {
  const bool ipv4 = Address(source).family() == Family::kIpv4;
  const Fd fd(::socket(ipv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}));
  SocketAddress own(source, 0), to(destination, 0);
  REQUIRE(::bind(fd.get(), own.get(), own.length) == 0);
  std::array<std::uint8_t, 8> message{ipv4 ? std::uint8_t{ICMP_ECHO} : std::uint8_t{ICMP6_ECHO_REQUEST}};
  message[4] = static_cast<std::uint8_t>(identifier >> 8);
  message[5] = static_cast<std::uint8_t>(identifier);
  if (ipv4) {
    const std::uint32_t sum = 0x0800U + identifier;
    const std::uint32_t folded = (sum & 0xffff) + (sum >> 16);
    message[2] = static_cast<std::uint8_t>(~folded >> 8);
    message[3] = static_cast<std::uint8_t>(~folded);
  }
  REQUIRE(::sendto(fd.get(), message.data(), message.size(), 0, to.get(), to.length) == 8);
}

}  // namespace

TEST_CASE("remapped: a changed port or identifier of every protocol is told as it arises; what keeps its own wakes nobody") {
  for (const Cast& cast : kCasts) {
    GatewayHost gateway;
    auto listener = Open();
    const auto server = Bound(SOCK_DGRAM, {cast.outsider, 5302});
    CHECK(PortOutside(cast, cast.a, 41'000, server, 5302) == 41'000);
    const auto tcp = Listening(cast, 6003);
    const Conversation kept(cast, cast.a, 42'000, tcp, 6003);
    SendPing(cast.a, cast.outsider, 99);
    CHECK_FALSE(IsReadable(listener));

    const std::uint16_t udp_port = PortOutside(cast, cast.b, 41'000, server, 5302);
    CHECK(udp_port != 41'000);
    const Conversation changed(cast, cast.b, 42'000, tcp, 6003);
    SendPing(cast.b, cast.outsider, 99);
    CHECK(IsReadable(listener));
    auto taken = listener.Take();
    CHECK_FALSE(taken.lost);
    REQUIRE(taken.translations.size() == 3);
    for (auto& each : taken.translations) each.answered = true;  // at the first packet none was
    CHECK(taken.translations[0] == TranslationOf(cast, cast.b, IPPROTO_UDP, 41'000, 5302, udp_port));
    CHECK(taken.translations[1] == TranslationOf(cast, cast.b, IPPROTO_TCP, 42'000, 6003, changed.outside_port));
    CHECK(taken.translations[2].source_port == 99);
    CHECK(taken.translations[2].translated_port != 99);
    CHECK_FALSE(IsReadable(listener));

    auto all = CollectRemapped(ConntrackHere(), TunnelNetworks(), kDecided).value();
    for (auto& each : all) each.answered = true;
    std::ranges::sort(all);
    std::ranges::sort(taken.translations);
    CHECK(all == taken.translations);
  }
}

TEST_CASE("remapped: connections of workloads, those that go out directly, unmarked ones and restored ones wake nobody") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  const auto marked = [](std::uint32_t low) { return kDecided.value | low; };
  // 127.2/16 is no tunnel network; id 9 and "direct" and somebody else's 9 are all translated to one address.
  CheckReaches(nft, Rules({{Address("127.1.0.2"), marked(9)},
                           {Address("127.1.0.3"), marked(9)},
                           {Address("127.2.0.2"), marked(9)},
                           {Address("127.1.0.4"), marked(kDirectMark)},
                           {Address("127.1.0.5"), 0x00a50009}},
                          {{9, {Address("127.0.0.79")}}, {kDirectMark, {Address("127.0.0.79")}}}));
  auto listener = Open();
  const Cast& cast = kCasts[0];
  const auto server = Bound(SOCK_DGRAM, {cast.outsider, 5303});
  CHECK(PortOutside(cast, "127.1.0.2", 43'000, server, 5303) == 43'000);
  for (const char* source : {"127.2.0.2", "127.1.0.4", "127.1.0.5"}) CHECK(PortOutside(cast, source, 43'000, server, 5303) != 43'000);
  CHECK(Restore({{TranslationOf(cast, cast.a, IPPROTO_UDP, 44'000, 53, 44'001), Address("127.0.0.79")}}).made == 1);
  CHECK_FALSE(IsReadable(listener));
  CHECK(PortOutside(cast, "127.1.0.3", 43'000, server, 5303) != 43'000);
  CHECK(IsReadable(listener));
  CHECK(listener.Take().translations.size() == 1);
}

TEST_CASE("remapped: lost events are reported, and a dump knows what they were") {
  GatewayHost gateway;
  auto listener = Open();
  const int small = 1;
  REQUIRE(::setsockopt(listener.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
  const Cast& cast = kCasts[0];
  const auto server = Bound(SOCK_DGRAM, {cast.outsider, 5304});
  constexpr std::uint16_t kMany = 50;
  // All ports are taken before any is changed: the kernel changes it to a random one.
  constexpr std::uint16_t kFirst = 20'000, kLater = kFirst + kMany;
  for (std::uint16_t port = kFirst; port <= kLater; ++port) CHECK(PortOutside(cast, cast.a, port, server, 5304) == port);
  for (std::uint16_t port = kFirst; port < kLater; ++port) CHECK(PortOutside(cast, cast.b, port, server, 5304) != port);
  const auto taken = listener.Take();
  CHECK(taken.lost);
  CHECK(taken.translations.size() < kMany);
  CHECK(CollectRemapped(ConntrackHere(), TunnelNetworks(), kDecided).value().size() == kMany);
  CHECK_FALSE(listener.Take().lost);
  CHECK(PortOutside(cast, cast.b, kLater, server, 5304) != kLater);
  CHECK(listener.Take().translations.size() == 1);
}

TEST_CASE("remapped: prefixes of any length decide by the right bits of the source") {
  // As long as the filter is accepted by the kernel and the listener hears of exactly those inside.
  const struct {
    const char* network;
    std::vector<const char*> inside, outside;
  } cases[] = {{"0.0.0.0/0", {"127.1.0.3"}, {}},
               {"127.0.0.0/15", {"127.1.0.3"}, {}},
               {"127.1.0.3/32", {"127.1.0.3"}, {"127.1.0.2"}},
               {"127.1.0.2/32", {}, {"127.1.0.3"}},
               {"::/0", {"fd65::3"}, {"127.1.0.3"}},
               {"fd65::/33", {"fd65::3"}, {}},
               {"fd65::2/127", {"fd65::3"}, {}},
               {"fd65:0:0:0:1::/80", {}, {"fd65::3"}},
               {"fd65::2/128", {}, {"fd65::3"}}};
  GatewayHost gateway;
  std::uint16_t port = 21'000;
  for (const auto& [network, inside, outside] : cases) {
    const Prefix prefix = Prefix::Parse(network).value();
    auto listener = RemapListener::Open(std::span(&prefix, 1), kDecided);
    REQUIRE(listener.has_value());
    for (const auto* list : {&inside, &outside}) {
      for (const char* source : *list) {
        const Cast& cast = kCasts[Address(source).family() == Family::kIpv4 ? 0 : 1];
        const char* other = std::string_view(source) == cast.a ? cast.b : cast.a;
        const auto server = Bound(SOCK_DGRAM, {cast.outsider, 5305});
        ++port;
        REQUIRE(PortOutside(cast, other, port, server, 5305) == port);
        REQUIRE(PortOutside(cast, source, port, server, 5305) != port);
        CHECK_MESSAGE(listener->Take().translations.size() == (list == &inside ? 1U : 0U), network << " and " << source);
      }
    }
  }
}

TEST_CASE("remapped: where the kernel tells nobody about connections, the listener says so") {
  GatewayHost gateway;
  const Fd events(::open("/proc/sys/net/netfilter/nf_conntrack_events", O_WRONLY | O_CLOEXEC));
  REQUIRE(::write(events.get(), "0", 1) == 1);
  const auto listener = RemapListener::Open(TunnelNetworks(), kDecided);
  REQUIRE_FALSE(listener.has_value());
  CHECK(listener.error().kind == ErrorKind::kUnavailable);
}

}  // namespace egressd::kernel::test
