// How the keys of takeover are read: durations, BFD timers, health checks.
#include <doctest/doctest.h>

#include "expect.h"

namespace egressd::yaml {
namespace {

using policy::HealthCheck;
using namespace std::chrono_literals;

// Line 3, the value of the key from column 21 + its length on.
std::string GatewayWith(std::string_view line) { return std::format("version: 1\ngateways:\n  a: {{nodes: [gw1], {}}}\n", line); }
Places Seen(std::string_view line) { return PolicyPlaces(GatewayWith(line)); }
policy::Finding FirstOf(std::string_view line) { return FirstInPolicy(GatewayWith(line)); }
policy::Gateway Read(std::string_view line) {
  const std::string text = GatewayWith(line);
  const auto parsed = ParsePolicy(text, "policy.yaml");
  for (const policy::Finding& finding : parsed.findings) {
    if (finding.severity == policy::Severity::kError) FAIL_CHECK(Render(finding, text, false));
  }
  return parsed.value.gateways.at("a");
}

TEST_CASE("what a gateway does not say about takeover has its default") {
  const policy::Gateway gateway = Read("announce: l2");
  CHECK(gateway.max_ips_per_node == 0);
  CHECK_FALSE(gateway.failback);
  CHECK(gateway.takeover == policy::Takeover::kImmediate);
  CHECK(gateway.restart_grace == 15s);
  CHECK_FALSE(gateway.bfd);
  CHECK(gateway.health.empty());
}

TEST_CASE("numbers and words of a gateway") {
  CHECK(Read("max_ips_per_node: 65535").max_ips_per_node == 65535);
  CHECK(Seen("max_ips_per_node: 65536") == Places{"3:39 E151"});
  CHECK(Seen("max_ips_per_node: -1") == Places{"3:39 E151"});
  CHECK(Read("takeover: strict").takeover == policy::Takeover::kStrict);
  CHECK(Seen("takeover: strickt") == Places{"3:31 E152"});
  CHECK(FirstOf("takeover: strickt").hint == "did you mean `strict`?");
  CHECK(Seen("failback: yes") == Places{"3:31 E012"});
  CHECK(Seen("failback: after 10m") == Places{"3:31 E152"});
}

TEST_CASE("restart_grace is a duration, and a number alone means seconds") {
  CHECK(Read("restart_grace: 20s").restart_grace == 20s);
  CHECK(Read("restart_grace: 20").restart_grace == 20s);
  CHECK(Read("restart_grace: \"20s\"").restart_grace == 20s);
  CHECK(Read("restart_grace: 1500ms").restart_grace == 1500ms);
  CHECK(Read("restart_grace: 1s").restart_grace == 1s);
  CHECK(Read("restart_grace: 10m").restart_grace == 10min);
  CHECK(Seen("restart_grace: 999ms") == Places{"3:36 E156"});
  CHECK(FirstOf("restart_grace: 0").message == "`0` is out of range, expected a duration 1s-10m");
  CHECK(FirstOf("restart_grace: 601s").message == "`601s` is out of range, expected a duration 1s-10m");
  CHECK(FirstOf("restart_grace: 15 s").message == "expected a duration 1s-10m, found `15 s`");
  CHECK(FirstOf("restart_grace: -5s").code == "E156");
  CHECK(FirstOf("restart_grace: 1.5").code == "E012");
  CHECK(FirstOf("restart_grace: 010").code == "E012");
  CHECK(FirstOf("restart_grace: \"15\"").hint == "write `15ms` or `15s`");
  CHECK(FirstOf("restart_grace: {seconds: 5}").code == "E007");
}

TEST_CASE("BFD timers have a unit, a floor and a ceiling") {
  CHECK(Read("bfd: {min_rx: 10ms, min_tx: 10s, multiplier: 255}").bfd == policy::BfdTimers{10ms, 10s, 255});
  CHECK(Read("bfd: {multiplier: 5}").bfd == policy::BfdTimers{100ms, 100ms, 5});
  CHECK(Seen("bfd: {min_rx: 9ms}") == Places{"3:35 E156"});
  CHECK(FirstOf("bfd: {min_rx: 9ms}").message == "`9ms` is out of range, expected a duration 10ms-10s");
  CHECK(Seen("bfd: {min_tx: 11s}") == Places{"3:35 E156"});
  CHECK(FirstOf("bfd: {min_rx: 100}").message == "`100` has no unit, expected a duration 10ms-10s");
  CHECK(FirstOf("bfd: {min_rx: 100}").hint == "write `100ms` or `100s`");
  CHECK(Seen("bfd: {multiplier: 0}") == Places{"3:39 E151"});
  CHECK(Seen("bfd: {multiplier: 256}") == Places{"3:39 E151"});
  CHECK(Seen("bfd: {}") == Places{"3:21 E014"});
  CHECK(Seen("bfd: 100ms") == Places{"3:26 E007"});
  CHECK(FirstOf("bfd: {min_xr: 100ms}").hint == "did you mean `min_rx`?");
}

TEST_CASE("health checks are read") {
  const auto checks =
      Read("health: [{tcp: 192.0.2.1:443}, {tcp: \"[2001:db8::1]:53\", every: 100ms, fail: 1}, {icmp: 192.0.2.1, every: 5}]").health;
  REQUIRE(checks.size() == 3);
  CHECK(checks[0] == HealthCheck{.kind = HealthCheck::Kind::kTcp, .target = {*IpAddress::Parse("192.0.2.1"), 443}, .every = 2s, .fail = 3});
  CHECK(checks[1].target == Endpoint{*IpAddress::Parse("2001:db8::1"), 53});
  CHECK(checks[1].every == 100ms);
  CHECK(checks[1].fail == 1);
  CHECK(checks[2].kind == HealthCheck::Kind::kIcmp);
  CHECK(checks[2].target == Endpoint{*IpAddress::Parse("192.0.2.1"), 0});
  CHECK(checks[2].every == 5s);
  CHECK(Read("health: {icmp: 192.0.2.1}").health.size() == 1);
  CHECK(Read("health: []").health.empty());
}

TEST_CASE("a URL has an address, perhaps a port, and a path") {
  const auto http = [](std::string_view url) { return Read(std::format("health: [{{http: \"{}\"}}]", url)).health.at(0); };
  CHECK(http("http://192.0.2.1/healthz") ==
        HealthCheck{
            .kind = HealthCheck::Kind::kHttp, .target = {*IpAddress::Parse("192.0.2.1"), 80}, .path = "/healthz", .host = "192.0.2.1"});
  CHECK(http("http://192.0.2.1").path == "/");
  CHECK(http("http://192.0.2.1?a=b").path == "/?a=b");
  CHECK(http("http://192.0.2.1:8080/a/b?c=d").host == "192.0.2.1:8080");
  CHECK(http("http://192.0.2.1:8080/a/b?c=d").path == "/a/b?c=d");
  CHECK(http("http://192.0.2.1:80/").host == "192.0.2.1");
  CHECK(http("http://[2001:db8::1]:8080/").target == Endpoint{*IpAddress::Parse("2001:db8::1"), 8080});
  CHECK(http("http://[2001:db8::1]:8080/").host == "[2001:db8::1]:8080");
  CHECK(http("http://[2001:db8::1]/").host == "[2001:db8::1]");
}

TEST_CASE("what cannot be a URL of a check is refused with the hint that it deserves") {
  const auto hint = [](std::string_view url) {
    const policy::Finding finding = FirstOf(std::format("health: [{{http: \"{}\"}}]", url));
    CHECK(finding.code == "E157");
    return finding.hint;
  };
  CHECK(hint("https://192.0.2.1/").starts_with("TLS is not spoken here"));
  CHECK(hint("192.0.2.1/healthz") == "write http://192.0.2.1/healthz");
  CHECK(hint("http://www.example.net/healthz").starts_with("host names are not supported"));
  CHECK(hint("http://localhost").starts_with("host names are not supported"));
  CHECK(hint("http://2001:db8::1/").starts_with("IPv6 addresses stand in brackets"));
  CHECK(hint("http://192.0.2.1:0/").starts_with("write http://192.0.2.1/"));
  CHECK(hint("http://192.0.2.1:99999/").starts_with("write http://192.0.2.1/"));
  CHECK(hint("http://").starts_with("write http://192.0.2.1/"));
  CHECK(hint("http://192.0.2.1/a b").starts_with("spaces"));
  CHECK(hint("http://192.0.2.1/#top").starts_with("spaces"));
  CHECK(hint("http://192.0.2.1/\\r\\nHost: x").starts_with("spaces"));
  CHECK(hint("http://192.0.2.1/" + std::string(2000, 'a')).starts_with("the path has at most 1024"));
}

TEST_CASE("faults of health checks are found where they stand") {
  CHECK(Seen("health: [{tcp: 192.0.2.1}]") == Places{"3:36 E150"});
  CHECK(Seen("health: [{tcp: \"192.0.2.1:0\"}]") == Places{"3:36 E150"});
  CHECK(FirstOf("health: [{tcp: \"db.example.net:5432\"}]").hint.starts_with("host names are not supported"));
  CHECK(Seen("health: [{tcp: {a: b}}]") == Places{"3:31 E007"});
  CHECK(Seen("health: [{icmp: \"192.0.2.1:80\"}]") == Places{"3:37 E150"});
  CHECK(Seen("health: [{icmp: gw.example.net}]") == Places{"3:37 E150"});
  CHECK(Seen("health: [{tcp: \"192.0.2.1:1\", icmp: 192.0.2.1}]") == Places{"3:51 E016"});
  CHECK(Seen("health: [{every: 2s}]") == Places{"3:30 E013"});
  CHECK(Seen("health: [{}]") == Places{"3:30 E013"});
  CHECK(Seen("health: [{icmp: 192.0.2.1, every: 99ms}]") == Places{"3:55 E156"});
  CHECK(Seen("health: [{icmp: 192.0.2.1, every: 2h}]") == Places{"3:55 E156"});
  CHECK(Seen("health: [{icmp: 192.0.2.1, fail: 0}]") == Places{"3:54 E151"});
  CHECK(Seen("health: [{icmp: 192.0.2.1, fail: 101}]") == Places{"3:54 E151"});
  CHECK(Seen("health: [{ping: 192.0.2.1}]") == Places{"3:31 E008"});
  CHECK(Seen("health: [192.0.2.1]") == Places{"3:30 E007"});
  CHECK(Seen("health: 192.0.2.1:80") == Places{"3:29 E007"});
}

TEST_CASE("several faults are told in one run, and what Validate finds stands at its place") {
  const std::string text = GatewayWith("takeover: x, restart_grace: 0s, bfd: {multiplier: 0}, health: [{icmp: x, fail: 0}]");
  CHECK(PolicyPlaces(text).size() == 5);
  const std::string strict = GatewayWith("takeover: strict, restart_grace: 60s");
  const auto findings = ParsePolicy(strict, "policy.yaml").findings;
  const auto found = std::ranges::find(findings, std::string("W310"), &policy::Finding::code);
  REQUIRE(found != findings.end());
  CHECK(found->line == 3);
  CHECK(found->column == 54);
}

}  // namespace
}  // namespace egressd::yaml
