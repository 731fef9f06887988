#include <doctest/doctest.h>

#include "scenario.h"

namespace egressd::plan {
namespace {

using Strings = std::set<std::string>;

policy::Flow From(std::string_view source, std::string_view destination) {
  return {.source = Ip(source), .interface = "docker0", .destination = Ip(destination), .protocol = 6, .port = 443};
}

TEST_CASE("guarded networks and the known workloads in them are elements; a selected one needs none of its own") {
  Scenario world;
  world.Add("web", "web");
  world.set.guard = {Net("172.17.0.0/16"), Net("172.17.4.0/24"), Net("fd00:17::/64")};
  const state::State state = world.Plan();
  CHECK(Elements(state, "guard4") == Strings{"ac110000-ac11ffff"});
  CHECK(Elements(state, "guard6").size() == 1);
  CHECK(Elements(state, "known4") == Strings{Bytes("172.17.0.3")});  // mail, that no policy selects
  CHECK(Elements(state, "known6").empty());
  CHECK(Elements(state, "src4").size() == 1);
  const auto classify = Texts(state, "classify");
  const std::string rule =
      "ip saddr @guard4 ip saddr != @known4 ip daddr != @internal4 ip daddr != @local4 counter name unknown_source drop";
  const auto guard = std::ranges::find(classify, rule);
  REQUIRE(guard != classify.end());
  CHECK(guard - classify.begin() == 2);  // behind the exact sources, before networks and devices
}

TEST_CASE("without a guard nothing is known and nothing guarded, by the same rules") {
  Scenario world;
  world.Add("web", "web");
  Scenario guarded;
  guarded.Add("web", "web");
  guarded.set.guard = {Net("172.17.0.0/16")};
  const state::State state = world.Plan();
  CHECK(Elements(state, "guard4").empty());
  CHECK(Elements(state, "known4").empty());
  CHECK(state.chains == guarded.Plan().chains);
}

TEST_CASE("what the node reaches through another router is guarded there") {
  Scenario world;
  world.set.guard = {Net("172.16.0.0/12")};
  world.host.routes.push_back({.destination = Net("172.18.0.0/16"), .device = "eth0", .next_hop = Ip("10.0.0.9")});
  world.host.routes.push_back({.destination = Net("172.18.1.0/24"), .device = "eth0", .next_hop = Ip("10.0.0.9")});
  CHECK(Elements(world.Plan(), "guard4") == Strings{"ac100000-ac11ffff", "ac130000-ac1fffff"});
  CHECK(!IsGuardedAgainst(world.Input(), {}, From("172.18.0.7", "192.0.2.1")));
  CHECK(IsGuardedAgainst(world.Input(), {}, From("172.19.0.7", "192.0.2.1")));
  world.host.routes.push_back({.destination = Net("172.16.0.0/12"), .device = "eth0", .next_hop = Ip("10.0.0.9")});
  CHECK(Elements(world.Plan(), "guard4").empty());
}

TEST_CASE("a guarded network is internal before a workload is known in it; what the host says itself is its own") {
  Scenario world;
  world.set.workloads.clear();
  CHECK(!std::ranges::contains(InternalOf(world.Input()), Net("172.17.0.0/16")));
  Scenario guarded;
  guarded.set.workloads.clear();
  guarded.set.guard = {Net("172.17.0.0/24")};
  const auto internal = InternalOf(guarded.Input());
  CHECK(std::ranges::contains(internal, Net("172.17.0.0/16")));
  CHECK(!IsGuardedAgainst(guarded.Input(), internal, From("172.17.0.9", "172.17.3.3")));
  CHECK(!IsGuardedAgainst(guarded.Input(), internal, From("172.17.0.1", "192.0.2.1")));
  CHECK(IsGuardedAgainst(guarded.Input(), internal, From("172.17.0.9", "192.0.2.1")));
}

TEST_CASE("explain tells of the guard, whatever policies select") {
  Scenario world;
  policy::Policy& all = world.Add("all", "web");
  all.from = {{.all = true}};
  world.set.guard = {Net("172.17.0.0/16")};
  const Explanation told = Explain(world.Input(), From("172.17.0.9", "192.0.2.44"), "app1");
  CHECK(told.action == "drop");
  CHECK(told.policy.empty());
  REQUIRE(told.path.size() == 1);
  CHECK(told.path[0].starts_with("app1  172.17.0.9 is in the guarded network 172.17.0.0/16 and no workload that this node knows"));
  CHECK(told.path[0].ends_with("(counter unknown_source)"));
  CHECK(told.rejected.at(0).reason == "the guard drops what comes from an unknown source");
  CHECK(Explain(world.Input(), From("172.17.0.2", "192.0.2.44"), "app1").action == "snat");
  CHECK(Explain(world.Input(), From("172.17.0.9", "172.17.0.8"), "app1").action == "none");
}

TEST_CASE("a workload that comes or goes unselected is one element") {
  Scenario world;
  world.Add("web", "web");
  world.set.guard = {Net("172.17.0.0/16")};
  state::State state = world.Plan();
  const auto changed = world.selection().SetWorkloads("x", {{.name = "x", .addresses = {Ip("172.17.0.77")}}});
  CHECK(changed == std::vector<IpAddress>{Ip("172.17.0.77")});
  state::Touched touched{std::in_place};
  REQUIRE(UpdateSources(world.Input(), changed, state, touched));
  CHECK(touched->size() == 2);  // selected or known: both were looked at
  CHECK(Elements(state, "known4") == Strings{Bytes("172.17.0.3"), Bytes("172.17.0.77")});
  CHECK(state == Build(world.Input()));
  const auto gone = world.selection().SetWorkloads("x", {});
  REQUIRE(UpdateSources(world.Input(), gone, state, touched));
  CHECK(state == Build(world.Input()));
}

}  // namespace
}  // namespace egressd::plan
