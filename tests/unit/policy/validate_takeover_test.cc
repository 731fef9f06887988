#include "egressd/policy/limits.h"
#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
using namespace std::chrono_literals;
namespace {

template <typename Change>
Texts After(const Change& change, const Surroundings& surroundings = {}) {
  PolicySet set = Sound();
  change(set.gateways["edge"]);
  return Seen(set, surroundings);
}

HealthCheck Tcp(std::string_view address, std::uint16_t port = 443) {
  return {.kind = HealthCheck::Kind::kTcp, .target = {A(address), port}};
}

}  // namespace

TEST_CASE("E116: restart_grace is between a second and ten minutes") {
  CHECK(After([](Gateway& edge) { edge.restart_grace = 999ms; }) == Texts{"E116 gateways.edge.restart_grace"});
  CHECK(After([](Gateway& edge) { edge.restart_grace = 601s; }) == Texts{"E116 gateways.edge.restart_grace"});
  CHECK(After([](Gateway& edge) { edge.restart_grace = -1s; }) == Texts{"E116 gateways.edge.restart_grace"});
  CHECK(After([](Gateway& edge) { edge.restart_grace = 1s; }) == Texts{});
  CHECK(After([](Gateway& edge) { edge.restart_grace = 10min; }) == Texts{});
}

TEST_CASE("E116: BFD timers are not below 10ms, the floor of FRR") {
  CHECK(After([](Gateway& edge) { edge.bfd = BfdTimers{.min_rx = 9999us}; }) == Texts{"E116 gateways.edge.bfd.min_rx"});
  CHECK(After([](Gateway& edge) { edge.bfd = BfdTimers{.min_tx = 11s}; }) == Texts{"E116 gateways.edge.bfd.min_tx"});
  CHECK(After([](Gateway& edge) { edge.bfd = BfdTimers{.multiplier = 0}; }) == Texts{"E116 gateways.edge.bfd.multiplier"});
  CHECK(After([](Gateway& edge) { edge.bfd = BfdTimers{10ms, 10ms, 255}; }) == Texts{});
}

TEST_CASE("W311: with multiplier 1 a lost packet is a dead node") {
  CHECK(After([](Gateway& edge) { edge.bfd = BfdTimers{.multiplier = 1}; }) == Texts{"W311 gateways.edge.bfd.multiplier"});
  CHECK(After([](Gateway& edge) { edge.bfd = BfdTimers{.multiplier = 2}; }) == Texts{});
}

TEST_CASE("W312: leases do not end before the peers notice, except that strict has leases of its own") {
  CHECK(After([](Gateway& edge) { edge.bfd = BfdTimers{100ms, 10s, 3}; }) == Texts{"W312 gateways.edge.bfd"});
  CHECK(After([](Gateway& edge) { edge.bfd = BfdTimers{5s, 5s, 3}; }) == Texts{});
  CHECK(After([](Gateway& edge) {
          edge.bfd = BfdTimers{5s, 5s, 4};
          edge.restart_grace = 20s;
        }) == Texts{});
  CHECK(After([](Gateway& edge) {
          edge.bfd = BfdTimers{10s, 10s, 3};
          edge.takeover = Takeover::kStrict;
        }) == Texts{});
}

TEST_CASE("W309: strict needs three nodes, as far as their number is known") {
  const auto strict = [](Gateway& edge) { edge.takeover = Takeover::kStrict; };
  CHECK(After(strict) == Texts{});
  CHECK(After(strict, {.nodes = 3}) == Texts{});
  CHECK(After(strict, {.nodes = 2}) == Texts{"W309 gateways.edge.takeover"});
  CHECK(After(strict, {.nodes = 1}) == Texts{"W309 gateways.edge.takeover"});
  CHECK(After([](Gateway&) {}, {.nodes = 2}) == Texts{});
  PolicySet set = Sound();
  strict(set.gateways["edge"]);
  CHECK(Validate(set, {.nodes = 2})[0].message ==
        "strict with two nodes cannot lose one: a lease needs a majority of all nodes, and one of two is none");
}

TEST_CASE("W310: restart_grace has no effect under strict") {
  CHECK(After([](Gateway& edge) {
          edge.takeover = Takeover::kStrict;
          edge.restart_grace = 60s;
        }) == Texts{"W310 gateways.edge.restart_grace"});
  CHECK(After([](Gateway& edge) { edge.restart_grace = 60s; }) == Texts{});
}

TEST_CASE("E102: a health check asks an address that exists; the node itself may be asked") {
  CHECK(After([](Gateway& edge) {
          edge.health = {Tcp("224.0.0.1"), Tcp("fe80::1"), Tcp("0.0.0.0"), Tcp("127.0.0.1"), Tcp("::1")};
        }) == Texts{"E102 gateways.edge.health[0].tcp", "E102 gateways.edge.health[1].tcp", "E102 gateways.edge.health[2].tcp"});
}

