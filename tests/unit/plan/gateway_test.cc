#include <doctest/doctest.h>

#include "egressd/state/transaction.h"
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
  CHECK(Elements(state, "sources4") == Strings{Mark(kDecided | world.IdOf("web").value) + Bytes("203.0.113.10")});
  CHECK(Elements(state, "egress4") == Strings{Bytes("203.0.113.10")});
  CHECK(Elements(state, "nexthop") == Strings{Mark(kDecided | world.IdOf("web").value) + " : " + id});  // its own workloads: no tunnel
  CHECK(Elements(state, "lease4") == Strings{Bytes("203.0.113.10")});  // a node without peers: for ever
  CHECK(Elements(state, "answers", state::NftFamily::kArp) == Strings{Bytes("203.0.113.10")});
  CHECK(Value(state, "net/ipv4/conf/eth1/arp_announce") == "2");
  CHECK(Value(state, "net/ipv4/conf/eth1/rp_filter") == "2");
  CHECK(Value(state, "net/ipv4/conf/eth1/forwarding") == "1");
}

TEST_CASE("what is sent to an address that was given up is dropped before anything answers") {
  Gateway world;
  world.former = {Ip("203.0.113.12")};
  const state::State state = world.Plan();
  CHECK(Elements(state, "former4") == Strings{Bytes("203.0.113.12")});
  CHECK(Elements(state, "former6").empty());
  const std::vector<std::string> raw = Texts(state, "raw_prerouting");
  CHECK(std::ranges::contains(raw, "ip daddr @former4 counter name not_held drop"));
  world.former.clear();
  CHECK(!world.Plan().sets.contains({.name = "former4"}));
}

