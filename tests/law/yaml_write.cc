#include <doctest/doctest.h>

#include <ranges>

#include "egressd/policy/limits.h"
#include "egressd/yaml/write.h"
#include "egressd/yaml/yaml.h"
#include "law/policy_generate.h"

namespace egressd::yaml {
namespace {

using namespace policy;
using namespace policy::law;

// What YAML could take for something else, and what has to be escaped.
std::string ArbitraryText() {
  return OneOf<std::string>({"web", "no", "010", "1e3",       "12:34:56",    "null",    "~",          "8080", "true", "a: b",
                             "- a", "#",  "@x",  "two words", "über",        "a\"b\\c", "line\nline", "*a",   "&a",   "!t",
                             "'q'", "{}", "[]",  "tab\there", "2001:db8::1", "a,b",     "%x",         "`"});
}

AddressRange ArbitraryRange(Family family) {
  const std::string stem = family == Family::kIpv4 ? "10.1.0." : "2001:db8:1::";
  const int first = *rc::gen::inRange(1, 9);
  return AddressRange::Parse(stem + std::to_string(first) + (Chance(50) ? "" : "-" + stem + "9")).value();
}

std::optional<IpAddress> Perhaps(const char* address) {
  return Chance(50) ? std::optional(IpAddress::Parse(address).value()) : std::nullopt;
}

Pool ArbitraryPool(const std::string& name) {
  Pool pool{.name = name, .pair = Chance(20)};
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) pool.ipv4.push_back(ArbitraryRange(Family::kIpv4));
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) pool.ipv6.push_back(ArbitraryRange(Family::kIpv6));
  if (Chance(30)) pool.exclude.push_back(ArbitraryRange(OneOf({Family::kIpv4, Family::kIpv6})));
  if (!Chance(40)) return pool;
  Subnet subnet{.vlan = OneOf<std::uint16_t>({0, 7, 4094})};
  if (Chance(60)) subnet.ipv4 = Prefix{.address = IpAddress::Parse("10.1.0.254").value(), .length = 24};
  if (!subnet.ipv4 || Chance(50)) subnet.ipv6 = Prefix{.address = IpAddress::Parse("fe80::1").value(), .length = 64};
  pool.subnet = subnet;
  return pool;
}

HealthCheck ArbitraryCheck() {
  HealthCheck check{.kind = OneOf({HealthCheck::Kind::kTcp, HealthCheck::Kind::kIcmp, HealthCheck::Kind::kHttp}),
                    .every = Duration(OneOf({100'000, 2'000'000, 60'000'000})),
                    .fail = OneOf<std::uint16_t>({1, 3, 100})};
  check.target.address = ArbitraryAddress();
  if (check.kind == HealthCheck::Kind::kTcp) check.target.port = 443;
  if (check.kind != HealthCheck::Kind::kHttp) return check;
  check.target.port = OneOf<std::uint16_t>({80, 8080});
  check.host = check.target.ToString();
  if (check.target.port == 80) check.host = check.host.substr(0, check.host.rfind(':'));
  check.path = OneOf<std::string>({"/", "/healthz?a=b,c", "/%20"});
  return check;
}

std::vector<Requirement> ArbitraryRequirements() {
  std::vector<Requirement> requirements;
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) requirements.push_back(ArbitraryRequirement());
  return requirements;
}

Gateway ArbitraryGateway(const std::string& name) {
  Gateway gateway{.name = name,
                  .is_default = Chance(20),
                  .announce = OneOf({Announce::kLayer2, Announce::kBgp, Announce::kNone}),
                  .max_ips_per_node = OneOf<std::uint16_t>({0, 5}),
                  .failback = Chance(20),
                  .takeover = OneOf({Takeover::kImmediate, Takeover::kStrict}),
                  .restart_grace = Duration(OneOf({15'000'000, 1'500'000}))};
  if (Chance(50)) {
    gateway.nodes.names = {ArbitraryText(), "gw2"};
  } else {
    gateway.nodes.labels = ArbitraryRequirements();
  }
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) gateway.pools.push_back("pool" + std::to_string(i));
  gateway.default_ipv4 = Perhaps("10.1.0.2");
  gateway.default_ipv6 = Perhaps("2001:db8:1::2");
  if (Chance(30)) gateway.interface = "eth1";
  if (Chance(30)) gateway.bfd = BfdTimers{.min_rx = Duration(300'000), .min_tx = Duration(12'345), .multiplier = 5};
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) gateway.health.push_back(ArbitraryCheck());
  return gateway;
}

