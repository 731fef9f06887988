#include "agent/networks.h"

#include <doctest/doctest.h>

namespace egressd::agent {
namespace {

Prefix Net(std::string_view text) { return Prefix::Parse(text).value(); }

struct Cluster {
  gossip::Record a{.name = "a"}, b{.name = "b"}, c{.name = "c"};
  bool b_lives = true;
  std::vector<NodeView> Nodes() const {
    return {{.record = &a, .lives = true}, {.record = &b, .lives = b_lives}, {.record = &c, .lives = true}};
  }
};

}  // namespace

TEST_CASE("networks that do not overlap are granted to everybody") {
  Cluster cluster;
  cluster.a.networks = {{.prefix = Net("172.17.0.0/16"), .term = 1}};
  cluster.b.networks = {{.prefix = Net("172.18.0.0/16"), .term = 1}, {.prefix = Net("fd00:18::/64"), .term = 1}};
  const Grants grants = GrantNetworks(cluster.Nodes());
  CHECK(grants.networks.at("a") == std::vector{Net("172.17.0.0/16")});
  CHECK(grants.networks.at("b") == std::vector{Net("172.18.0.0/16"), Net("fd00:18::/64")});
  CHECK(grants.refusals.empty());
}

TEST_CASE("of a network that two nodes have the later one is refused, and takes over when the earlier one is gone") {
  Cluster cluster;
  cluster.b.networks = {{.prefix = Net("172.17.0.0/16"), .term = 1}};
  cluster.a.networks = TellNetworks({Net("172.17.4.0/24")}, {}, cluster.Nodes(), "a");
  REQUIRE(cluster.a.networks == std::vector<gossip::Network>{{.prefix = Net("172.17.4.0/24"), .term = 2}});
  Grants grants = GrantNetworks(cluster.Nodes());
  CHECK(!grants.networks.contains("a"));
  CHECK(grants.refusals == std::vector<NetworkRefusal>{
                               {.node = "a", .network = Net("172.17.4.0/24"), .holder = "b", .held = Net("172.17.0.0/16")}});
  cluster.b_lives = false;
  grants = GrantNetworks(cluster.Nodes());
  CHECK(grants.networks.at("a") == std::vector{Net("172.17.4.0/24")});
  CHECK(!grants.networks.contains("b"));
  CHECK(grants.refusals.empty());
  cluster.a.networks.clear();  // nobody else has it: the kernel of a dead daemon goes on
  CHECK(GrantNetworks(cluster.Nodes()).networks.at("b") == std::vector{Net("172.17.0.0/16")});
  cluster.b.presence = gossip::Presence::kLeft;
  CHECK(GrantNetworks(cluster.Nodes()).networks.empty());
}

TEST_CASE("who told at the same time is told apart by name, on every node alike") {
  Cluster cluster;
  for (gossip::Record* record : {&cluster.c, &cluster.b}) record->networks = {{.prefix = Net("172.17.0.0/16"), .term = 1}};
  const Grants grants = GrantNetworks(cluster.Nodes());
  CHECK(grants.networks.contains("b"));
  CHECK(grants.refusals.at(0).node == "c");
}

TEST_CASE("a network that was told of keeps its term, whoever came later") {
  Cluster cluster;
  cluster.b.networks = {{.prefix = Net("172.17.0.0/16"), .term = 2}};
  const std::vector<gossip::Network> told{{.prefix = Net("172.17.0.0/16"), .term = 1}};
  CHECK(TellNetworks({Net("172.17.0.0/16")}, told, cluster.Nodes(), "a") == told);
  CHECK(TellNetworks({Net("172.17.0.0/16")}, {}, cluster.Nodes(), "a").at(0).term == 3);
  CHECK(TellNetworks({}, told, cluster.Nodes(), "a").empty());
}

TEST_CASE("a record says no more networks than others take") {
  std::vector<Prefix> many;
  for (std::uint32_t i = 0; i < 300; ++i) many.push_back(Prefix::Of(IpAddress::Ipv4(0x0a000000 + i)));
  CHECK(TellNetworks(many, {}, {}, "a").size() == gossip::kNetworkLimit);
}

}  // namespace egressd::agent
