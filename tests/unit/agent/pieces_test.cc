#include <doctest/doctest.h>

#include "agent/announcer.h"
#include "agent/generation.h"
#include "agent/holding.h"
#include "agent/identity.h"
#include "agent/slots.h"
#include "agent/stored.h"

namespace egressd::agent {
namespace {

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

gossip::Record RecordOf(const std::string& name, std::vector<gossip::Claim> claims) {
  return {.name = name, .ready = true, .labels = {{"role", "gateway"}}, .claims = std::move(claims)};
}

// Two gateways "a" (self) and "b"; 203.0.113.1 and .2 are bound to gateway "edge".
struct Scene {
  policy::PolicySet set;
  gossip::Record a = RecordOf("a", {}), b = RecordOf("b", {});
  bool b_lives = true;
  bool may_take = true;
  Scene() {
    set.gateways["edge"].nodes.names = {"a", "b"};
  }
  Holding Run() const {
    return Decide({.self = "a",
                   .nodes = {{.record = &a, .lives = true, .alive = true}, {.record = &b, .lives = b_lives, .alive = b_lives}},
                   .set = &set,
                   .gateway_of = {{Ip("203.0.113.1"), "edge"}, {Ip("203.0.113.2"), "edge"}},
                   .may_take = may_take});
  }
};

}  // namespace

TEST_CASE("a node takes its share of what nobody holds, and nothing before it may") {
  Scene scene;
  CHECK(scene.Run().taken.size() == 1);
  scene.may_take = false;
  CHECK(scene.Run().taken.empty());
}

TEST_CASE("what a dead node held is taken with a higher term") {
  Scene scene;
  scene.b.claims = {{.address = Ip("203.0.113.2"), .term = 7}};
  scene.a.claims = {{.address = Ip("203.0.113.1"), .term = 1}};
  CHECK(scene.Run().taken.empty());
  scene.b_lives = false;
  const Holding holding = scene.Run();
  CHECK(holding.taken == std::vector{Ip("203.0.113.2")});
  CHECK(holding.claims == std::vector<gossip::Claim>{{Ip("203.0.113.1"), 1}, {Ip("203.0.113.2"), 8}});
}

TEST_CASE("the loser of a conflict gives up, the winner keeps and knows that it was contested") {
  Scene scene;
  scene.a.claims = scene.b.claims = {{.address = Ip("203.0.113.1"), .term = 3}};
  const Holding loser = scene.Run();  // equal terms: the later name wins
  REQUIRE(loser.given_up.size() == 1);
  CHECK(loser.given_up[0].reason == "held by b (term 3)");
  scene.a.claims[0].term = 4;
  const Holding winner = scene.Run();
  CHECK(winner.given_up.empty());
  CHECK(winner.contested == std::vector{Ip("203.0.113.1")});
}

TEST_CASE("an address is given up without a policy, a gateway or an uplink") {
  Scene scene;
  scene.may_take = false;
  scene.a.claims = {{.address = Ip("203.0.113.9"), .term = 1}};
  CHECK(scene.Run().given_up.at(0).reason == "no policy uses it");
  scene.a.claims = {{.address = Ip("203.0.113.1"), .term = 1}};
  scene.a.unable = {Ip("203.0.113.1")};
  CHECK(scene.Run().given_up.at(0).reason ==
        "this node cannot have it now: no running uplink, a failed health check, or somebody else on the uplink has it");
  scene.a.unable.clear();
  scene.set.gateways["edge"].nodes.names = {"b"};
  CHECK(scene.Run().given_up.at(0).reason == "this node is not in gateway edge");
}

TEST_CASE("a node that is not ready or unable is given nothing") {
  Scene scene;
  scene.b.ready = false;
  CHECK(scene.Run().taken.size() == 2);
  scene.b.ready = true;
  scene.b.unable = {Ip("203.0.113.1"), Ip("203.0.113.2")};
  CHECK(scene.Run().taken.size() == 2);
  scene.a.unable = {Ip("203.0.113.2")};
  CHECK(scene.Run().taken == std::vector{Ip("203.0.113.1")});
}

TEST_CASE("slots stay, are found again after a restart, and are filled from below") {
  SlotTable slots({{Ip("198.19.0.9"), Slot{5}}, {Ip("198.19.0.8"), Slot{1}}});
  const SlotTable::Gateway nine{"nine", Ip("198.19.0.9"), Ip("fd65::9")}, one{"one", Ip("198.19.0.1"), Ip("fd65::1")},
      two{"two", Ip("198.19.0.2"), Ip("fd65::2")};
  slots.Assign({nine, one});
  CHECK(slots.slots() == std::map<std::string, Slot>{{"nine", Slot{5}}, {"one", Slot{2}}});
  slots.Assign({nine, two});
  CHECK(slots.slots() == std::map<std::string, Slot>{{"nine", Slot{5}}, {"two", Slot{2}}});
  slots.Assign({two});
  CHECK(slots.slots().at("two") == Slot{2});
}

TEST_CASE("slots beyond the last one are not handed out") {
  SlotTable slots({});
  std::vector<SlotTable::Gateway> gateways;
  for (int i = 0; i < 210; ++i) gateways.push_back({.name = std::to_string(i), .tunnel_ipv4 = {}, .tunnel_ipv6 = {}});
  slots.Assign(gateways);
  CHECK(slots.slots().size() == 199);
}

TEST_CASE("an announcement is repeated after 100 ms, 1, 2 and 4 seconds, and late ones once") {
  Announcer announcer;
  const Time begin{Duration{5'000'000}};
  announcer.Start(begin, Ip("203.0.113.1"));
  std::vector<std::int64_t> times;
  for (Time now = begin; now < begin + Duration{10'000'000}; now += Duration{50'000}) {
    if (!announcer.Due(now).empty()) times.push_back((now - begin).count() / 1000);
  }
  CHECK(times == std::vector<std::int64_t>{0, 100, 1000, 2000, 4000});
  CHECK(announcer.NextTimer() == kNever);
  announcer.Start(begin, Ip("203.0.113.1"));
  CHECK(announcer.Due(begin + Duration{3'000'000}).size() == 1);
  CHECK(announcer.Due(begin + Duration{3'000'000}).empty());
  CHECK(announcer.NextTimer() == begin + Duration{4'000'000});
}

TEST_CASE("a generation and the stored state survive their bytes; damage is noticed") {
  PolicyGeneration generation{.number = 7, .origin = "gw1: root", .text = "version: 1\n", .bindings = {}, .applied = {1, 2, 3}};
  generation.bindings.cursor = EgressId{9};
  generation.bindings.bindings = {
      {.id = EgressId{1}, .policy = "p", .gateway = "g", .family = Family::kIpv6, .egress_ip = Ip("2001:db8::1")},
      {.id = EgressId{9}, .policy = "q", .gateway = "g", .family = Family::kIpv4, .egress_ip = std::nullopt}};
  const std::string content = EncodeGeneration(generation);
  CHECK(DecodeGeneration(content) == generation);
  for (std::size_t length = 0; length < content.size(); ++length) CHECK(!DecodeGeneration(content.substr(0, length)));
  std::swap(generation.bindings.bindings[0], generation.bindings.bindings[1]);
  CHECK(!DecodeGeneration(EncodeGeneration(generation)));

  Stored stored{.incarnation = 5, .tunnel_number = 6, .peers = {{.address = Ip("192.0.2.1"), .port = 7947}}, .generation = content};
  const std::string bytes = Encode(stored);
  CHECK(DecodeStored(bytes) == stored);
  CHECK(!DecodeStored(""));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK(!DecodeStored(damaged));
  }
  stored.networks = {{.prefix = *Prefix::Parse("172.17.0.0/16"), .term = 3}, {.prefix = *Prefix::Parse("fd00:17::/64"), .term = 1}};
  CHECK(DecodeStored(Encode(stored)) == stored);
}

TEST_CASE("the last 64 applied contents are remembered, each once") {
  std::vector<std::uint64_t> applied;
  for (std::uint64_t i = 0; i < 100; ++i) applied = WithApplied(applied, i % 80);
  CHECK(applied.size() == kAppliedLimit);
  CHECK(applied.back() == 19);
}

TEST_CASE("the underlay address comes from the file, the default route, or any device") {
  policy::NodeConfig config;
  state::Host host;
  CHECK(!UnderlayOf(config, host, std::nullopt));
  host.devices = {{.name = "docker0", .running = true, .addresses = {{Ip("172.17.0.1"), 16}}},
                  {.name = "eth0", .running = true, .addresses = {{Ip("192.0.2.7"), 24}}},
                  {.name = "lo", .running = true, .loopback = true, .addresses = {{Ip("127.0.0.1"), 8}}}};
  CHECK(UnderlayOf(config, host, std::nullopt) == Ip("172.17.0.1"));
  CHECK(UnderlayOf(config, host, Ip("192.0.2.7")) == Ip("192.0.2.7"));
  host.routes = {{.destination = *Prefix::Parse("0.0.0.0/0"), .device = "eth0", .next_hop = Ip("192.0.2.1")}};
  CHECK(UnderlayOf(config, host, Ip("172.17.0.1")) == Ip("192.0.2.7"));
  config.node.address = Ip("198.51.100.1");
  CHECK(UnderlayOf(config, host, std::nullopt) == Ip("198.51.100.1"));
}

TEST_CASE("tunnel numbers fit into the tunnel network and avoid those in use") {
  policy::NodeConfig::Tunnel tunnel;
  CHECK(LastTunnelNumber(tunnel) == 65534);
  tunnel.ipv4 = *Prefix::Parse("198.19.0.0/29");
  CHECK(LastTunnelNumber(tunnel) == 6);
  for (const char* name : {"a", "b", "gw1"}) {
    CHECK(FirstChoice(name, 6) >= 1);
    CHECK(FirstChoice(name, 6) <= 6);
  }
  CHECK(NextFree(5, 6, [](std::uint16_t number) { return number >= 5 || number == 1; }) == 2);
  CHECK(NextFree(5, 6, [](std::uint16_t) { return true; }) == 5);
}

}  // namespace egressd::agent
