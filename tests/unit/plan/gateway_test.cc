#include <doctest/doctest.h>

#include "plan/skeleton.h"
#include "scenario.h"

namespace egressd::plan {
namespace {

using Strings = std::set<std::string>;

// This node is gw0 with the public network on eth1.
struct Gateway : Scenario {
  Gateway() {
    self = "gw0";
    set.gateways["edge"].nodes.names.push_back("gw0");
    set.pools["public"].ipv6.clear();
    host.devices.push_back({.name = "eth1", .index = 4, .mtu_bytes = 1500, .running = true, .addresses = {OnDevice("203.0.113.2", 24)}});
    Add("web", "web");
  }
};

TEST_CASE("a held egress IP is an address on its uplink and lets its id through") {
  Gateway world;
  world.holds = {{Ip("203.0.113.10"), {}}};
  world.Carry({.kind = Carrier::Kind::kSelf});
  const state::State state = world.Plan();
  const std::string id = Mark(world.IdOf("web").value);
  CHECK(state.egress_addresses.contains({.device = "eth1", .address = Ip("203.0.113.10")}));
  CHECK(Elements(state, "held") == Strings{id + " : " + id});
  CHECK(Elements(state, "snat4") == Strings{id + " : " + Bytes("203.0.113.10")});
  CHECK(Elements(state, "sources4") == Strings{id + Bytes("203.0.113.10")});
  CHECK(Elements(state, "egress4") == Strings{Bytes("203.0.113.10")});
  CHECK(Elements(state, "nexthop") == Strings{id + " : " + id});  // its own workloads: no tunnel
  CHECK(Value(state, "net/ipv4/conf/eth1/rp_filter") == "2");
  CHECK(Value(state, "net/ipv4/conf/eth1/forwarding") == "1");
}

TEST_CASE("an id that another node carries is not let through here") {
  Gateway world;
  const state::State state = world.Plan();
  CHECK(Elements(state, "held").empty());
  CHECK(Elements(state, "snat4").empty());
  CHECK(Elements(state, "sources4").empty());
  CHECK(state.egress_addresses.empty());
}

TEST_CASE("an uplink with a default route of its own gets a slot: specific routes first, then that route") {
  Gateway world;
  world.host.routes.push_back({.destination = Net("0.0.0.0/0"), .device = "eth1", .next_hop = Ip("203.0.113.1"), .metric = 200});
  world.Carry({.kind = Carrier::Kind::kSelf});
  const state::State state = world.Plan();
  const std::uint32_t id = world.IdOf("web").value;
  CHECK(Elements(state, "held") == Strings{Mark(id) + " : " + Mark(0xc8000000u | id)});
  CHECK(state.rules.contains({.family = Family::kIpv4, .priority = 99, .mark = 0xc8000000, .mask = 0xff000000, .table = 26200}));
  CHECK(state.rules.contains({.family = Family::kIpv4, .priority = 98, .mark = 0xc8000000, .mask = 0xff000000, .table = 254,
      .suppress_prefix_length = 0}));
  const state::Route& route = state.routes.at({.table = 26200, .destination = Net("0.0.0.0/0")});
  CHECK(route.device == "eth1");
  CHECK(route.next_hop == Ip("203.0.113.1"));
  CHECK_FALSE(route.onlink);
}

TEST_CASE("egress_ip node: every gateway node lets the id through with its own address, whoever carries it") {
  Gateway world;
  world.set.policies["web"].egress_ip = {.kind = policy::EgressIpChoice::Kind::kNode};
  world.Compile();
  const state::State state = world.Plan();
  const std::string id = Mark(world.IdOf("web").value);
  CHECK(Elements(state, "snat4").contains(id + " : " + Bytes("10.0.0.1")));
  CHECK(Elements(state, "sources4").contains(id + Bytes("10.0.0.1")));
  CHECK(Elements(state, "held").contains(id + " : " + id));
  CHECK(Elements(state, "nexthop").contains(id + " : " + Mark(0x01000000u | world.IdOf("web").value)));
  CHECK(state.egress_addresses.empty());
  world.self = "app1";  // no gateway
  CHECK(Elements(world.Plan(), "held").empty());
}

TEST_CASE("IPv6 egress IPs switch forwarding on and keep router advertisements working") {
  Scenario world;
  world.self = "gw1";
  world.host.devices[1].addresses.push_back(OnDevice("2001:db8:1::2", 64));
  world.Add("web", "web");
  world.holds = {{Ip("2001:db8:1::10"), {}}};
  world.Carry({.kind = Carrier::Kind::kSelf});
  const state::State state = world.Plan();
  CHECK(Value(state, "net/ipv6/conf/all/forwarding") == "1");
  CHECK(Value(state, "net/ipv6/conf/eth0/accept_ra") == "2");
  CHECK(Value(state, "net/ipv6/conf/docker0/accept_ra").empty());
  CHECK(Elements(state, "snat6") == Strings{Mark(world.IdOf("web", Family::kIpv6).value) + " : " + Bytes("2001:db8:1::10")});
  CHECK(state.egress_addresses.contains({.device = "eth0", .address = Ip("2001:db8:1::10")}));
  // Written once and found as 2, it must stay wanted.
  world.host.devices[1].accept_ra = 2;
  CHECK(Value(world.Plan(), "net/ipv6/conf/eth0/accept_ra") == "2");
}

TEST_CASE("where an egress IP lives: the gateway's device, the node's, the one that faces it, the default route's") {
  Gateway world;
  const auto Uplink = [&](std::string_view ip) { return UplinkFor(world.set, world.config, world.host, "edge", Ip(ip)); };
  CHECK(Uplink("203.0.113.10") == "eth1");
  CHECK(Uplink("198.51.100.1") == "eth0");
  CHECK(Uplink("2001:db8:1::10") == std::nullopt);  // no IPv6 default route
  world.config.node.interface = "eth0";
  CHECK(Uplink("203.0.113.10") == "eth0");
  world.set.gateways["edge"].interface = "eth1";
  CHECK(Uplink("198.51.100.1") == "eth1");
  world.set.gateways["edge"].interface = "eth7";
  CHECK(Uplink("198.51.100.1") == std::nullopt);
}

TEST_CASE("the tunnel's entrance: known peers, untracked outside, ids only inside") {
  Gateway world;
  const state::State state = world.Plan();
  CHECK(Texts(state, "raw_prerouting").front() == "udp dport 7789 ip saddr @peers4 notrack accept");
  CHECK(Texts(state, "raw_output").front() == "udp dport 7789 ip daddr @peers4 meta mark set 0x00000000 notrack accept");
  CHECK(Texts(state, "raw_input").front() == "udp dport 7789 ip saddr != @peers4 counter name not_a_peer drop");
  const std::vector<std::string> expected{"ct state invalid,untracked drop",
                                          "ct direction reply meta mark set 0xfe000000 return",
                                          "ip daddr 198.19.0.0/16 meta mark set 0x00000000 return",
                                          "ip6 daddr fd65:6772:6573:7300::/64 meta mark set 0x00000000 return",
                                          "ct mark set meta mark & 0xffff | 0x00e60000",
                                          "meta mark set ct mark & 0xffff map @held return",
                                          "counter name not_held drop"};
  CHECK(Texts(state, "from_tunnel") == expected);
  CHECK(state.chains.at({.name = "nat"}).hook->priority == 90);
}

TEST_CASE("a tunnel number is an address in both networks and a MAC address") {
  const policy::NodeConfig::Tunnel tunnel;
  const TunnelIdentity identity = IdentityOf(258, tunnel);
  CHECK(identity.ipv4 == Ip("198.19.1.2"));
  CHECK(identity.ipv6 == Ip("fd65:6772:6573:7300::102"));
  CHECK(identity.mac.ToString() == "ee:67:c6:13:01:02");
}

}  // namespace
}  // namespace egressd::plan