TEST_CASE("announced by BGP: the address tells where the egress IP lives, for as long as the lease lasts") {
  Gateway world;
  world.set.gateways["edge"].announce = policy::Announce::kBgp;
  world.set.pools["public"].ipv4 = {AddressRange::Parse("192.0.2.10-192.0.2.19").value()};
  world.set.pools["public"].ipv6 = {AddressRange::Parse("2001:db8:2::10").value()};
  world.host.routes.push_back({.destination = Net("::/0"), .device = "eth0", .next_hop = Ip("fe80::1")});
  const Hold hold{.standing = Hold::Standing::kHeld, .lease = std::chrono::milliseconds(15'700)};
  world.holds = {{Ip("192.0.2.10"), hold}, {Ip("2001:db8:2::10"), hold}};
  const auto address = [](const state::State& state, std::string_view ip) {
    return state.egress_addresses.at({.device = "eth0", .address = Ip(ip)});  // outside of every network: the default route's device
  };
  const state::State state = world.Plan();
  CHECK(address(state, "192.0.2.10").lifetime == std::chrono::seconds(15));
  CHECK_FALSE(address(state, "192.0.2.10").prefix_route);
  CHECK(address(state, "2001:db8:2::10").prefix_route);
  SUBCASE("who comes has it announced early, who goes withdraws it") {
    world.holds.begin()->second.standing = Hold::Standing::kPrepared;
    CHECK(address(world.Plan(), "192.0.2.10").lifetime.has_value());
    CHECK(Elements(world.Plan(), "answers", state::NftFamily::kArp).empty());
    world.holds.begin()->second.standing = Hold::Standing::kLeaving;
    CHECK_FALSE(world.Plan().egress_addresses.contains({.device = "eth0", .address = Ip("192.0.2.10")}));
    CHECK_FALSE(Elements(world.Plan(), "lease4").empty());  // it still forwards
  }
  SUBCASE("the kernel counts in seconds: never less than two") {
    world.holds.begin()->second.lease = std::chrono::milliseconds(500);
    CHECK(address(world.Plan(), "192.0.2.10").lifetime == std::chrono::seconds(2));
  }
  SUBCASE("a node without peers needs no lease") {
    world.holds.begin()->second.lease.reset();
    CHECK_FALSE(address(world.Plan(), "192.0.2.10").lifetime.has_value());
  }
  SUBCASE("with ARP the address itself stays") {
    world.set.gateways["edge"].announce = policy::Announce::kLayer2;
    world.Compile();
    CHECK_FALSE(address(world.Plan(), "192.0.2.10").lifetime.has_value());
    CHECK_FALSE(address(world.Plan(), "2001:db8:2::10").prefix_route);
  }
}

TEST_CASE("an id that another node carries is not let through here") {
  Gateway world;
  const state::State state = world.Plan();
  CHECK(Elements(state, "held").empty());
  CHECK(Elements(state, "snat4").empty());
  CHECK(Elements(state, "sources4").empty());
  CHECK(state.egress_addresses.empty());
}

TEST_CASE("what a hold is worth hangs on elements with its lease") {
  Scenario world;
  world.self = "gw1";
  world.host.devices[1].addresses.push_back(OnDevice("2001:db8:1::2", 64));
  world.Add("web", "web");
  const Hold hold{.standing = Hold::Standing::kHeld, .lease = std::chrono::milliseconds(310)};
  world.holds = {{Ip("203.0.113.10"), hold}, {Ip("2001:db8:1::10"), hold}};
  const state::State state = world.Plan();
  CHECK(Elements(state, "lease4") == Strings{Bytes("203.0.113.10") + " timeout 300"});
  CHECK(Elements(state, "lease6") == Strings{Bytes("2001:db8:1::10") + " timeout 300"});
  CHECK(Elements(state, "answers", state::NftFamily::kArp) == Strings{Bytes("203.0.113.10") + " timeout 300"});
  CHECK(Elements(state, "answers6") == Strings{Bytes("2001:db8:1::10") + " timeout 300"});
  // Who they are does not run out: only then are their packets dropped rather than let through.
  CHECK(Elements(state, "egress4") == Strings{Bytes("203.0.113.10")});
  CHECK(Elements(state, "egress6") == Strings{Bytes("2001:db8:1::10")});
  CHECK(Elements(state, "egress", state::NftFamily::kArp) == Strings{Bytes("203.0.113.10")});
  CHECK(Elements(state, "sources4").size() == 1);
}

TEST_CASE("an egress IP is prepared: translated and let out, but no address, no answer, nothing of its own") {
  Gateway world;
  world.holds = {{Ip("203.0.113.10"), {.standing = Hold::Standing::kPrepared}}};
  const state::State state = world.Plan();  // gw1 still carries it
  const std::string id = Mark(world.IdOf("web").value);
  CHECK(Elements(state, "held") == Strings{id + " : " + id});
  CHECK(Elements(state, "snat4") == Strings{id + " : " + Bytes("203.0.113.10")});
  CHECK(Elements(state, "sources4") == Strings{Mark(kDecided | world.IdOf("web").value) + Bytes("203.0.113.10")});
  CHECK(Elements(state, "lease4") == Strings{Bytes("203.0.113.10")});
  CHECK(Elements(state, "answers", state::NftFamily::kArp).empty());
  CHECK(state.egress_addresses.empty());
  for (const std::string& range : Elements(state, "local4")) CHECK_FALSE(range.starts_with(Bytes("203.0.113.10")));
  // This node's own workloads still go to the one who has it.
  const std::uint32_t web = world.IdOf("web").value;
  CHECK(Elements(state, "nexthop") == Strings{Mark(kDecided | web) + " : " + Mark(0x01000000u | web)});
  // What is missing for holding it is the address, the answers, and where the host looks for it.
  world.holds.begin()->second.standing = Hold::Standing::kHeld;
  const state::Transaction taking = state::Diff(state, world.Plan());
  CHECK(taking.take.size() == 1);
  CHECK(taking.build.empty());
  CHECK(taking.clean.empty());
  for (const state::Step& step : taking.cut_over) {
    const std::string text = ToString(step);
    CHECK_MESSAGE((text.contains("arp answers") || text.contains("local4")), text);
  }
}

TEST_CASE("an egress IP is leaving: everything as before, but no answers, and own workloads go to the next holder") {
  Gateway world;
  world.holds = {{Ip("203.0.113.10"), {}}};
  const state::State holding = world.Plan();
  world.holds.begin()->second.standing = Hold::Standing::kLeaving;
  const std::string text = ToString(state::Diff(holding, world.Plan()));
  CHECK(text == "- element arp answers " + Bytes("203.0.113.10") + "\n");
}

TEST_CASE("an id that this node carries without holding its egress IP goes nowhere") {
  Gateway world;
  world.Carry({.kind = Carrier::Kind::kSelf});
  const state::State state = world.Plan();
  CHECK(Elements(state, "nexthop").empty());
  CHECK(Elements(state, "held").empty());
}

TEST_CASE("an uplink with a default route of its own gets a slot: specific routes first, then that route") {
  Gateway world;
  world.host.routes.push_back({.destination = Net("0.0.0.0/0"), .device = "eth1", .next_hop = Ip("203.0.113.1"), .metric = 200});
  world.Carry({.kind = Carrier::Kind::kSelf});
  world.holds = {{Ip("203.0.113.10"), {}}};
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
  world.set.policies["web"].egress_ip = {.kind = policy::EgressIpChoice::Kind::kNode, .addresses = {}};
  world.Compile();
  const state::State state = world.Plan();
  const std::string id = Mark(world.IdOf("web").value);
  CHECK(Elements(state, "snat4").contains(id + " : " + Bytes("10.0.0.1")));
  CHECK(Elements(state, "sources4").contains(Mark(kDecided | world.IdOf("web").value) + Bytes("10.0.0.1")));
  CHECK(Elements(state, "held").contains(id + " : " + id));
  const std::uint32_t web = world.IdOf("web").value;
  CHECK(Elements(state, "nexthop").contains(Mark(kDecided | web) + " : " + Mark(0x01000000u | web)));
  CHECK(state.egress_addresses.empty());
  CHECK(Elements(state, "lease4").empty());  // the node's own address is nobody else's to take
  CHECK(Elements(state, "egress4").empty());
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
  const auto Uplink = [&](std::string_view ip) -> std::optional<std::string> {
    const auto uplink = UplinkFor(world.set, world.config, world.host, "edge", Ip(ip));
    if (!uplink) return std::nullopt;
    CHECK(uplink->parent == uplink->device);
    return uplink->device;
  };
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
  CHECK(Texts(state, "raw_prerouting").front() == "udp dport 7789 goto outer_in");
  CHECK(Texts(state, "outer_in").front() == "ip saddr @peers4 notrack accept");
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

TEST_CASE("the exit: id and address agree, there is a lease; who asks for an egress IP hears of it only while it is answered for") {
  const state::State state = Gateway().Plan();
  const std::vector<std::string> leave = Texts(state, "leave");
  CHECK(leave == std::vector<std::string>{"oifname egressd0 goto leave_tunnel", "ct mark . ip saddr @sources4 goto leased4",
                                          "ct mark . ip6 saddr @sources6 goto leased6", "ct direction reply ct mark @received return",
                                          "ct direction reply return", "ct mark == 0x00e6ffff return",
                                          "ct mark & 0xffff0000 == 0x00e60000 counter name wrong_source drop"});
  CHECK(Texts(state, "leased4") == std::vector<std::string>{"ip saddr @lease4 return",
                                                            "ip saddr @egress4 counter name lease_over drop"});
  const std::vector<std::string> input{
      "ct direction reply ct mark @received",
      "ip daddr @egress4 goto to_egress", "ip6 daddr @egress6 goto to_egress",
      "iifname egressd0 meta nfproto ipv4 meta l4proto != 1 ct state invalid,new counter name unexpected drop",
      "iifname egressd0 meta nfproto ipv6 meta l4proto != 58 ct state invalid,new counter name unexpected drop"};
  CHECK(Texts(state, "input") == input);
  const std::vector<std::string> to_egress{"ip daddr != @lease4 counter name lease_over drop",
                                           "ip6 daddr != @lease6 counter name lease_over drop",
                                           "meta nfproto ipv4 meta l4proto != 1 ct state invalid,new counter name unexpected drop",
                                           "meta nfproto ipv6 meta l4proto != 58 ct state invalid,new counter name unexpected drop"};
  CHECK(Texts(state, "to_egress") == to_egress);
  const std::vector<std::string> neighbours{
      "icmpv6 type 136 icmpv6 taddr @egress6 icmpv6 taddr != @answers6 counter name not_answered drop",
      "icmpv6 type 135 ip6 saddr @egress6 ip6 saddr != @answers6 counter name not_answered drop"};
  CHECK(Texts(state, "neighbours") == neighbours);
  CHECK(Texts(state, "neighbours", state::NftFamily::kArp) ==
        std::vector<std::string>{"arp saddr ip @egress arp saddr ip != @answers counter name not_answered drop"});
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
