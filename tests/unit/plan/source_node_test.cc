#include <doctest/doctest.h>

#include "plan/skeleton.h"
#include "scenario.h"

namespace egressd::plan {
namespace {

using Strings = std::set<std::string>;

TEST_CASE("without a policy the tunnel and the whole skeleton stand, and nothing is selected") {
  Scenario world;
  Inputs inputs = world.Input();
  inputs.selection = nullptr;
  inputs.bindings = nullptr;
  const state::State state = Build(inputs);
  CHECK(state.links.at({"egressd0"}).mtu_bytes == 1450);
  CHECK(state.links.at({"egressd0"}).mac.ToString() == "ee:67:c6:13:00:01");
  CHECK(state.chains.contains({.name = "prerouting"}));
  CHECK(Elements(state, "src4").empty());
  CHECK(Elements(state, "nexthop").empty());
  CHECK(Elements(state, "peers4") == Strings{Bytes("10.0.0.2"), Bytes("10.0.0.3")});
}

TEST_CASE("a policy that translates everything external is one element per address and no chain") {
  Scenario world;
  world.Add("web", "web");
  const state::State state = world.Plan();
  const EgressId id = world.IdOf("web"), id6 = world.IdOf("web", Family::kIpv6);
  CHECK(Elements(state, "src4") == Strings{Bytes("172.17.0.2") + " : " + Mark(kDecided | id.value)});
  CHECK(Elements(state, "src6") == Strings{Bytes("fd00:17::2") + " : " + Mark(kDecided | id6.value)});
  CHECK(Elements(state, "classes").empty());
  const std::string next_hop = Mark(kDecided | id.value) + " : " + Mark(0x01000000u | id.value);
  const std::string next_hop6 = Mark(kDecided | id6.value) + " : " + Mark(0x01000000u | id6.value);
  CHECK(Elements(state, "nexthop") == Strings{next_hop, next_hop6});
  CHECK(Elements(state, "held").empty());
}

TEST_CASE("a next hop is a rule and an onlink route per family, and the mask of the configuration is kept") {
  Scenario world;
  world.Add("web", "web");
  world.config.datapath.next_hop_mark = 0x00ff0000;
  const state::State state = world.Plan();
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    CHECK(state.rules.contains({.family = family, .priority = 99, .mark = 0x00020000, .mask = 0x00ff0000, .table = 26002}));
  }
  const state::Route& route = state.routes.at({.table = 26002, .destination = Net("0.0.0.0/0")});
  CHECK(route.next_hop == Ip("198.19.0.3"));
  CHECK(route.device == "egressd0");
  CHECK(route.onlink);
  CHECK(state.routes.at({.table = 26002, .destination = Net("::/0")}).next_hop == Ip("fd65:6772:6573:7300::3"));
}

TEST_CASE("IPv6 is built only where the policy set carries it") {
  Scenario world;
  world.set.pools["public"].ipv6.clear();
  world.Add("web", "web");
  const state::State state = world.Plan();
  for (const auto& [key, rule] : state.rules) CHECK(key.family == Family::kIpv4);
  CHECK(state.addresses.size() == 1);
  CHECK(Value(state, "net/ipv6/conf/all/forwarding").empty());
  // A selected IPv6 source without an IPv6 egress IP is treated as without a gateway.
  REQUIRE(Elements(state, "src6").size() == 1);
  const std::string chain = ClassChain(world.selection().ClassOf(Ip("fd00:17::2"))->key);
  CHECK(Texts(state, chain) == std::vector<std::string>{"ip6 daddr != @internal6 goto no_gateway", "goto direct"});
}

TEST_CASE("conditions become rules of a class, in deciding order") {
  Scenario world;
  policy::Policy& smtp = world.Add("smtp", "mail");
  smtp.priority = 10;
  smtp.ports = {{.protocol = 6, .first = 25, .last = 25}, {.protocol = 6, .first = 26, .last = 30}};
  smtp.except = {Net("198.51.100.0/24")};
  policy::Policy& never = world.Add("never", "mail");
  never.action = policy::Action::kDrop;
  never.priority = 20;
  never.to = policy::Reach::kListed;
  never.destinations = {Net("192.0.2.0/25"), Net("192.0.2.128/25")};
  policy::Policy& own = world.Add("own-network", "mail");
  own.action = policy::Action::kDirect;
  own.priority = 30;
  own.to = policy::Reach::kAny;
  const state::State state = world.Plan();
  const std::string chain = ClassChain(world.selection().ClassOf(Ip("172.17.0.3"))->key);
  const std::vector<std::string> expected{
      "ip daddr != @internal4 ip daddr != @except4_smtp meta l4proto . th dport @ports_smtp ct mark set 0x00e60001 goto steer",
      "ip daddr @to4_never counter name policy_drop drop", "goto direct", "goto direct"};
  CHECK(Texts(state, chain) == expected);
  CHECK(Elements(state, "ports_smtp") == Strings{"0600000000190000-06000000001e0000"});
  CHECK(Elements(state, "to4_never") == Strings{"c0000200-c00002ff"});
  CHECK(Elements(state, "classes") == Strings{Mark(world.selection().ClassOf(Ip("172.17.0.3"))->key) + " : " + chain});
}

TEST_CASE("a policy limited to a device names it, and sources that only a device selects keep no mark") {
  Scenario world;
  policy::Policy& lan = world.set.policies["lan"];
  lan.name = "lan";
  lan.from = {{.interface = "docker0"}};
  const state::State state = world.Plan();
  const std::vector<std::string> expected{"iifname docker0 ip daddr != @internal4 ct mark set 0x00e60001 goto steer", "return"};
  CHECK(Texts(state, "other4") == expected);
  CHECK(Texts(state, "classify").back() == "meta nfproto ipv6 goto other6");
  CHECK(Value(state, "net/ipv4/conf/docker0/forwarding") == "1");
}

TEST_CASE("an id that nobody carries is dropped, or goes out directly where the policy says so") {
  Scenario world;
  world.Add("web", "web").on_no_gateway = policy::OnNoGateway::kDirect;
  world.Add("mail", "mail");
  world.Carry({});
  const state::State state = world.Plan();
  CHECK(Elements(state, "nexthop").empty());
  CHECK(Elements(state, "without_gateway") == Strings{Mark(world.IdOf("web").value), Mark(world.IdOf("web", Family::kIpv6).value)});
  CHECK(Texts(state, "no_gateway").back() == "counter name no_gateway drop");
}

TEST_CASE("another gateway is another element, nothing else") {
  Scenario world;
  world.Add("web", "web");
  const state::State before = world.Plan();
  world.Carry({.kind = Carrier::Kind::kPeer, .peer = "gw2"});
  state::State after = world.Plan();
  CHECK(before != after);
  for (const auto& [key, element] : before.elements) {
    if (key.set.name == "nexthop") after.elements.at(key) = element;
  }
  CHECK(before == after);
}

TEST_CASE("what never counts as external") {
  Scenario world;
  world.Add("web", "web");
  world.set.internal = {Net("10.99.0.0/16")};
  world.set.workloads["host"] = {.name = "host", .addresses = {Ip("10.0.0.1")}, .labels = {{"app", "web"}}};
  world.config.cluster.join = {{.address = Ip("192.0.2.77"), .port = 7947}};
  const policy::InternalNetworks internal = InternalOf(world.Input());
  const auto IsInternal = [&](std::string_view text) {
    return std::ranges::any_of(internal, [&](const Prefix& prefix) { return prefix.Contains(Ip(text)); });
  };
  for (const char* inside : {"10.99.3.4", "10.0.0.1", "10.0.0.2", "198.19.200.1", "172.17.9.9", "127.0.0.1", "169.254.1.1", "224.0.0.251",
                             "255.255.255.255", "192.0.2.77", "::1", "fe80::1", "ff02::1", "fd00:17::9", "fd65:6772:6573:7300::9"}) {
    CAPTURE(inside);
    CHECK(IsInternal(inside));
  }
  // The underlay is no workload network, though a process of the host is a workload here.
  for (const char* outside : {"10.0.0.77", "8.8.8.8", "203.0.113.200", "2001:db8::1"}) {
    CAPTURE(outside);
    CHECK_FALSE(IsInternal(outside));
  }
}

TEST_CASE("overlapping networks become disjoint elements") {
  Scenario world;
  world.Add("web", "web");
  world.set.internal = {Net("10.0.0.0/8"), Net("10.1.0.0/16"), Net("11.0.0.0/8")};
  const Strings elements = Elements(world.Plan(), "internal4");
  CHECK(elements.contains("0a000000-0bffffff"));
  CHECK(elements.contains("e0000000-ffffffff"));  // 224/4 and 240/4
}

TEST_CASE("a name that nft would not take is replaced and stays unique") {
  CHECK(NftNameOf("mailer_2") == "mailer_2");
  CHECK(NftNameOf("a-b") != NftNameOf("a.b"));
  CHECK(NftNameOf("a-b").starts_with("a_b_"));
  CHECK(DestinationSet("except", Family::kIpv6, std::string(300, 'x')).size() <= 128);
}

TEST_CASE("the underlay decides the MTU of the tunnel") {
  Scenario world;
  world.host.devices[1].mtu_bytes = 9000;
  CHECK(world.Plan().links.at({"egressd0"}).mtu_bytes == 8950);
  world.config.tunnel.mtu_bytes = 1400;
  const state::State state = world.Plan();
  CHECK(state.links.at({"egressd0"}).mtu_bytes == 1400);
  CHECK(Texts(state, "leave_tunnel").front() == "meta nfproto ipv4 tcp flags & syn == syn tcp option maxseg size set 1360");
}

}  // namespace
}  // namespace egressd::plan
