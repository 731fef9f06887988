// Connections that real packets made are listed and deleted.
#include <algorithm>

#include "egressd/kernel/conntrack.h"
#include "kernel/nft_fixture.h"
#include "kernel/nft_packets.h"

namespace egressd::kernel::test {
namespace {

std::vector<Connection> List() {
  std::vector<Connection> all;
  const auto done = ConntrackHere().ForEach([&](const Connection& connection) { all.push_back(connection); });
  REQUIRE_MESSAGE(done.has_value(), done.error().message);
  return all;
}

const Connection* FindPort(const std::vector<Connection>& connections, std::uint16_t port) {
  const auto found = std::ranges::find(connections, port, &Connection::destination_port);
  return found == connections.end() ? nullptr : &*found;
}

// A rule with ct turns connection tracking on in this namespace; this one also marks.
void TrackAndMark(Nft& nft) {
  auto state = WithTable();
  AddBaseChain(state, "output", {.point = NftHook::Point::kOutput, .priority = -150},
               {Rule("ct mark set 0x70007", {NftImmediate{.value = NftBytes::Mark(0x70007)},
                                             NftCt{.key = NftCt::Key::kMark, .store = true}})});
  CheckReaches(nft, state);
}

}  // namespace

TEST_CASE("conntrack: connections of both families are listed with their original tuple and mark") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  CHECK(List().empty());
  TrackAndMark(nft);
  CHECK(ExchangeUdp({"127.0.0.5", "127.0.0.1", 5300}));
  CHECK(ExchangeUdp({"::1", "::1", 5301}));
  (void)AcceptedMss({"127.0.0.6", "127.0.0.1", 5302});
  const auto all = List();
  CHECK(all.size() == 3);
  const auto* udp4 = FindPort(all, 5300);
  REQUIRE(udp4 != nullptr);
  CHECK(udp4->source.ToString() == "127.0.0.5");
  CHECK(udp4->destination.ToString() == "127.0.0.1");
  CHECK(udp4->protocol == IPPROTO_UDP);
  CHECK(udp4->source_port != 0);
  CHECK(udp4->mark == 0x70007);
  const auto* udp6 = FindPort(all, 5301);
  REQUIRE(udp6 != nullptr);
  CHECK(udp6->source.ToString() == "::1");
  const auto* tcp = FindPort(all, 5302);
  REQUIRE(tcp != nullptr);
  CHECK(tcp->protocol == IPPROTO_TCP);
}

TEST_CASE("conntrack: exactly the doomed connections are deleted and counted") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  TrackAndMark(nft);
  for (std::uint16_t port = 5400; port < 5700; ++port)
    REQUIRE(SendUdp({"127.0.0.5", "127.0.0.1", port}).has_value());
  CHECK(ExchangeUdp({"::1", "::1", 5700}));
  REQUIRE(List().size() == 301);
  const auto none = ConntrackHere().DeleteIf([](const Connection& connection) { return connection.mark == 1; });
  REQUIRE(none.has_value());
  CHECK(*none == 0);
  const auto even =
      ConntrackHere().DeleteIf([](const Connection& connection) { return connection.destination_port % 2 == 0; });
  REQUIRE_MESSAGE(even.has_value(), even.error().message);
  CHECK(*even == 151);
  const auto left = List();
  CHECK(left.size() == 150);
  CHECK(FindPort(left, 5401) != nullptr);
  CHECK(FindPort(left, 5400) == nullptr);
  CHECK(FindPort(left, 5700) == nullptr);
}

}  // namespace egressd::kernel::test