void Decide(Policy& policy) {
  using Kind = EgressIpChoice::Kind;
  policy.description = Chance(40) ? ArbitraryText() : "";
  policy.action = OneOf({Action::kSnat, Action::kSnat, Action::kRoute, Action::kDirect, Action::kDrop});
  if (Chance(50)) policy.gateway = OneOf<std::string>({"g1", "self", ArbitraryText()});
  policy.egress_ip.kind = OneOf({Kind::kAuto, Kind::kDefault, Kind::kNode, Kind::kAddress});
  if (policy.egress_ip.kind == Kind::kAddress) {
    for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
      AddressPair pair{.ipv4 = Perhaps("10.1.0.3"), .ipv6 = Perhaps("2001:db8:1::3")};
      if (!pair.ipv4 && !pair.ipv6) pair.ipv4 = IpAddress::Parse("10.1.0.4").value();
      policy.egress_ip.addresses.push_back(pair);
    }
  }
  policy.replicas = OneOf<std::uint16_t>({0, 1, kMostReplicas});
  policy.spread = OneOf({Spread::kSource, Spread::kFlow});
  policy.prefer = OneOf({Prefer::kAny, Prefer::kLocal});
  policy.source = OneOf({Source::kMasquerade, Source::kPreserve});
  policy.on_no_gateway = OneOf({OnNoGateway::kDrop, OnNoGateway::kDirect});
  if (Chance(30))
    policy.bandwidth = {.egress_bits = 800'000'000, .ingress_bits = OneOf<std::uint64_t>({0, 12'345}), .burst_bits = 2'000'000'000};
}

PolicySet ArbitraryFile() {
  PolicySet set = ArbitrarySet();
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) set.internal.push_back(ArbitraryPrefix());
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    const std::string number = std::to_string(i);
    set.pools.emplace("pool" + number, ArbitraryPool("pool" + number));
    set.gateways.emplace("g" + number, ArbitraryGateway("g" + number));
  }
  const std::string name = ArbitraryText();
  set.namespaces[name] = {.name = name, .labels = {{ArbitraryText(), ArbitraryText()}}, .gateway = "g1"};
  if (Chance(30)) set.destinations["none"] = {};
  for (auto& [key, policy] : set.policies) Decide(policy);
  return set;
}

std::string Unread(const std::string& text) {
  std::string findings;
  for (const Finding& finding : ParsePolicy(text, "written.yaml").findings) {
    const bool of_reader = finding.code.starts_with("E0") || finding.code.starts_with("E15");
    if (of_reader) findings += Render(finding, text, false);
  }
  return findings;
}

}  // namespace

TEST_CASE("what is written reads as the same policy set") {
  CHECK(rc::check("read(write(x)) == x", [] {
    const PolicySet set = ArbitraryFile();
    const std::string text = Write(set);
    RC_LOG() << text << Unread(text);
    RC_ASSERT(Unread(text).empty());
    RC_ASSERT(ParsePolicy(text, "written.yaml").value == set);
  }));
}

TEST_CASE("comments change nothing, whatever they say") {
  CHECK(rc::check("read(write(x, comments)) == x", [] {
    const PolicySet set = ArbitraryFile();
    Comments comments{{"", ArbitraryText()}, {"internal", ArbitraryText()}};
    for (const std::string& name : std::views::keys(set.policies)) comments["policies." + name] = ArbitraryText();
    for (const std::string& name : std::views::keys(set.pools)) comments["pools." + name] = ArbitraryText();
    const std::string text = Write(set, comments);
    RC_LOG() << text << Unread(text);
    RC_ASSERT(ParsePolicy(text, "written.yaml").value == set);
  }));
}

}  // namespace egressd::yaml
