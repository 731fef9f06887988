#include <doctest/doctest.h>

#include "scenario.h"

namespace egressd::plan {
namespace {

policy::Flow Web(std::string_view destination) {
  return {.source = Ip("172.17.0.2"), .interface = "docker0", .destination = Ip(destination), .protocol = 6, .port = 443};
}

TEST_CASE("explain follows a packet through the tunnel to what the outside sees") {
  Scenario world;
  world.Add("web", "web");
  world.Add("mailer", "mail");
  world.Add("later", "web").priority = 2000;
  const Explanation told = Explain(world.Input(), Web("192.0.2.44"), "app1");
  CHECK(told.policy == "web");
  CHECK(told.action == "snat");
  CHECK(told.gateway == "edge");
  CHECK(told.node == "gw1");
  REQUIRE(told.egress_ip);
  CHECK(told.id == world.IdOf("web"));
  REQUIRE(told.path.size() == 5);
  CHECK(told.path[1].contains("rule 99, table 26001, dev egressd0 via 198.19.0.2"));
  CHECK(told.path[2].contains("source becomes 198.19.0.1, egressd0 sends it to gw1 (10.0.0.2)"));
  CHECK(told.path[4] == "=> 192.0.2.44:443 sees " + told.egress_ip->ToString());
  REQUIRE(told.rejected.size() == 2);
  CHECK(told.rejected[0].policy == "mailer");
  CHECK(told.rejected[0].reason == "wants app=mail");
  CHECK(told.rejected[1].reason == "already decided by web (priority 1000)");
}

TEST_CASE("explain says why a packet is dropped") {
  Scenario world;
  world.Add("web", "web");
  world.Carry({});
  const Explanation told = Explain(world.Input(), Web("192.0.2.44"), "app1");
  CHECK(told.action == "snat");
  CHECK(told.node.empty());
  CHECK(told.path.back() == "app1  no gateway: dropped (counter no_gateway)");
}

TEST_CASE("explain on the holder itself") {
  Scenario world;
  world.Add("web", "web").egress_ip = {.kind = policy::EgressIpChoice::Kind::kAddress,
                                       .addresses = {{.ipv4 = Ip("203.0.113.15"), .ipv6 = {}}}};
  world.Carry({.kind = Carrier::Kind::kSelf});
  world.holds = {{Ip("203.0.113.15"), {}}};
  const Explanation told = Explain(world.Input(), Web("192.0.2.44"), "app1");
  CHECK(told.node == "app1");
  CHECK(told.path[1].contains("dev eth0 via 10.0.0.254"));
  CHECK(told.path.back() == "=> 192.0.2.44:443 sees 203.0.113.15");
}

TEST_CASE("explain of a destination or source that no policy means") {
  Scenario world;
  world.Add("web", "web");
  const Explanation inside = Explain(world.Input(), Web("172.17.0.9"), "app1");
  CHECK(inside.policy.empty());
  CHECK(inside.action == "none");
  CHECK(inside.rejected.at(0).reason == "172.17.0.9 is internal");
  policy::Flow stranger = Web("192.0.2.44");
  stranger.source = Ip("172.17.0.200");
  CHECK(Explain(world.Input(), stranger, "app1").action == "none");
}

}  // namespace
}  // namespace egressd::plan
