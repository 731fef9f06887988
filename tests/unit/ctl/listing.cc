// Which columns a list has, and what stands in those that depend on what is there.
#include "ctl/listing.h"

#include <doctest/doctest.h>

using namespace egressd;
using control::Json;

namespace {

std::string List(const std::string& name, Json::Array items, ctl::Format format = ctl::Format::kTable) {
  const ctl::Session session(ctl::Arguments{.format = format});
  for (const ctl::Kind& kind : ctl::Kinds()) {
    if (kind.name == name) return ctl::Listing(session, kind, Json(std::move(items)));
  }
  return "no such kind";
}

Json Node(const std::string& name, const std::string& state, const std::string& bfd, Json detection_ms, const std::string& path) {
  return Json::Object{{"name", name},       {"state", state},  {"address", "10.0.0.1"}, {"labels", Json::Object{}},
                      {"gateway", true},    {"generation", 3}, {"rtt_ms", Json()},      {"egress_ips", Json::Array{}},
                      {"bfd", bfd},         {"detection_ms", std::move(detection_ms)},  {"path", path}};
}

}  // namespace

TEST_CASE("BFD sessions and the path through the tunnel have a column as soon as one node has them") {
  CHECK(List("nodes", {Node("gw1", "alive", "", Json(), "")}) ==
        "NODE  ADDRESS   STATE  ROLE     RTT  GENERATION  IPS  LABELS\n"
        "gw1   10.0.0.1  alive  gateway  -    3           0    -\n");
  CHECK(List("nodes", {Node("gw1", "alive", "", Json(), ""), Node("gw2", "drained", "up", 300, "up"),
                       Node("gw3", "suspect", "down", 1500.5, "down"), Node("gw4", "alive", "up", 3000, "")}) ==
        "NODE  ADDRESS   STATE    ROLE     RTT  BFD          PATH  GENERATION  IPS  LABELS\n"
        "gw1   10.0.0.1  alive    gateway  -    -            -     3           0    -\n"
        "gw2   10.0.0.1  drained  gateway  -    up 300ms     up    3           0    -\n"
        "gw3   10.0.0.1  suspect  gateway  -    down 1500ms  down  3           0    -\n"
        "gw4   10.0.0.1  alive    gateway  -    up 3s        -     3           0    -\n");
}

TEST_CASE("a lease has a column where an egress IP has one, and with -o wide; connections have one") {
  const auto ip = [](Json lease_ms) {
    return Json::Object{{"ip", "203.0.113.7"}, {"family", "ipv4"},           {"gateway", "edge"},   {"node", "gw1"},
                        {"state", "held"},     {"policies", Json::Array{}}, {"connections", 12}, {"lease_ms", std::move(lease_ms)}};
  };
  CHECK(List("ips", {ip(Json())}) ==
        "IP           FAMILY  GATEWAY  NODE  STATE  CONNS  POLICIES\n"
        "203.0.113.7  ipv4    edge     gw1   held   12     -\n");
  CHECK(List("ips", {ip(15000)}) ==
        "IP           FAMILY  GATEWAY  NODE  STATE  LEASE  CONNS  POLICIES\n"
        "203.0.113.7  ipv4    edge     gw1   held   15s    12     -\n");
  CHECK(List("ips", {ip(Json())}, ctl::Format::kWide) ==
        "IP           FAMILY  GATEWAY  NODE  STATE  LEASE  CONNS  SENT  RECEIVED  POLICIES\n"
        "203.0.113.7  ipv4    edge     gw1   held   -      12     -     -         -\n");
}

TEST_CASE("what a policy keeps and what limits it have columns where one does") {
  const auto policy = [](const char* source, Json bandwidth) {
    return Json::Object{{"name", "web"}, {"action", "snat"}, {"gateway", "edge"}, {"egress_ips", Json::Array{"203.0.113.7"}},
                        {"enabled", true}, {"nodes", Json::Array{"gw1"}}, {"workloads", 2}, {"connections", Json()}, {"source", source},
                        {"bandwidth", std::move(bandwidth)}};
  };
  CHECK(List("policies", {policy("masquerade", Json())}) ==
        "POLICY  ACTION  GATEWAY  EGRESS IP    NODE  WORKLOADS  CONNS\n"
        "web     snat    edge     203.0.113.7  gw1   2          -\n");
  CHECK(List("policies", {policy("preserve", Json::Object{{"egress", 800'000'000}, {"ingress", 500'000}, {"burst", Json()}})}) ==
        "POLICY  ACTION  GATEWAY  EGRESS IP    NODE  SOURCE    BANDWIDTH          WORKLOADS  CONNS\n"
        "web     snat    edge     203.0.113.7  gw1   preserve  800M out, 500k in  2          -\n");
}

TEST_CASE("a gateway tells how many of its living nodes are drained, and with -o wide how it is taken over") {
  const auto gateway = [](int drained) {
    return Json::Object{{"name", "edge"}, {"alive", 2}, {"nodes", Json::Array{"gw1", "gw2"}}, {"pools", Json::Array{"public"}},
                        {"egress_ips", Json::Array{}}, {"default", true}, {"policies", Json::Array{}}, {"drained", drained},
                        {"takeover", "strict"}, {"restart_grace_ms", 15000.0}, {"failback", false},
                        {"usage", Json::Object{{"ipv4", Json::Object{{"total", 10}, {"used", 3}}},
                                               {"ipv6", Json::Object{{"total", std::int64_t{1} << 62}, {"used", 1}}}}}};
  };
  CHECK(List("gateways", {gateway(0)}) ==
        "GATEWAY  ALIVE   NODES    POOLS   USED                EGRESS IPS\n"
        "edge     2 of 2  gw1 gw2  public  3 of 10, 1 of many  -\n");
  CHECK(List("gateways", {gateway(1)}, ctl::Format::kWide) ==
        "GATEWAY  ALIVE              NODES    POOLS   USED                EGRESS IPS  TAKEOVER    FAILBACK  DEFAULT  POLICIES\n"
        "edge     2 of 2, 1 drained  gw1 gw2  public  3 of 10, 1 of many  -           strict 15s  -         yes      -\n");
}
