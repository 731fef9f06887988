// The whole text against golden files; with EGRESSD_REWRITE set they are written anew.
#include "daemon/metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "egressd/plan/plan.h"

namespace egressd::daemon {
namespace {

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

std::string Read(const std::string& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path);
  return {std::istreambuf_iterator<char>(file), {}};
}

agent::Status SomeStatus() {
  using agent::NodeState;
  agent::Status status{.node = "gw1", .synced = true, .generation = 43, .digest = "9f2c41d000112233"};
  status.nodes = {
      {.name = "gw1", .self = true},
      {.name = "gw2", .round_trip = Duration{1500}, .bfd = "up", .detection_time = Duration{300'000}, .path = "up"},
      {.name = "gw3", .state = NodeState::kDead, .round_trip = Duration{900}, .bfd = "down", .path = "down"},
      {.name = "src \"1\"", .state = NodeState::kDrained},
  };
  status.egress_ips = {
      {.address = Ip("203.0.113.10"), .gateway = "edge", .node = "gw1", .policies = {"mailer"}, .ids = {EgressId{1}}, .held_here = true},
      {.address = Ip("203.0.113.11"), .gateway = "edge", .node = "gw2", .policies = {"crawler"}, .ids = {EgressId{2}}},
      {.address = Ip("2001:db8:1::10"), .gateway = "edge", .policies = {"mailer"}, .ids = {EgressId{3}}},
  };
  status.policies = {
      {.name = "mailer",
       .bindings = {{.id = EgressId{1}, .policy = "mailer", .egress_ip = Ip("203.0.113.10")},
                    {.id = EgressId{3}, .policy = "mailer", .egress_ip = Ip("2001:db8:1::10")}},
       .workloads = 2},
      {.name = "crawler", .bindings = {{.id = EgressId{2}, .policy = "crawler", .egress_ip = Ip("203.0.113.11")}}, .workloads = 12},
      {.name = "routed", .action = policy::Action::kRoute, .bindings = {{.id = EgressId{4}, .policy = "routed"}}},
      {.name = "off", .enabled = false},
  };
  status.rejected = {.malformed = 1, .wrong_cluster = 2, .wrong_key = 3, .forged = 4, .replayed = 5};
  return status;
}

// Something of everything.
Snapshot Some() {
  Snapshot snapshot{.status = SomeStatus()};
  Tracked tracked;
  tracked.by_decision = {{0, 100}, {1, 41}, {2, 7}};
  tracked.translated = {{Ip("203.0.113.10"), {.connections = 41, .most_ports = 32256}}, {Ip("198.19.0.1"), {.connections = 7}}};
  snapshot.counts.tracked = std::make_shared<const Tracked>(tracked);
  snapshot.counts.sent = {{plan::kDecided | 1, {.packets = 1000, .bytes = 1'400'000}}, {plan::kDecided | 4, {.packets = 3, .bytes = 99}}};
  snapshot.counts.received = {{plan::kDecided | 1, {.packets = 900, .bytes = 54'000}}};
  Tallies& tallies = snapshot.tallies;
  tallies.Add(agent::Takeover{.address = Ip("203.0.113.10"), .gateway = "edge", .reason = agent::Takeover::Reason::kNodeDead,
                              .lasted = Duration{40'000}});
  tallies.Add(agent::Takeover{.address = Ip("203.0.113.11"), .gateway = "edge", .reason = agent::Takeover::Reason::kNodeDead,
                              .lasted = Duration{60'000'000}});
  for (const auto reason : {agent::Takeover::Reason::kFirst, agent::Takeover::Reason::kHandover, agent::Takeover::Reason::kReleased}) {
    tallies.Add(agent::Takeover{.address = Ip("203.0.113.10"), .gateway = "edge", .reason = reason, .lasted = Duration{1}});
  }
  state::Transaction corrected;
  corrected.build = {{.object = state::Route{}}, {.object = state::Route{}}};
  corrected.cut_over = {{.object = state::NftElement{}}};
  tallies.Add(Result<state::Transaction>(corrected), Duration{700});
  tallies.Add(Result<state::Transaction>(state::Transaction{}), Duration{400});
  tallies.Add(Fail(ErrorKind::kExpired, ""), Duration{400});
  tallies.Add(Fail(ErrorKind::kSystem, "no"), Duration{3'000'000});
  tallies.AddCorrections(corrected);
  tallies.sent = {.datagrams = 12, .bytes = 3400};
  tallies.received = {.datagrams = 11, .bytes = 3300};
  snapshot.datapath = {.in_sync = true, .corrections = 3};
  snapshot.drops = {{"not_held", 5}, {"no_gateway", 17}};
  snapshot.pools = {{.pool = "public", .family = Family::kIpv4, .total = 18, .used = 2},
                    {.pool = "public", .family = Family::kIpv6, .total = 16, .used = 1}};
  snapshot.health = {{.code = "W101"}, {.code = "E101", .error = true}, {.code = "W101"}};
  snapshot.tunnel_mtu_bytes = 1450;
  snapshot.process = {.cpu_seconds = 1.5, .resident_bytes = 8'000'000, .virtual_bytes = 20'000'000, .open_descriptors = 30,
                      .most_descriptors = 1024};
  snapshot.daemon = {.providers = {{.name = "docker", .up = true, .workloads = 12}, {.name = "podman"}},
                     .events = {{"bfd.down", 1}, {"ip.taken", 4}},
                     .conflicts = {{"203.0.113.10", 2}},
                     .reload = {.successful = true, .succeeded_at = 1763773805.25},
                     .http = {.responses = {{200, 9}, {400, 1}}, .pushed_out = 2, .timed_out = 3},
                     .started_at = 1763770000,
                     .ready = true};
  return snapshot;
}

void CompareWithGolden(std::string text, const std::string& name) {
  const std::string version = EGRESSD_VERSION;
  text.replace(text.find(version), version.size(), "VERSION");
  const std::string path = std::string(EGRESSD_TEST_DATA) + "/golden/" + name;
  if (std::getenv("EGRESSD_REWRITE") != nullptr) std::ofstream(path) << text;
  CHECK(text == Read(path));
}

TEST_CASE("metrics: something of everything, word for word") {
  CompareWithGolden(MetricsText(Some(), Exposition::kPrometheus), "metrics.prom");
  CompareWithGolden(MetricsText(Some(), Exposition::kOpenMetrics), "metrics.openmetrics");
}

TEST_CASE("metrics: every one of them can show something, and a fresh daemon says nothing that it does not know") {
  const std::string all = MetricsText(Some(), Exposition::kPrometheus), fresh = MetricsText({}, Exposition::kPrometheus);
  for (const Metric& metric : Metrics()) CHECK_MESSAGE(all.contains("# TYPE " + std::string(metric.name) + " "), metric.name);
  for (const char* name : {"egressd_policy_connections", "egressd_failover_duration", "egressd_tunnel_mtu_bytes", "egressd_peer_rtt"}) {
    CHECK_MESSAGE(!fresh.contains(name), name);
  }
  CHECK(fresh.contains("\negressd_policy_generation 0\n"));
}

TEST_CASE("metrics: the owner of an egress IP is who has it, whatever is said") {
  Snapshot snapshot{.status = SomeStatus()};
  // Another node claims it, too: both have it, and the sum over the nodes tells.
  snapshot.status.egress_ips[0].node = "gw2";
  snapshot.status.egress_ips[0].state = agent::EgressIpState::kConflict;
  const std::string text = MetricsText(snapshot, Exposition::kPrometheus);
  CHECK(text.contains("egressd_egress_ip_owner{ip=\"203.0.113.10\",gateway=\"edge\"} 1\n"));
  CHECK(text.contains("egressd_egress_ip_owner{ip=\"203.0.113.11\",gateway=\"edge\"} 0\n"));
}

TEST_CASE("metrics: a node of a gateway tells of takeovers before the first one, a source node never") {
  Snapshot snapshot{.status = SomeStatus()};
  CHECK_FALSE(MetricsText(snapshot, Exposition::kPrometheus).contains("egressd_egress_ip_moves_total"));
  snapshot.status.nodes[0].gateway = true;
  const std::string text = MetricsText(snapshot, Exposition::kPrometheus);
  CHECK(text.contains("\negressd_egress_ip_moves_total{gateway=\"edge\",reason=\"node-dead\"} 0\n"));
  CHECK(text.contains("\negressd_failover_duration_seconds_count{gateway=\"edge\"} 0\n"));
}

TEST_CASE("metrics: names and descriptions keep to the rules") {
  std::set<std::string_view> names;
  const std::regex name("(egressd|process)_[a-z_]+");
  for (const Metric& metric : Metrics()) {
    CAPTURE(metric.name);
    CHECK(names.insert(metric.name).second);
    CHECK(std::regex_match(std::string(metric.name), name));
    CHECK(metric.name.ends_with("_total") == (metric.type == MetricType::kCounter));
    CHECK(metric.name.ends_with("_info") == (metric.type == MetricType::kInfo));
    if (metric.type == MetricType::kHistogram) CHECK(metric.name.ends_with("_seconds"));
    CHECK(metric.help.ends_with("."));
    CHECK(metric.help.find_first_of("\\\n\"") == std::string_view::npos);
  }
}

TEST_CASE("egressd-metrics(7) describes every metric with its type, and no other") {
  const std::string page = Read("man/egressd-metrics.7");
  std::set<std::pair<std::string, std::string>> described, known;
  const std::regex row("\n\\.It Li ([a-z_]+)\n\\.Em (\\w+)\n");
  for (std::sregex_iterator match(page.begin(), page.end(), row), end; match != end; ++match) described.emplace((*match)[1], (*match)[2]);
  for (const Metric& metric : Metrics()) known.emplace(metric.name, ToString(metric.type));
  CHECK(described == known);
}

TEST_CASE("egressd-metrics(7) says what to do about every alert, and of no other") {
  const auto names = [](const std::string& text, const std::regex& pattern) {
    std::set<std::string> found;
    for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) found.insert((*match)[1]);
    return found;
  };
  const auto rules = names(Read("packaging/prometheus/egressd.rules.yaml"), std::regex("- alert: (\\w+)"));
  CHECK(rules.size() == 8);
  CHECK(names(Read("man/egressd-metrics.7"), std::regex("\n\\.It Sy (\\w+)")) == rules);
}

}  // namespace
}  // namespace egressd::daemon