TEST_CASE("E227: a health check does not ask an egress IP") {
  CHECK(After([](Gateway& edge) { edge.health = {Tcp("192.0.2.1"), Tcp("203.0.113.11")}; }) == Texts{"E227 gateways.edge.health[1].tcp"});
  CHECK(After([](Gateway& edge) {
          edge.health = {{.kind = HealthCheck::Kind::kIcmp, .target = {A("2001:db8:1::11"), 0}}};
        }) == Texts{"E227 gateways.edge.health[0].icmp"});
  CHECK(After([](Gateway& edge) { edge.health = {Tcp("203.0.113.99")}; }) == Texts{});
}

TEST_CASE("E216: a health check does not ask an address of the tunnel") {
  CHECK(After([](Gateway& edge) { edge.health = {Tcp("198.19.0.7")}; }, {.tunnel = NodeConfig::Tunnel()}) ==
        Texts{"E216 gateways.edge.health[0].tcp"});
}

TEST_CASE("E228: the same health check twice, however often") {
  CHECK(After([](Gateway& edge) {
          edge.health = {Tcp("192.0.2.1"), Tcp("192.0.2.1", 80), Tcp("192.0.2.1")};
          edge.health[2].every = 5s;
        }) == Texts{"E228 gateways.edge.health[2]"});
  const auto http = [](std::string path) {
    return HealthCheck{.kind = HealthCheck::Kind::kHttp, .target = {A("192.0.2.1"), 80}, .path = std::move(path), .host = "192.0.2.1"};
  };
  CHECK(After([&](Gateway& edge) { edge.health = {http("/a"), http("/b"), Tcp("192.0.2.1", 80)}; }) == Texts{});
  CHECK(After([&](Gateway& edge) { edge.health = {http("/a"), http("/a")}; }) == Texts{"E228 gateways.edge.health[1]"});
}

TEST_CASE("E117: a health check can be made") {
  CHECK(After([](Gateway& edge) { edge.health = {Tcp("192.0.2.1", 0)}; }) == Texts{"E117 gateways.edge.health[0]"});
  CHECK(After([](Gateway& edge) {
          edge.health = {Tcp("192.0.2.1"), Tcp("192.0.2.2")};
          edge.health[0].fail = 0;
          edge.health[1].fail = 101;
        }) == Texts{"E117 gateways.edge.health[0]", "E117 gateways.edge.health[1]"});
  for (const char* path : {"", "healthz", "/a b", "/\r\nX: y", "/#a"}) {
    CHECK_MESSAGE(After([&](Gateway& edge) {
                    edge.health = {{.kind = HealthCheck::Kind::kHttp, .target = {A("192.0.2.1"), 80}, .path = path}};
                  }) == Texts{"E117 gateways.edge.health[0]"},
                  path);
  }
}

TEST_CASE("E116: a health check is made every 100ms at most, every hour at least") {
  CHECK(After([](Gateway& edge) {
          edge.health = {Tcp("192.0.2.1")};
          edge.health[0].every = 99ms;
        }) == Texts{"E116 gateways.edge.health[0].every"});
}

TEST_CASE("W308: named nodes have room for all egress IPs, counted as Bind hands them out") {
  PolicySet set = Sound();
  set.gateways["edge"].nodes.names = {"gw1", "gw2", "gw2"};
  for (const char* name : {"a", "b", "c"}) Add(set, Policy{.name = name, .priority = 1, .enabled = true, .from = {Labelled("app", name)}});
  const auto seen = [&](std::uint16_t limit) {
    set.gateways["edge"].max_ips_per_node = limit;
    std::vector<Finding> findings = Validate(set);
    std::erase_if(findings, [](const Finding& finding) { return finding.code != "W308"; });
    return findings;
  };
  // Four policies, two families: eight addresses for two nodes.
  CHECK(seen(4).empty());
  CHECK(seen(0).empty());
  REQUIRE(seen(3).size() == 1);
  CHECK(seen(3)[0].path == "gateways.edge.max_ips_per_node");
  CHECK(seen(3)[0].message == "8 egress IPs for 2 nodes with room for 3 each: 2 of them remain unassigned");
  CHECK(seen(3)[0].hint == "max_ips_per_node: 4");
  set.gateways["edge"].nodes = {.labels = {Is("role", "gateway")}};
  CHECK(seen(3).empty());
}

TEST_CASE("the timers of BFD are the gateway's, else the profile's") {
  CHECK(BfdOf({}, Profile::kLan) == BfdTimers{100ms, 100ms, 3});
  CHECK(BfdOf({}, Profile::kFast) == BfdTimers{10ms, 10ms, 3});
  CHECK(BfdOf({}, Profile::kWan) == BfdTimers{300ms, 300ms, 3});
  CHECK(BfdOf({.bfd = BfdTimers{50ms, 60ms, 7}}, Profile::kFast) == BfdTimers{50ms, 60ms, 7});
  for (const Profile profile : {Profile::kLan, Profile::kFast, Profile::kWan}) CHECK(kBfdLimits.Hold(BfdOf({}, profile).min_rx));
}

}  // namespace egressd::policy
