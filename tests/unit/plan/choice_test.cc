#include "plan/choice.h"

#include <doctest/doctest.h>

#include <map>

#include "scenario.h"

namespace egressd::plan {
namespace {

using Shares = std::map<EgressId, std::size_t>;

// The policy `web` with four egress IPs, on gw1 and gw2 in turn.
struct Replicated : Scenario {
  Replicated() {
    set.pools["public"].ipv6.clear();
    policy::Policy& web = Add("web", "web");
    web.replicas = 4;
    web.spread = policy::Spread::kFlow;
  }
  policy::Policy& web() { return set.policies["web"]; }
  std::vector<const policy::Binding*> Lots() {
    inputs = Input();
    return LotsOf(Facts(inputs), selection().set().policies.at("web"), Family::kIpv4);
  }
  std::vector<EgressId> Ids() {
    std::vector<EgressId> ids;
    for (const policy::Binding* binding : Lots()) ids.push_back(binding->id);
    return ids;
  }
  Shares Count() {
    Shares shares;
    for (const EgressId id : Ids()) ++shares[id];
    return shares;
  }
  Inputs inputs;
};

std::size_t Differences(const std::vector<EgressId>& a, const std::vector<EgressId>& b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

policy::Flow FromWeb() {
  return {.source = Ip("172.17.0.2"), .interface = "docker0", .destination = Ip("192.0.2.44"), .protocol = 6, .port = 443};
}

}  // namespace

TEST_CASE("the egress IPs of a policy share its lots evenly, and neighbours differ when connections take them in turn") {
  Replicated world;
  CHECK(world.Count() == Shares{{EgressId{1}, 32}, {EgressId{2}, 32}, {EgressId{3}, 32}, {EgressId{4}, 32}});
  const std::vector<EgressId> ids = world.Ids();
  for (std::size_t lot = 0; lot + 4 <= ids.size(); lot += 4) {
    CHECK(std::set{ids[lot], ids[lot + 1], ids[lot + 2], ids[lot + 3]}.size() == 4);
  }
}

TEST_CASE("by source: one egress IP more takes its share and little else moves") {
  Replicated world;
  world.web().spread = policy::Spread::kSource;
  const std::vector<EgressId> before = world.Ids();
  Replicated more;
  more.web().spread = policy::Spread::kSource;
  more.web().replicas = 5;
  const std::vector<EgressId> after = more.Ids();
  for (const auto& [id, share] : more.Count()) CHECK((share == 25 || share == 26));
  CHECK(Differences(before, after) <= 45);  // 26 are the new one's
}

TEST_CASE("the lots of an egress IP that nobody carries go to the others, evenly, and come back; no other lot moves") {
  for (const policy::Spread spread : {policy::Spread::kSource, policy::Spread::kFlow}) {
    Replicated world;
    world.web().spread = spread;
    const std::vector<EgressId> before = world.Ids();
    Replicated less;
    less.web().spread = spread;
    less.carriers[EgressId{2}] = {};
    const std::vector<EgressId> after = less.Ids();
    CHECK(Differences(before, after) == 32);
    for (std::size_t lot = 0; lot < before.size(); ++lot) {
      if (before[lot] != EgressId{2}) CHECK(after[lot] == before[lot]);
    }
    for (const auto& [id, share] : less.Count()) CHECK((share == 42 || share == 43));
  }
}

TEST_CASE("a dead holder gets no new connections while others live, and all of them when nobody does") {
  Replicated world;
  const Carrier dead{.kind = Carrier::Kind::kPeer, .peer = "gw1", .was_last = true};
  world.carriers[EgressId{2}] = dead;
  CHECK(!world.Count().contains(EgressId{2}));
  world.Carry(dead);
  CHECK(world.Count().size() == 4);
}

TEST_CASE("when nobody carries any, the homes stand") {
  Replicated world;
  world.Carry({});
  CHECK(world.Count().size() == 4);
}

TEST_CASE("prefer: local gives all lots to what this node has, as long as it has something") {
  Replicated world;
  world.web().prefer = policy::Prefer::kLocal;
  world.self = "gw1";
  CHECK(world.Count().size() == 4);
  Replicated holder;
  holder.web().prefer = policy::Prefer::kLocal;
  holder.self = "gw1";
  holder.holds = {{Ip("203.0.113.11"), {}}, {Ip("203.0.113.12"), {}}};
  holder.carriers[EgressId{2}] = holder.carriers[EgressId{3}] = {.kind = Carrier::Kind::kSelf};
  CHECK(holder.Count() == Shares{{EgressId{2}, 64}, {EgressId{3}, 64}});
}

TEST_CASE("classification looks lots up in a map, by hash or in turn; a holder that goes changes elements only") {
  Replicated world;
  const state::State flow = world.Plan();
  const std::string chain = ClassChain(world.selection().ClassOf(Ip("172.17.0.2"))->key);
  CHECK(Texts(flow, chain) ==
        std::vector<std::string>{"ip daddr != @internal4 ct mark set numgen inc mod 128 map @spread4_web goto steer", "goto direct"});
  CHECK(Elements(flow, "spread4_web").size() == kLots);
  CHECK(Elements(flow, "spread4_web").contains(Mark(0) + " : " + Mark(kDecided | 1)));
  CHECK(Elements(flow, "nexthop").size() == 4);
  CHECK(Elements(flow, "src6").size() == 1);  // without an egress IP of its family
  Replicated less;
  less.carriers[EgressId{1}] = {};
  const state::State after = less.Plan();
  CHECK(after.chains == flow.chains);
  CHECK(after.sets == flow.sets);
  CHECK(Elements(after, "spread4_web") != Elements(flow, "spread4_web"));
  Replicated source;
  source.web().spread = policy::Spread::kSource;
  CHECK(Texts(source.Plan(), chain).front().contains("ct mark set jhash ip saddr mod 128 seed 0x"));
}

TEST_CASE("explain names the egress IP that a source has, and all of them where connections take turns") {
  Replicated source;
  source.web().spread = policy::Spread::kSource;
  const Explanation told = Explain(source.Input(), FromWeb(), "app1");
  const auto lot = LotOfSource(Ip("172.17.0.2"), SpreadSeed("app1"));
  CHECK(told.id == source.Ids().at(lot));
  CHECK(told.choices.empty());
  CHECK(told.node == "gw1");
  Replicated flow;
  flow.carriers[EgressId{3}] = {};
  const Explanation turns = Explain(flow.Input(), FromWeb(), "app1");
  CHECK(!turns.egress_ip.has_value());
  REQUIRE(turns.choices.size() == 3);
  CHECK(turns.choices[0].egress_ip == Ip("203.0.113.10"));
  CHECK(turns.choices[0].node == "gw1");
  CHECK(turns.choices[0].share == doctest::Approx(1.0 / 3).epsilon(0.02));
  Replicated nobody;
  nobody.Carry({});
  CHECK(Explain(nobody.Input(), FromWeb(), "app1").path.back() == "app1  no gateway: dropped (counter no_gateway)");
}

// From Linux 6.18: `meta mark set jhash ip saddr mod 128 seed 0x1234`.
TEST_CASE("a source has the lot that the kernel computes") {
  CHECK(LotOfSource(Ip("172.17.0.2"), 0x1234) == 0x10);
  CHECK(LotOfSource(Ip("172.17.0.3"), 0x1234) == 0x34);
  CHECK(LotOfSource(Ip("10.1.7.20"), 0x1234) == 0x2f);
  CHECK(LotOfSource(Ip("192.0.2.200"), 0x1234) == 0x58);
  CHECK(LotOfSource(Ip("fd00:17::2"), 0x1234) == 0x2d);
  CHECK(LotOfSource(Ip("2001:db8:1:2:3:4:5:6"), 0x1234) == 0x6e);
  std::map<std::uint32_t, int> hit;
  for (std::uint32_t n = 0; n < 1280; ++n) ++hit[LotOfSource(IpAddress::Ipv4(0xac110000 + n), 7)];
  CHECK(hit.size() == kLots);
  CHECK(LotOfSource(Ip("172.17.0.2"), SpreadSeed("app1")) != LotOfSource(Ip("172.17.0.2"), SpreadSeed("app2")));
}

TEST_CASE("gateway: self translates to the address of the node's own uplink, without a tunnel") {
  Scenario world;
  policy::Policy& web = world.Add("web", "web");
  web.gateway = std::string(policy::kSelf);
  web.egress_ip.kind = policy::EgressIpChoice::Kind::kNode;
  world.Carry({.kind = Carrier::Kind::kSelf});
  const state::State state = world.Plan();
  const std::string id = Mark(world.IdOf("web").value);
  CHECK(Elements(state, "snat4") == std::set<std::string>{id + " : " + Bytes("10.0.0.1")});
  // IPv6 has no uplink here: as without a gateway.
  CHECK(Elements(state, "nexthop") == std::set<std::string>{Mark(kDecided | world.IdOf("web").value) + " : " + id});
  CHECK(state.egress_addresses.empty());
  const Explanation told = Explain(world.Input(), FromWeb(), "app1");
  CHECK(told.gateway == "self");
  CHECK(told.node == "app1");
  CHECK(told.path.back() == "=> 192.0.2.44:443 sees 10.0.0.1");
}

}  // namespace egressd::plan
