#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
namespace {

template <typename Change>
Texts After(const Change& change, const Surroundings& surroundings = {}) {
  NodeConfig config;
  change(config);
  return Seen(Validate(config, surroundings));
}

}  // namespace

TEST_CASE("the defaults of the node file have no finding") {
  CHECK(After([](NodeConfig&) {}) == Texts{});
}

TEST_CASE("E101: names of node and cluster") {
  CHECK(After([](NodeConfig& config) {
          config.node.name = "a node";
          config.cluster.name = "";
        }) == Texts{"E101 node.name", "E101 cluster.name"});
}

TEST_CASE("E110: devices have names that the kernel takes; the tunnel's has no dot either") {
  for (const char* name : {"", "egress.vxlan", "a/b", "sixteen-letters-", "lo", "all"}) {
    CHECK_MESSAGE(After([&](NodeConfig& config) { config.tunnel.device = name; }) == Texts{"E110 tunnel.device"}, name);
  }
  CHECK(After([](NodeConfig& config) { config.node.interface = "a b"; }) == Texts{"E110 node.interface"});
  CHECK(After([](NodeConfig& config) { config.node.interface = "eth0.100"; }) == Texts{});
}

TEST_CASE("E226: the uplink is not the tunnel device") {
  CHECK(After([](NodeConfig& config) { config.node.interface = "egressd0"; }) == Texts{"E226 node.interface"});
}

TEST_CASE("E120: a VNI has 24 bits and is not 0") {
  CHECK(After([](NodeConfig& config) { config.tunnel.vni = 0; }) == Texts{"E120 tunnel.vni"});
  CHECK(After([](NodeConfig& config) { config.tunnel.vni = 16777216; }) == Texts{"E120 tunnel.vni"});
  CHECK(After([](NodeConfig& config) { config.tunnel.vni = 16777215; }) == Texts{});
}

TEST_CASE("E121: port 0 is no port") {
  CHECK(After([](NodeConfig& config) {
          config.tunnel.port = 0;
          config.cluster.listen_port = 0;
          config.cluster.join = {{.address = A("192.0.2.1"), .port = 0}};
        }) == Texts{"E121 cluster.join[0]", "E121 tunnel.port", "E121 cluster.listen"});
}

TEST_CASE("E225: tunnel and cluster have different ports") {
  CHECK(After([](NodeConfig& config) { config.tunnel.port = 7947; }) == Texts{"E225 tunnel.port"});
}

TEST_CASE("E122: the tunnel carries IPv6, which needs 1280 bytes") {
  CHECK(After([](NodeConfig& config) { config.tunnel.mtu_bytes = 1279; }) == Texts{"E122 tunnel.mtu"});
  CHECK(After([](NodeConfig& config) { config.tunnel.mtu_bytes = 1280; }) == Texts{});
}

TEST_CASE("E123: tunnel networks have room for every node") {
  CHECK(After([](NodeConfig& config) { config.tunnel.ipv4 = P("10.99.0.0/25"); }) == Texts{"E123 tunnel.ipv4"});
  CHECK(After([](NodeConfig& config) { config.tunnel.ipv4 = P("10.99.0.0/24"); }) == Texts{});
  CHECK(After([](NodeConfig& config) { config.tunnel.ipv4 = P("10.0.0.0/7"); }) == Texts{"E123 tunnel.ipv4"});
  CHECK(After([](NodeConfig& config) { config.tunnel.ipv6 = P("fd00::/113"); }) == Texts{"E123 tunnel.ipv6"});
}

TEST_CASE("W313: a majority of two nodes is both of them, of one it is nothing") {
  const auto joined = [](std::vector<Endpoint> join, Quorum quorum) {
    return After([&](NodeConfig& config) {
      config.cluster.join = std::move(join);
      config.cluster.quorum = quorum;
    });
  };
  const Endpoint one{A("192.0.2.11"), 7947};
  const Endpoint two{A("192.0.2.12"), 7947};
  CHECK(joined({}, Quorum::kMajority) == Texts{"W313 cluster.quorum"});
  CHECK(joined({one}, Quorum::kMajority) == Texts{"W313 cluster.quorum"});
  CHECK(joined({one, two}, Quorum::kMajority) == Texts{});
  CHECK(joined({one}, Quorum::kNone) == Texts{});
}

TEST_CASE("E103: tunnel networks stand under their family") {
  CHECK(After([](NodeConfig& config) { config.tunnel.ipv4 = P("fd00::/64"); }) == Texts{"E103 tunnel.ipv4"});
}

