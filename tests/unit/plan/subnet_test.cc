// Pools in a network of their own: next hop, neighbours, VLAN.
#include <doctest/doctest.h>

#include "plan/facts.h"
#include "plan/skeleton.h"
#include "scenario.h"

namespace egressd::plan {
namespace {

// This node is gw0 of `edge`, whose pool is behind a router that no route of the host knows.
struct Apart : Scenario {
  Apart() {
    self = "gw0";
    set.gateways["edge"].nodes.names.push_back("gw0");
    set.pools["public"].subnet = policy::Subnet{.ipv4 = OnDevice("203.0.113.1", 24), .ipv6 = OnDevice("2001:db8:1::1", 64)};
    Add("web", "web");
    holds = {{Ip("203.0.113.10"), {}}, {Ip("2001:db8:1::10"), {}}};
    host.routes.push_back({.destination = Net("::/0"), .device = "eth0", .next_hop = Ip("fe80::1")});
    host.devices[1].addresses.push_back(OnDevice("2001:db8::1", 64));
  }
  std::uint8_t Slot() { return Facts(Input()).subnets.begin()->second; }
  std::uint32_t Table() { return 26000u + Slot(); }
};

const state::Route* RouteIn(const state::State& state, std::uint32_t table, std::string_view destination) {
  const auto found = state.routes.find({.table = table, .destination = Net(destination)});
  return found == state.routes.end() ? nullptr : &found->second;
}

}  // namespace

TEST_CASE("an egress IP of a subnet leaves by the subnet's router, whatever routes the host has") {
  Apart world;
  world.Carry({.kind = Carrier::Kind::kSelf});
  const state::State state = world.Plan();
  const std::uint32_t table = world.Table();
  CHECK(world.Slot() >= kFirstSubnetSlot);
  for (const auto& [all, router] : {std::pair{"0.0.0.0/0", "203.0.113.1"}, {"::/0", "2001:db8:1::1"}}) {
    const state::Route* way = RouteIn(state, table, all);
    REQUIRE(way != nullptr);
    CHECK(way->device == "eth0");
    CHECK(way->next_hop == Ip(router));
    CHECK(way->onlink);
  }
  REQUIRE(RouteIn(state, table, "203.0.113.0/24") != nullptr);
  CHECK_FALSE(RouteIn(state, table, "203.0.113.0/24")->next_hop.has_value());
  CHECK(RouteIn(state, table, "198.19.0.0/16")->device == "egressd0");  // the way back into the tunnel
  // The main table is not asked, not even for what is more specific than a default route.
  const std::uint32_t mark = std::uint32_t{world.Slot()} << 24;
  for (const auto& [key, rule] : state.rules) {
    if (key.mark == mark) CHECK(key.table == table);
  }
  const std::uint32_t id = world.IdOf("web").value;
  CHECK(Elements(state, "held").contains(Mark(id) + " : " + Mark(mark | id)));
  CHECK(Elements(state, "nexthop").contains(Mark(kDecided | id) + " : " + Mark(mark | id)));
  CHECK(state.egress_addresses.contains({.device = "eth0", .address = Ip("203.0.113.10")}));
  CHECK(state.vlans.empty());
}

TEST_CASE("the way through a subnet stands before anything is held, on the nodes of the gateway alone") {
  Apart world;
  world.holds.clear();
  CHECK(RouteIn(world.Plan(), world.Table(), "0.0.0.0/0") != nullptr);
  world.set.gateways["edge"].nodes.names = {"gw1"};
  world.Compile();
  const state::State state = world.Plan();
  CHECK(std::ranges::none_of(state.routes, [](const auto& entry) { return entry.first.table >= 26000u + kFirstSubnetSlot &&
                                                                          entry.first.table <= 26000u + kLastSubnetSlot; }));
}

TEST_CASE("nobody asks for neighbours in a subnet: neither the host's address nor an egress IP is named") {
  Apart world;
  const state::State state = world.Plan();
  const std::vector<std::string> rules = Texts(state, "neighbours", state::NftFamily::kArp);
  REQUIRE(rules.size() == 2);
  CHECK(rules[0] == "arp operation request arp daddr ip @subnets arp saddr ip set 0.0.0.0");
  CHECK(Elements(state, "subnets", state::NftFamily::kArp) == std::set<std::string>{Bytes("203.0.113.0") + "-" + Bytes("203.0.113.255")});
  Apart without;
  without.set.pools["public"].subnet.reset();
  CHECK(Texts(without.Plan(), "neighbours", state::NftFamily::kArp).size() == 1);
  CHECK_FALSE(without.Plan().sets.contains({.family = state::NftFamily::kArp, .name = "subnets"}));
}

TEST_CASE("a router that is known by its link-local address has no network of its own") {
  Apart world;
  world.set.pools["public"].subnet->ipv6 = OnDevice("fe80::7", 64);
  const state::State state = world.Plan();
  CHECK(RouteIn(state, world.Table(), "::/0")->next_hop == Ip("fe80::7"));
  CHECK(RouteIn(state, world.Table(), "fe80::/64") == nullptr);
}

TEST_CASE("a VLAN is a device of its own: it has the egress IPs, and nothing else") {
  Apart world;
  world.set.pools["public"].subnet->vlan = 100;
  const state::State state = world.Plan();
  const auto vlan = state.vlans.find({.name = "eg100-eth0"});
  REQUIRE(vlan != state.vlans.end());
  CHECK(vlan->second == state::Vlan{.key = {"eg100-eth0"}, .parent = "eth0", .id = 100});
  CHECK(state.egress_addresses.contains({.device = "eg100-eth0", .address = Ip("203.0.113.10")}));
  CHECK(state.egress_addresses.contains({.device = "eg100-eth0", .address = Ip("2001:db8:1::10")}));
  CHECK(RouteIn(state, world.Table(), "0.0.0.0/0")->device == "eg100-eth0");
  CHECK(Value(state, "net/ipv6/conf/eg100-eth0/accept_ra") == "0");
  CHECK(Value(state, "net/ipv4/conf/eg100-eth0/rp_filter") == "2");
  CHECK(Value(state, "net/ipv4/conf/eg100-eth0/forwarding") == "1");
  SUBCASE("on the device that the gateway names") {
    world.host.devices.push_back({.name = "eth1", .index = 4, .mtu_bytes = 1500, .running = true});
    world.set.gateways["edge"].interface = "eth1";
    world.Compile();
    CHECK(world.Plan().vlans.contains({.name = "eg100-eth1"}));
  }
  SUBCASE("a device of the host with an address in that network does not count") {
    world.host.devices.push_back({.name = "eth1", .index = 4, .running = true, .addresses = {OnDevice("203.0.113.2", 24)}});
    CHECK(world.Plan().vlans.contains({.name = "eg100-eth0"}));
  }
}

TEST_CASE("the names of VLAN devices: short, without dots, and different where the parents are") {
  CHECK(VlanName("eth0", 100) == "eg100-eth0");
  for (const char* parent : {"enp0s31f6np0", "bond0.4094", "a.b", "wlxaabbccddeeff"}) {
    const std::string name = VlanName(parent, 4094);
    CHECK_MESSAGE(name.size() <= 15, name);
    CHECK_FALSE(name.contains('.'));
    CHECK(name.starts_with("eg4094-"));
  }
  CHECK(VlanName("wlxaabbccddeeff", 4094) != VlanName("wlxaabbccddeefe", 4094));
}

TEST_CASE("every subnet has a slot of its own, and most keep theirs when another one comes") {
  Apart world;
  const auto slots = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string name = "p" + std::to_string(i), net = "192.0." + std::to_string(i) + ".";
      world.set.pools[name] = {.name = name, .ipv4 = {AddressRange::Parse(net + "10-" + net + "19").value()}};
      world.set.pools[name].subnet = policy::Subnet{.ipv4 = OnDevice(net + "1", 24)};
      if (!std::ranges::contains(world.set.gateways["edge"].pools, name)) world.set.gateways["edge"].pools.push_back(name);
    }
    world.Compile();
    return Facts(world.Input()).subnets;
  };
  const auto before = slots(10);
  const auto after = slots(static_cast<int>(policy::kMostSubnets) - 1);
  std::set<int> different;
  for (const auto& [local, slot] : after) {
    CHECK(slot >= kFirstSubnetSlot);
    CHECK(slot <= kLastSubnetSlot);
    different.insert(slot);
  }
  CHECK(different.size() == policy::kMostSubnets);
  std::size_t kept = 0;
  for (const auto& [local, slot] : before) kept += after.at(local) == slot ? 1u : 0u;
  CHECK(kept >= before.size() / 2);
}

TEST_CASE("explain names the router of the subnet, on the gateway and from afar") {
  Apart world;
  world.Carry({.kind = Carrier::Kind::kSelf});
  const policy::Flow flow{.source = Ip("172.17.0.2"), .interface = "docker0", .destination = Ip("192.0.2.1"), .protocol = 6, .port = 443};
  const auto names = [](const Explanation& told, std::string_view text) {
    return std::ranges::any_of(told.path, [&](const std::string& line) { return line.contains(text); });
  };
  CHECK(names(Explain(world.Input(), flow, "gw0"), "dev eth0 via 203.0.113.1"));
  world.Carry({.kind = Carrier::Kind::kPeer, .peer = "gw1"});
  world.set.pools["public"].subnet->vlan = 7;
  world.Compile();
  CHECK(names(Explain(world.Input(), flow, "gw0"), "gw1  leaves via 203.0.113.1, vlan 7"));
}

}  // namespace egressd::plan
