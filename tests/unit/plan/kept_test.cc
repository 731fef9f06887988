#include <doctest/doctest.h>

#include "egressd/state/transaction.h"
#include "plan/skeleton.h"
#include "scenario.h"

namespace egressd::plan {
namespace {

using Strings = std::set<std::string>;

struct Keeping : Scenario {
  Keeping() {
    Add("web", "web").source = policy::Source::kPreserve;
    Add("mail", "mail").action = policy::Action::kRoute;
  }
  Inputs With(std::vector<Prefix> own, std::vector<Prefix> of_gw2) {
    Inputs inputs = Input();
    inputs.networks = std::move(own);
    inputs.peers[1].networks = std::move(of_gw2);
    return inputs;
  }
};

std::string Range(const MacAddress& mac, std::string_view first, std::string_view last) {
  const auto key = [&](std::string_view address) {
    return state::NftBytes::Concat({state::NftBytes::Of(mac), state::NftBytes::Of(Ip(address))}).ToString();
  };
  return key(first) + "-" + key(last);
}

TEST_CASE("a source node lets through the tunnel what keeps its address, from networks that are its own alone") {
  Keeping world;
  const state::State state = Build(world.With({Net("172.17.0.0/16")}, {}));
  const Strings ids{Mark(world.IdOf("web").value), Mark(world.IdOf("web", Family::kIpv6).value), Mark(world.IdOf("mail").value),
                    Mark(world.IdOf("mail", Family::kIpv6).value)};
  CHECK(Elements(state, "kept") == ids);
  CHECK(Elements(state, "routed").empty());
  CHECK(Elements(state, "homes4") == Strings{Bytes("172.17.0.0") + "-" + Bytes("172.17.255.255")});
  const std::vector<std::string> nat = Texts(state, "nat");
  CHECK(nat[2] == "oifname egressd0 ct mark & 0xffff @kept snat ip to ip saddr");
  CHECK(nat[4].starts_with("oifname egressd0 snat ip to 198.19."));
  CHECK(std::ranges::contains(Texts(state, "leave_tunnel"), "ct mark & 0xffff0000 == 0x00e60000 ct mark & 0xffff @kept ip saddr @homes4 "
                                                            "meta mark set ct mark & 0xffff return"));
}

TEST_CASE("a gateway takes an address from the node only that has it, and routes it back there") {
  Keeping world;
  world.self = "gw1";
  world.host.devices[1].addresses.push_back(OnDevice("203.0.113.2", 24));
  world.holds = {{Ip("203.0.113.10"), {}}, {Ip("203.0.113.11"), {}}};
  const Inputs inputs = world.With({}, {Net("172.20.0.0/16"), Net("fd00:20::/64")});
  const state::State state = Build(inputs);
  const MacAddress mac = inputs.peers[1].identity.mac;
  CHECK(Elements(state, "origins4") == Strings{Range(mac, "172.20.0.0", "172.20.255.255")});
  CHECK(Elements(state, "origins6") == Strings{Range(mac, "fd00:20::", "fd00:20::ffff:ffff:ffff:ffff")});
  CHECK(std::ranges::contains(Texts(state, "from_tunnel"),
                              "ct mark & 0xffff @kept ether saddr . ip saddr != @origins4 counter name wrong_source drop"));
  const std::vector<std::string> prerouting = Texts(state, "prerouting");
  CHECK(prerouting[1] ==
        "ct direction reply ct mark & 0xffff0000 == 0x00e60000 ct mark & 0xffff @kept meta mark set 0xff000000 return");
  CHECK(prerouting[2] == "ip daddr @away4 ct state invalid,new counter name unexpected drop");
  CHECK(Elements(state, "away4") == Strings{Bytes("172.20.0.0") + "-" + Bytes("172.20.255.255")});
  const state::Route& route = state.routes.at({.table = 26255, .destination = Net("172.20.0.0/16")});
  CHECK(route.device == "egressd0");
  CHECK(route.next_hop == inputs.peers[1].identity.ipv4);
  CHECK(route.onlink);
  CHECK(state.routes.at({.table = 26255, .destination = Net("fd00:20::/64")}).next_hop == inputs.peers[1].identity.ipv6);
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    CHECK(state.rules.contains({.family = family, .priority = 99, .mark = 0xff000000, .mask = 0xff000000, .table = 26255}));
  }
}

TEST_CASE("what is routed is not translated, and leaves whatever its address is; what is translated is checked as ever") {
  Keeping world;
  world.self = "gw1";
  world.host.devices[1].addresses.push_back(OnDevice("203.0.113.2", 24));
  world.Compile();
  IpAddress of_web, of_mail;
  for (const policy::Binding& binding : world.bindings()) {
    if (binding.family == Family::kIpv4) (binding.policy == "web" ? of_web : of_mail) = *binding.egress_ip;
  }
  world.holds = {{of_web, {}}, {of_mail, {}}};
  const state::State state = world.Plan();
  const std::string web = Mark(world.IdOf("web").value);
  CHECK(Elements(state, "routed") == Strings{Mark(kDecided | world.IdOf("mail").value)});
  CHECK(Elements(state, "snat4") == Strings{web + " : " + state::NftBytes::Of(of_web).ToString()});
  CHECK(Elements(state, "held").size() == 2);
  const std::vector<std::string> leave = Texts(state, "leave");
  const auto returns = std::ranges::find(leave, "ct mark @routed return");
  const auto drops = std::ranges::find(leave, "ct mark & 0xffff0000 == 0x00e60000 counter name wrong_source drop");
  CHECK(returns < drops);
  CHECK(drops != leave.end());
  CHECK(Texts(state, "nat").back() == "ct mark & 0xffff @kept snat ip6 to ip6 saddr");
}

TEST_CASE("a routed policy has its limit as well") {
  Keeping world;
  world.set.policies["mail"].bandwidth = {.egress_bits = 8'000'000};
  const std::vector<std::string> leave = Texts(world.Plan(), "leave");
  const auto limits =
      std::ranges::find(leave, "ct direction original ct mark & 0xffff0000 == 0x00e60000 limit name ct mark & 0xffff map @limit_out "
                               "counter name over_limit drop");
  CHECK(limits < std::ranges::find(leave, "ct mark @routed return"));
}

TEST_CASE("where no policy keeps the source, nothing is there for it") {
  Scenario world;
  world.Add("web", "web");
  const state::State state = world.Plan();
  for (const char* name : {"kept", "routed", "homes4", "origins4"}) CHECK(!state.sets.contains({.name = name}));
  CHECK(!state.rules.contains({.family = Family::kIpv4, .priority = 99, .mark = 0xff000000, .mask = 0xff000000, .table = 26255}));
}

TEST_CASE("a node tells of the networks in which workloads are that keep their address, and of no others") {
  const auto networks = [](auto change) {
    Scenario world;
    world.Add("web", "web").source = policy::Source::kPreserve;
    change(world);
    world.Compile();
    return KeptNetworks(world.Input());
  };
  const auto from = [](policy::Selector selector) {
    return [selector](Scenario& world) { world.set.policies["web"].from = {selector}; };
  };
  CHECK(networks([](Scenario&) {}) == std::vector{Net("172.17.0.0/16"), Net("fd00:17::/64")});
  CHECK(networks([](Scenario& world) { world.set.policies["web"].source = policy::Source::kMasquerade; }).empty());
  CHECK(networks([](Scenario& world) { world.set.policies["web"].enabled = false; }).empty());
  CHECK(networks([](Scenario& world) { world.set.policies["web"].action = policy::Action::kDirect; }).empty());
  CHECK(networks([](Scenario& world) { world.set.workloads.erase("web"); }).empty());
  CHECK(networks(from({.cidrs = {Net("172.17.4.0/24")}})) == std::vector{Net("172.17.4.0/24")});
  CHECK(networks(from({.cidrs = {Net("172.16.0.0/12")}})) == std::vector{Net("172.17.0.0/16")});
  CHECK(networks(from({.cidrs = {Net("10.0.0.0/8")}})).empty());  // the way to the other nodes
  CHECK(networks(from({.interface = "docker0"})) == std::vector{Net("172.17.0.0/16"), Net("fd00:17::/64")});
  CHECK(networks(from({.interface = "eth0"})).empty());
  CHECK(networks(from({.all = true})) == std::vector{Net("172.17.0.0/16"), Net("fd00:17::/64")});
  CHECK(networks(from({.nodes = {"another"}, .all = true})).empty());
  CHECK(networks([&](Scenario& world) {  // behind a router of this node's
          from({.cidrs = {Net("192.168.7.0/24")}})(world);
          world.host.routes.push_back({.destination = Net("192.168.0.0/16"), .device = "docker0", .next_hop = Ip("172.17.0.9")});
        }) == std::vector{Net("192.168.7.0/24")});
}

TEST_CASE("explain says that the source stays, and where it ends if it cannot") {
  Keeping world;
  const policy::Flow web{.source = Ip("172.17.0.2"), .destination = Ip("198.51.100.7")};
  const policy::Flow mail{.source = Ip("172.17.0.3"), .destination = Ip("198.51.100.7")};
  const Inputs inputs = world.With({Net("172.17.0.0/16")}, {});
  const Explanation kept = Explain(inputs, web, "app1"), routed = Explain(inputs, mail, "app1");
  CHECK(std::ranges::contains(kept.path, "app1  source stays 172.17.0.2, egressd0 sends it to gw1 (10.0.0.2)"));
  CHECK(kept.path.back().starts_with("=> 198.51.100.7 sees 203.0.113."));
  CHECK(routed.action == "route");
  CHECK(std::ranges::contains(routed.path, "gw1  source stays 172.17.0.3 (set routed)"));
  CHECK(routed.path.back() == "=> 198.51.100.7 sees 172.17.0.3");
  const Explanation refused = Explain(world.With({}, {}), web, "app1");
  CHECK(refused.path.back() == "app1  172.17.0.2 is in no network of this node that is its alone, so no reply would find it: dropped "
                               "(counter wrong_source)");
  CHECK(refused.action == "drop");
}

}  // namespace
}  // namespace egressd::plan