TEST_CASE("E102: tunnel networks are neither multicast nor loopback nor link-local") {
  for (const char* prefix : {"224.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16"}) {
    CHECK_MESSAGE(After([&](NodeConfig& config) { config.tunnel.ipv4 = P(prefix); }) == Texts{"E102 tunnel.ipv4"}, prefix);
  }
  CHECK(After([](NodeConfig& config) { config.tunnel.ipv6 = P("fe80::/64"); }) == Texts{"E102 tunnel.ipv6"});
}

TEST_CASE("E124: there are 256 route tables, none of them the kernel's") {
  const auto Tables = [](std::uint32_t first, std::uint32_t last) {
    return After([&](NodeConfig& config) {
      config.datapath.first_table = first;
      config.datapath.last_table = last;
    });
  };
  CHECK(Tables(1000, 1255) == Texts{});
  CHECK(Tables(1000, 1254) == Texts{"E124 datapath.tables"});
  CHECK(Tables(1000, 1256) == Texts{"E124 datapath.tables"});
  CHECK(Tables(1255, 1000) == Texts{"E124 datapath.tables"});
  CHECK(Tables(255, 510) == Texts{"E124 datapath.tables"});
  CHECK(Tables(0, 0xffffffff) == Texts{"E124 datapath.tables"});
  CHECK(Tables(256, 511) == Texts{});
}

TEST_CASE("E125: the next-hop mark is eight adjacent bits above the egress id") {
  for (const std::uint32_t mask : {0x00ff0000U, 0xff000000U, 0x0ff00000U}) {
    CHECK(After([&](NodeConfig& config) { config.datapath.next_hop_mark = mask; }) == Texts{});
  }
  for (const std::uint32_t mask : {0U, 0x0000ff00U, 0x007f8000U, 0xfe000000U, 0xff800000U, 0xf00f0000U}) {
    CHECK(After([&](NodeConfig& config) { config.datapath.next_hop_mark = mask; }) == Texts{"E125 datapath.next_hop_mark"});
  }
}

TEST_CASE("E126: our rules come before the main table, with room for one before them") {
  for (const std::uint32_t priority : {0U, 1U, 32766U}) {
    CHECK(After([&](NodeConfig& config) { config.datapath.rule_priority = priority; }) == Texts{"E126 datapath.rule_priority"});
  }
  for (const std::uint32_t priority : {2U, 32765U}) {
    CHECK(After([&](NodeConfig& config) { config.datapath.rule_priority = priority; }) == Texts{});
  }
}

TEST_CASE("E127: paths are absolute") {
  CHECK(After([](NodeConfig& config) {
          config.cluster.key_file = "gossip.key";
          config.workloads_directory = "";
          config.policy_file = "./policy.yaml";
        }) == Texts{"E127 cluster.key_file", "E127 workloads.directory", "E127 policy_file"});
}

TEST_CASE("E128: addresses that other nodes cannot reach") {
  CHECK(After([](NodeConfig& config) { config.node.address = A("0.0.0.0"); }) == Texts{"E128 node.address"});
  CHECK(After([](NodeConfig& config) { config.cluster.join = {{A("ff02::1"), 7947}}; }) == Texts{"E128 cluster.join[0]"});
}

TEST_CASE("E216: nodes are outside of the tunnel network") {
  CHECK(After([](NodeConfig& config) { config.node.address = A("198.19.0.1"); }) == Texts{"E216 node.address"});
  CHECK(After([](NodeConfig& config) { config.metrics.address = A("224.0.0.1"); }) == Texts{"E128 metrics.listen"});
  CHECK(After([](NodeConfig& config) { config.metrics.address = A("0.0.0.0"); }) == Texts{});
  CHECK(After([](NodeConfig& config) { config.metrics.port = 0; }) == Texts{"E121 metrics.listen"});
  CHECK(After([](NodeConfig& config) { config.metrics = {.serve = false, .port = 0}; }) == Texts{});
}

TEST_CASE("E218: the tunnel network is none that this node has a route to") {
  const Surroundings around{.routes = {P("0.0.0.0/0"), P("198.18.0.0/15"), P("10.0.0.0/8"), P("fd65:6772:6573::/48")}};
  CHECK(After([](NodeConfig&) {}, around) == Texts{"E218 tunnel.ipv4", "E218 tunnel.ipv6"});
}

TEST_CASE("W307: a node to join is listed once") {
  CHECK(After([](NodeConfig& config) {
          config.cluster.join = {{A("192.0.2.1"), 7947}, {A("192.0.2.1"), 7947}};
        }) == Texts{"W307 cluster.join[1]"});
}

}  // namespace egressd::policy
