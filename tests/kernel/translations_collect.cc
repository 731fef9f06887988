// What a source node knows of the connections that it sent through an egress id.
#include "translations_fixture.h"

namespace egressd::kernel::test {
namespace {

// Workloads 127.0.0.5 and fd00::5 send through id 7, 127.0.0.6 through id 8, 127.0.0.7 directly, 127.0.0.8 as somebody else's mark 7 says.
// The tunnel addresses of the node are 127.1.0.2 and fd65::2.
struct SourceHost {
  SourceHost() : nft((EnterFreshNamespace(), OpenNft())) {
    AddAddresses({"fd00::5", "fd65::2", "2001:db8::1"});
    const std::vector<IpAddress> own{Address("127.1.0.2"), Address("fd65::2")};
    CheckReaches(nft, Rules({{Address("127.0.0.5"), kDecided.value | 7},
                             {Address("fd00::5"), kDecided.value | 7},
                             {Address("127.0.0.6"), kDecided.value | 8},
                             {Address("127.0.0.7"), kDecided.value | kDirectMark},
                             {Address("127.0.0.8"), 0x00a50007},
                             {Address("127.0.0.9"), kDecided.value | 10}},
                            {{7, own}, {8, own}, {kDirectMark, own}, {10, {Address("127.0.0.77")}}}));
  }
  std::vector<Translation> Collect(const std::set<EgressId>& ids) {
    const auto found = CollectTranslations(ConntrackHere(), ids, {.ipv4 = Address("127.1.0.2"), .ipv6 = Address("fd65::2")}, kDecided);
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    return *found;
  }
  Nft nft;
};

std::uint16_t PortSeen(const char* source, std::uint16_t port, const char* destination, const Fd& server, std::uint16_t server_port) {
  const auto client = Bound(SOCK_DGRAM, {source, port});
  const auto seen = Pass(client, server, {destination, server_port});
  REQUIRE(seen.has_value());
  return PortOf(*seen);
}

}  // namespace

TEST_CASE("collect: exactly the connections of the wanted ids that left through the tunnel") {
  SourceHost host;
  const auto server = Bound(SOCK_DGRAM, {"127.0.0.1", 5400}), server6 = Bound(SOCK_DGRAM, {"2001:db8::1", 5400});
  for (const char* source : {"127.0.0.5", "127.0.0.7", "127.0.0.8", "127.0.0.9", "127.0.0.10"}) {
    (void)PortSeen(source, static_cast<std::uint16_t>(31'000 + source[8]), "127.0.0.1", server, 5400);
  }
  const std::uint16_t clashing = PortSeen("127.0.0.6", 31'000 + '5', "127.0.0.1", server, 5400);
  (void)PortSeen("fd00::5", 32'000, "2001:db8::1", server6, 5400);
  REQUIRE(Entries().size() == 7);

  const Translation seven{.id = {7}, .protocol = IPPROTO_UDP, .source = Address("127.1.0.2"), .destination = Address("127.0.0.1"),
                          .source_port = 31'000 + '5', .destination_port = 5400, .translated_port = 31'000 + '5'};
  const Translation six{.id = {7}, .protocol = IPPROTO_UDP, .source = Address("fd65::2"), .destination = Address("2001:db8::1"),
                        .source_port = 32'000, .destination_port = 5400, .translated_port = 32'000};
  // As the gateway sees it: the port that this node gave it, not the workload's.
  Translation eight = seven;
  eight.id = {8};
  eight.source_port = eight.translated_port = clashing;
  auto found = host.Collect({{7}, {9}});
  std::ranges::sort(found);
  CHECK(found == std::vector{seven, six});
  CHECK(host.Collect({{8}}) == std::vector{eight});
  CHECK(host.Collect({{7}, {8}}).size() == 3);
  CHECK(host.Collect({{9}, {10}}).empty());
  CHECK(host.Collect({}).empty());
}

TEST_CASE("collect: an answered connection is told from one that is not, and a closed one is left out") {
  SourceHost host;
  CHECK(ExchangeUdp({"127.0.0.5", "127.0.0.1", 5401}));
  CHECK(SendUdp({"127.0.0.5", "127.0.0.1", 5402}).has_value());
  const auto listener = Bound(SOCK_STREAM, {"127.0.0.1", 5403});
  REQUIRE(::listen(listener.get(), 4) == 0);
  SocketAddress destination("127.0.0.1", 5403);
  const auto client = Bound(SOCK_STREAM, {"127.0.0.5", 0}), half = Bound(SOCK_STREAM, {"127.0.0.5", 0});
  auto gone = Bound(SOCK_STREAM, {"127.0.0.5", 0});
  std::vector<Fd> accepted;
  for (const int each : {client.get(), half.get(), gone.get()}) {
    REQUIRE(::connect(each, destination.get(), destination.length) == 0);
    accepted.emplace_back(::accept(listener.get(), nullptr, nullptr));
  }
  // One side has said all: the other one may still speak for hours.
  REQUIRE(::shutdown(half.get(), SHUT_WR) == 0);
  const std::uint16_t half_port = OwnPort(half), client_port = OwnPort(client);
  gone.Close();
  accepted[2].Close();
  auto found = host.Collect({{7}});
  std::ranges::sort(found, {}, [](const Translation& each) { return std::pair(each.destination_port, each.source_port); });
  REQUIRE(found.size() == 4);
  CHECK(found[0].destination_port == 5401);
  CHECK(found[0].answered);
  CHECK(found[1].destination_port == 5402);
  CHECK_FALSE(found[1].answered);
  CHECK(std::set{found[2].source_port, found[3].source_port} == std::set{half_port, client_port});
  CHECK(found[2].answered);
  CHECK(found[3].answered);
}

TEST_CASE("collect: what one node collects, another one can restore and collect again as its own remapped ones") {
  std::vector<Translation> collected;
  {
    SourceHost host;
    const auto server = Bound(SOCK_DGRAM, {"127.0.0.1", 5404});
    for (std::uint16_t port = 33'000; port < 33'500; ++port) (void)PortSeen("127.0.0.5", port, "127.0.0.1", server, 5404);
    collected = host.Collect({{7}});
    REQUIRE(collected.size() == 500);
  }
  GatewayHost gateway;
  Restorable wanted;
  for (Translation each : collected) {
    each.translated_port = static_cast<std::uint16_t>(each.translated_port + 10'000);
    wanted.emplace_back(each, Address(kCasts[0].egress));
  }
  CHECK(Restore(wanted).made == 500);
  auto known = CollectRemapped(ConntrackHere(), TunnelNetworks(), kDecided).value();
  std::vector<Translation> expected;
  for (const auto& [translation, egress] : wanted) expected.push_back(translation);
  std::ranges::sort(known);
  std::ranges::sort(expected);
  CHECK(known == expected);
}

}  // namespace egressd::kernel::test
