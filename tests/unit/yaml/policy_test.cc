#include <doctest/doctest.h>

#include <algorithm>

#include "expect.h"

namespace egressd::yaml {
namespace {

using policy::Requirement;

constexpr std::string_view kWhole = R"yaml(version: 1
guard: [172.18.0.0/16, "fd00:18::/64"]
internal: [10.0.0.0/8]
workloads:
  erp: {addresses: [10.1.7.20, "2001:db8::20"], labels: {app: erp}, namespace: finance, node: app7}
destinations: {saas: [192.0.2.0/24]}
pools:
  public:
    ipv4: [203.0.113.10-203.0.113.19, 203.0.113.32/29, 203.0.113.50]
    ipv6: ["2001:db8:1::10-2001:db8:1::1f"]
    exclude: [203.0.113.33]
    pair: false
gateways:
  edge:
    default: true
    nodes: {labels: {role: gateway}, select: "zone in (a,b)"}
    pool: public
    default_ip: {ipv4: 203.0.113.10}
    interface: auto
    max_ips_per_node: 20
    failback: true
    takeover: immediate
    restart_grace: 20s
    bfd: {min_rx: 50ms, min_tx: 200ms, multiplier: 5}
    health: [{tcp: "192.0.2.1:443", every: 1s, fail: 5}, {icmp: "2001:db8::1"}, {http: "http://192.0.2.1:8080/healthz"}]
    announce: none
policies:
  mailer:
    description: mail must leave with the PTR address
    namespace: shop
    priority: 10
    enabled: false
    from: {labels: {app: postfix}}
    to: ["@saas", 198.51.100.0/24, 198.51.100.1]
    except: [198.51.100.128/25]
    ports: [tcp/25, udp/8000-8100, sctp/5000]
    action: snat
    gateway: edge
    egress_ip: {ipv4: 203.0.113.12, ipv6: "2001:db8:1::12"}
    replicas: 1
    spread: source
    prefer: any
    source: masquerade
    on_no_gateway: direct
)yaml";

TEST_CASE("every key of the grammar is read") {
  const auto parsed = ParsePolicy(kWhole, "policy.yaml");
  for (const policy::Finding& finding : parsed.findings) {
    if (finding.severity == policy::Severity::kError) MESSAGE(Render(finding, kWhole, false));
  }
  REQUIRE(parsed.ok());
  const policy::PolicySet& set = parsed.value;
  CHECK(set.guard == std::vector{*Prefix::Parse("172.18.0.0/16"), *Prefix::Parse("fd00:18::/64")});
  CHECK(set.internal == std::vector{*Prefix::Parse("10.0.0.0/8")});
  const policy::Workload& erp = set.workloads.at("erp");
  CHECK(erp.addresses == std::vector{*IpAddress::Parse("10.1.7.20"), *IpAddress::Parse("2001:db8::20")});
  CHECK(erp.labels == policy::Labels{{"app", "erp"}});
  CHECK(erp.namespace_ == "finance");
  CHECK(erp.node == "app7");
  const policy::Pool& pool = set.pools.at("public");
  CHECK(pool.ipv4.size() == 3);
  CHECK(pool.ipv6 == std::vector{*AddressRange::Parse("2001:db8:1::10-2001:db8:1::1f")});
  CHECK(pool.exclude == std::vector{*AddressRange::Parse("203.0.113.33")});
  const policy::Gateway& edge = set.gateways.at("edge");
  CHECK(edge.is_default);
  CHECK(edge.nodes.labels ==
        std::vector<Requirement>{{"role", Requirement::Operator::kIn, {"gateway"}}, {"zone", Requirement::Operator::kIn, {"a", "b"}}});
  CHECK(edge.pools == std::vector<std::string>{"public"});
  CHECK(edge.default_ipv4 == *IpAddress::Parse("203.0.113.10"));
  CHECK_FALSE(edge.interface.has_value());
  CHECK(edge.announce == policy::Announce::kNone);
  CHECK(edge.max_ips_per_node == 20);
  CHECK(edge.failback);
  CHECK(edge.takeover == policy::Takeover::kImmediate);
  CHECK(edge.restart_grace == std::chrono::seconds(20));
  CHECK(edge.bfd == policy::BfdTimers{std::chrono::milliseconds(50), std::chrono::milliseconds(200), 5});
  REQUIRE(edge.health.size() == 3);
  const policy::Policy& mailer = set.policies.at("mailer");
  CHECK(mailer.name == "mailer");
  CHECK(mailer.description == "mail must leave with the PTR address");
  CHECK(mailer.namespace_ == "shop");
  CHECK(mailer.priority == 10);
  CHECK_FALSE(mailer.enabled);
  CHECK(mailer.from == std::vector<policy::Selector>{{.labels = {{"app", Requirement::Operator::kIn, {"postfix"}}}}});
  CHECK(mailer.to == policy::Reach::kListed);
  CHECK(mailer.destinations ==
        std::vector<policy::Destination>{"saas", *Prefix::Parse("198.51.100.0/24"), *Prefix::Parse("198.51.100.1/32")});
  CHECK(mailer.except == std::vector<policy::Destination>{*Prefix::Parse("198.51.100.128/25")});
  CHECK(mailer.ports == std::vector<policy::PortRange>{{6, 25, 25}, {17, 8000, 8100}, {132, 5000, 5000}});
  CHECK(mailer.gateway == "edge");
  CHECK(mailer.egress_ip.kind == policy::EgressIpChoice::Kind::kAddress);
  CHECK(mailer.egress_ip.addresses.front().ipv6 == *IpAddress::Parse("2001:db8:1::12"));
  CHECK(mailer.replicas == 1);
  CHECK(mailer.spread == policy::Spread::kSource);
  CHECK(mailer.prefer == policy::Prefer::kAny);
  CHECK(mailer.on_no_gateway == policy::OnNoGateway::kDirect);
}

TEST_CASE("what is left out has its default") {
  const auto parsed = ParsePolicy(PolicyFrom("{all: true}"), "policy.yaml");
  const policy::Policy& p = parsed.value.policies.at("p");
  CHECK(p == policy::Policy{.name = "p", .from = {{.all = true}}});
}

TEST_CASE("selectors: every key, one or a list") {
  const auto parsed = ParsePolicy(PolicyFrom("[{labels: {a: b}, select: \"c,!d\", namespace: shop, name: web-*, interface: br0}, {cidr: "
                                             "[172.18.0.0/16, \"fd00::/8\"]}, {cidr: 10.0.0.1}]"),
                                  "policy.yaml");
  CHECK(PlacesOf(parsed.findings).empty());
  const auto& from = parsed.value.policies.at("p").from;
  REQUIRE(from.size() == 3);
  CHECK(from[0].labels.size() == 3);
  CHECK(from[0].namespace_ == "shop");
  CHECK(from[0].name == "web-*");
  CHECK(from[0].interface == "br0");
  CHECK(from[1].cidrs.size() == 2);
  CHECK(from[2].cidrs == std::vector{*Prefix::Parse("10.0.0.1/32")});
}

TEST_CASE("faults in selectors are found where they stand") {
  CHECK(PolicyPlaces(PolicyFrom("{}")) == Places{"4:5 E014"});
  CHECK(PolicyPlaces(PolicyFrom("[]")) == Places{"4:5 E014"});
  CHECK(PolicyPlaces(PolicyFrom("[{}]")) == Places{"4:12 E014"});
  CHECK(PolicyPlaces(PolicyFrom("{labels: {}}")) == Places{"4:12 E014"});
  CHECK(PolicyPlaces(PolicyFrom("{cidr: []}")) == Places{"4:12 E014"});
  CHECK(PolicyPlaces(PolicyFrom("{all: false}")) == Places{"4:17 E014"});
  CHECK(PolicyPlaces(PolicyFrom("{all: yes}")) == Places{"4:17 E012"});
  CHECK(PolicyPlaces(PolicyFrom("web")) == Places{"4:11 E007"});
  CHECK(PolicyPlaces(PolicyFrom("[web]")) == Places{"4:12 E007"});
  CHECK(PolicyPlaces(PolicyFrom("")) == Places{"4:5 E007"});
  CHECK(PolicyPlaces(PolicyFrom("{labels: [a]}")) == Places{"4:12 E007"});
  CHECK(PolicyPlaces(PolicyFrom("{labels: {a: [b, c]}}")) == Places{"4:21 E007"});
  CHECK(PolicyPlaces(PolicyFrom("{labels: {a: }}")) == Places{"4:21 E007"});
  CHECK(PolicyPlaces(PolicyFrom("{select: \"a in (\"}")) == Places{"4:20 E154"});
  CHECK(PolicyPlaces(PolicyFrom("{select: {a: b}}")) == Places{"4:12 E007"});
  CHECK(PolicyPlaces(PolicyFrom("{cidr: [172.18.0.1/16]}")) == Places{"4:19 E150"});
  CHECK(PolicyPlaces(PolicyFrom("{namespace: no}")) == Places{"4:23 E012"});
  CHECK(PolicyPlaces(PolicyFrom("{namespace: \"no\"}")).empty());
  CHECK(PolicyPlaces(PolicyFrom("{name: \"\"}")) == Places{"4:18 E155"});
}

TEST_CASE("label values are taken as they are written") {
  const auto parsed =
      ParsePolicy(PolicyFrom("{labels: {a: true, b: 8080, c: no, d: 010, e: 1e3, f: \"\", g: 12:34, on: off}}"), "policy.yaml");
  CHECK(PlacesOf(parsed.findings).empty());
  std::string values;
  for (const Requirement& requirement : parsed.value.policies.at("p").from[0].labels)
    values += requirement.key + "=" + requirement.values[0] + " ";
  CHECK(values == "a=true b=8080 c=no d=010 e=1e3 f= g=12:34 on=off ");
  CHECK(PolicyPlaces(PolicyFrom("{labels: {a: null}}")) == Places{"4:24 E007"});
}

TEST_CASE("numbers are plain decimal numbers") {
  CHECK(PolicyPlaces(PolicyWith("priority: 1")).empty());
  CHECK(PolicyPlaces(PolicyWith("priority: 65535")).empty());
  CHECK(PolicyPlaces(PolicyWith("priority: 0")) == Places{"5:15 E151"});
  CHECK(PolicyPlaces(PolicyWith("priority: 65536")) == Places{"5:15 E151"});
  CHECK(PolicyPlaces(PolicyWith("priority: 99999999999999999999999")) == Places{"5:15 E151"});
  CHECK(PolicyPlaces(PolicyWith("priority: -1")) == Places{"5:15 E151"});
  CHECK(PolicyPlaces(PolicyWith("priority: high")) == Places{"5:15 E151"});
  CHECK(PolicyPlaces(PolicyWith("priority: 010")) == Places{"5:15 E012"});
  CHECK(PolicyPlaces(PolicyWith("priority: 0o10")) == Places{"5:15 E012"});
  CHECK(PolicyPlaces(PolicyWith("priority: 0x10")) == Places{"5:15 E012"});
  CHECK(PolicyPlaces(PolicyWith("priority: 1e3")) == Places{"5:15 E012"});
  CHECK(PolicyPlaces(PolicyWith("priority: 1.5")) == Places{"5:15 E012"});
  CHECK(PolicyPlaces(PolicyWith("priority: 1_000")) == Places{"5:15 E012"});
  CHECK(PolicyPlaces(PolicyWith("priority: 12:34")) == Places{"5:15 E012"});
  CHECK(PolicyPlaces(PolicyWith("priority: yes")) == Places{"5:15 E012"});
  CHECK(PolicyPlaces(PolicyWith("priority: \"10\"")) == Places{"5:15 E007"});
  CHECK(PolicyPlaces(PolicyWith("priority: [10]")) == Places{"5:5 E007"});
  CHECK(FirstInPolicy(PolicyWith("priority: 010")).hint == "parsers disagree about a leading zero: write `10`");
}

TEST_CASE("booleans are true and false") {
  CHECK(PolicyPlaces(PolicyWith("enabled: true")).empty());
  CHECK(PolicyPlaces(PolicyWith("enabled: no")) == Places{"5:14 E012"});
  CHECK(PolicyPlaces(PolicyWith("enabled: True")) == Places{"5:14 E012"});
  CHECK(PolicyPlaces(PolicyWith("enabled: \"true\"")) == Places{"5:14 E007"});
  CHECK(PolicyPlaces(PolicyWith("enabled: 1")) == Places{"5:14 E152"});
  CHECK(FirstInPolicy(PolicyWith("enabled: ON")).hint == "write `true`");
  CHECK(FirstInPolicy(PolicyWith("enabled: Off")).hint == "write `false`");
  CHECK(FirstInPolicy(PolicyWith("enabled: NO")).hint == "write `false`");
}

TEST_CASE("names that parsers read as something else must be quoted") {
  for (const std::string_view name : {"no", "on", "Yes", "true", "010", "1.10", "1e3", "0x1f", "12:34:56", "1_000", "+1"}) {
    CAPTURE(name);
    CHECK(PolicyPlaces(std::format("version: 1\npools:\n  {}: {{ipv4: [192.0.2.1]}}\n", name)) == Places{"3:3 E012"});
    CHECK(PolicyPlaces(PolicyWith(std::format("gateway: {}", name))) == Places{"5:14 E012"});
    CHECK(PolicyPlaces(PolicyWith(std::format("gateway: \"{}\"", name))).empty());
  }
  CHECK(PolicyPlaces(PolicyWith("gateway: 8080")).empty());
  CHECK(PolicyPlaces(PolicyWith("gateway: null")) == Places{"5:14 E012"});
  CHECK(PolicyPlaces(PolicyWith("description: off")) == Places{"5:18 E012"});
}

TEST_CASE("addresses and networks: the usual mistakes get their own hint") {
  const auto hint = [](std::string_view cidr) { return FirstInPolicy(PolicyFrom(std::format("{{cidr: [{}]}}", cidr))); };
  CHECK(hint("172.18.0.1/16").message.contains("did you mean 172.18.0.0/16?"));
  CHECK(hint("\"fe80::1%eth0\"").hint.contains("zone"));
  CHECK(hint("10.0.0.010").hint.contains("leading zeros"));
  CHECK(hint("api.example.com").hint.contains("host names"));
  CHECK(hint("fd00::").hint.contains("quote IPv6"));
  CHECK(hint("\"::ffff:192.0.2.1\"").message.contains("IPv4-mapped"));
  CHECK(hint("10.0.0.0/33").code == "E150");
  CHECK(hint("\"\"").code == "E150");
}

TEST_CASE("destinations") {
  CHECK(PolicyPlaces(PolicyWith("to: any")).empty());
  CHECK(PolicyPlaces(PolicyWith("to: 192.0.2.0/24")).empty());
  CHECK(PolicyPlaces(PolicyWith("to: [any]")) == Places{"5:10 E152"});
  CHECK(PolicyPlaces(PolicyWith("to: [external, 192.0.2.1]")) == Places{"5:10 E152"});
  CHECK(PolicyPlaces(PolicyWith("to: {a: b}")) == Places{"5:5 E007"});
  CHECK(PolicyPlaces(PolicyWith("to: [\"@\"]")) == Places{"5:10 E155"});
  CHECK(PolicyPlaces(PolicyWith("to: everything")) == Places{"5:9 E150"});
  CHECK(PolicyPlaces(PolicyWith("except: [1.2.3]")) == Places{"5:14 E150"});
  CHECK(ParsePolicy(PolicyWith("to: any"), "").value.policies.at("p").to == policy::Reach::kAny);
}

TEST_CASE("ports") {
  CHECK(PolicyPlaces(PolicyWith("ports: tcp/25")).empty());
  for (const std::string_view port :
       {"25", "tcp", "25/tcp", "icmp", "tcp/0", "tcp/65536", "tcp/025", "tcp/", "tcp/a", "tcp/5-", "tcp/-5", "tcp/9-8", "TCP/25", "\"\""}) {
    CAPTURE(port);
    CHECK(PolicyPlaces(PolicyWith(std::format("ports: [tcp/25, {}]", port))) == Places{"5:21 E153"});
  }
  CHECK(PolicyPlaces(PolicyWith("ports: []")) == Places{"5:5 E014"});
  CHECK(PolicyPlaces(PolicyWith("ports: [{tcp: 25}]")) == Places{"5:13 E007"});
  CHECK(FirstInPolicy(PolicyWith("ports: [25]")).hint == "write `tcp/25` or `udp/25`");
  CHECK(FirstInPolicy(PolicyWith("ports: [25/tcp]")).hint == "did you mean `tcp/25`?");
  CHECK(FirstInPolicy(PolicyWith("ports: [tcp/9-8]")).hint == "write `tcp/8-9`");
}

TEST_CASE("words") {
  CHECK(PolicyPlaces(PolicyWith("action: direct")).empty());
  CHECK(PolicyPlaces(PolicyWith("action: snatt")) == Places{"5:13 E152"});
  CHECK(FirstInPolicy(PolicyWith("action: snatt")).hint == "did you mean `snat`?");
  CHECK(PolicyPlaces(PolicyWith("on_no_gateway: pass")) == Places{"5:20 E152"});
}

TEST_CASE("the choice of an egress IP") {
  const auto choice = [](std::string_view text) {
    return ParsePolicy(PolicyWith(std::format("egress_ip: {}", text)), "").value.policies.at("p").egress_ip;
  };
  using Kind = policy::EgressIpChoice::Kind;
  CHECK(choice("auto").kind == Kind::kAuto);
  CHECK(choice("default").kind == Kind::kDefault);
  CHECK(choice("node").kind == Kind::kNode);
  const auto ipv4 = *IpAddress::Parse("203.0.113.1"), other = *IpAddress::Parse("203.0.113.2"), ipv6 = *IpAddress::Parse("2001:db8::1");
  using Pairs = std::vector<policy::AddressPair>;
  CHECK(choice("203.0.113.1").addresses == Pairs{{.ipv4 = ipv4, .ipv6 = {}}});
  CHECK(choice("\"2001:db8::1\"").addresses == Pairs{{.ipv4 = {}, .ipv6 = ipv6}});
  CHECK(choice("[203.0.113.1, {ipv4: 203.0.113.2, ipv6: \"2001:db8::1\"}]").addresses ==
        Pairs{{.ipv4 = ipv4, .ipv6 = {}}, {.ipv4 = other, .ipv6 = ipv6}});
  CHECK(PolicyPlaces(PolicyWith("egress_ip: []")) == Places{"5:5 E014"});
  CHECK(PolicyPlaces(PolicyWith("egress_ip: [203.0.113.1, auto]")) == Places{"5:30 E152"});
  CHECK(PolicyPlaces(PolicyWith("egress_ip: [atuo]")) == Places{"5:17 E150"});
  CHECK(PolicyPlaces(PolicyWith("egress_ip: {}")) == Places{"5:5 E014"});
  CHECK(PolicyPlaces(PolicyWith("egress_ip: {ipv4: \"2001:db8::1\"}")) == Places{"5:23 E150"});
  CHECK(PolicyPlaces(PolicyWith("egress_ip: {v4: 203.0.113.1}")) == Places{"5:17 E008"});
  CHECK(PolicyPlaces(PolicyWith("egress_ip: 203.0.113.0/24")) == Places{"5:16 E150"});
  CHECK(PolicyPlaces(PolicyWith("egress_ip: atuo")) == Places{"5:16 E150"});
}

TEST_CASE("how a policy chooses between several egress IPs") {
  const auto policy = ParsePolicy(PolicyWith("replicas: 4\n    spread: flow\n    prefer: local"), "").value.policies.at("p");
  CHECK(policy.replicas == 4);
  CHECK(policy.spread == policy::Spread::kFlow);
  CHECK(policy.prefer == policy::Prefer::kLocal);
  CHECK(PolicyPlaces(PolicyWith("replicas: 0")) == Places{"5:15 E151"});
  CHECK(PolicyPlaces(PolicyWith("replicas: 17")) == Places{"5:15 E151"});
  CHECK(PolicyPlaces(PolicyWith("spread: flows")) == Places{"5:13 E152"});
  CHECK(PolicyPlaces(PolicyWith("prefer: lokal")) == Places{"5:13 E152"});
}

TEST_CASE("the workload's own node is the gateway `self`, and its address the egress IP") {
  const auto parsed = ParsePolicy("version: 1\npolicies:\n  p: {from: {all: true}, gateway: self}\n", "");
  CHECK(parsed.ok());
  CHECK(policy::LeavesFromOwnNode(parsed.value.policies.at("p")));
  CHECK(parsed.value.policies.at("p").egress_ip.kind == policy::EgressIpChoice::Kind::kNode);
  CHECK(PolicyPlaces("version: 1\npolicies:\n  p: {from: {all: true}, gateway: self, egress_ip: node}\n").empty());
  const auto refused = ParsePolicy("version: 1\npolicies:\n  p: {from: {all: true}, gateway: self, egress_ip: auto}\n", "").findings;
  REQUIRE(refused.size() == 1);
  CHECK(refused.front().code == "E240");
}

policy::Selector OnlySelector(const std::string& from) {
  const auto parsed = ParsePolicy(PolicyFrom(from), "policy.yaml");
  CHECK(First(parsed.findings).message == "");
  REQUIRE(parsed.value.policies.size() == 1);
  return parsed.value.policies.begin()->second.from.front();
}

TEST_CASE("processes, nodes and namespaces: one or a list, a map or an expression") {
  CHECK(OnlySelector("{unit: nginx.service}").units == std::vector<std::string>{"nginx.service"});
  CHECK(OnlySelector("{unit: [\"a@*.service\", b.slice]}").units.size() == 2);
  CHECK(OnlySelector("{user: [www-data, 33, 0]}").users == std::vector<std::string>{"www-data", "33", "0"});
  CHECK(OnlySelector("{user: mail, node: [n1, n2]}").nodes.size() == 2);
  const policy::Selector both = OnlySelector("{namespace_labels: {env: prod}, node_labels: \"zone in (a,b),!old\"}");
  CHECK(both.namespace_labels == std::vector<Requirement>{{.key = "env", .values = {"prod"}}});
  CHECK(both.node_labels.size() == 2);
  CHECK_FALSE(both.all);
  CHECK(PolicyPlaces(PolicyFrom("{user: 033}")) == Places{"4:18 E012"});
  CHECK(PolicyPlaces(PolicyFrom("{unit: []}")).size() == 1);
  const auto findings = ParsePolicy(PolicyFrom("{user: mail, labels: {app: web}}"), "policy.yaml").findings;
  CHECK(std::ranges::contains(findings, std::string("policies.p.from[0].labels"), &policy::Finding::path));
}

TEST_CASE("a selector that says only where means whatever comes from there") {
  CHECK(OnlySelector("{node: n1}").all);
  CHECK(OnlySelector("{node_labels: {zone: a}}").all);
  CHECK_FALSE(OnlySelector("{node: n1, cidr: 10.0.0.0/8}").all);
}

TEST_CASE("a policy says whether the workload's own address is kept") {
  CHECK(PolicyPlaces(PolicyWith("source: preserve")).empty());
  CHECK(PolicyPlaces(PolicyWith("source: masquerade")).empty());
  CHECK(PolicyPlaces(PolicyWith("action: route")).empty());
  CHECK(PolicyPlaces(PolicyWith("source: keep")) == Places{"5:13 E152"});
  const auto set = [](std::string_view line) { return ParsePolicy(PolicyWith(line), "policy.yaml").value.policies.at("p"); };
  CHECK(set("source: preserve").source == policy::Source::kPreserve);
  CHECK(set("action: route").action == policy::Action::kRoute);
}

TEST_CASE("a bandwidth is bits in a second, a burst is bits") {
  const auto bandwidth = [](std::string_view line) {
    const std::string text = std::format("version: 1\npools: {{a: {{ipv4: [203.0.113.10]}}}}\n"
                                         "gateways: {{g: {{default: true, nodes: [n], pool: a}}}}\n"
                                         "policies: {{p: {{from: {{all: true}}, {}}}}}\n",
                                         line);
    const auto parsed = ParsePolicy(text, "policy.yaml");
    REQUIRE(parsed.ok());
    return parsed.value.policies.begin()->second.bandwidth;
  };
  CHECK(bandwidth("bandwidth: {egress: 800M, ingress: 500k, burst: 2G}") ==
        policy::Bandwidth{.egress_bits = 800'000'000, .ingress_bits = 500'000, .burst_bits = 2'000'000'000});
  CHECK(bandwidth("bandwidth: {ingress: 9000}") == policy::Bandwidth{.ingress_bits = 9000});
  CHECK(bandwidth("priority: 7") == policy::Bandwidth{});
}

TEST_CASE("a bandwidth that cannot be read says what it should be") {
  CHECK(PolicyPlaces(PolicyWith("bandwidth: {egress: 1.5G}")) == Places{"5:25 E158"});
  CHECK(PolicyPlaces(PolicyWith("bandwidth: {egress: fast}")) == Places{"5:25 E158"});
  CHECK(PolicyPlaces(PolicyWith("bandwidth: {egress: 10MB}")) == Places{"5:25 E158"});
  CHECK(PolicyPlaces(PolicyWith("bandwidth: {egress: 1k}")) == Places{"5:25 E158"});
  CHECK(PolicyPlaces(PolicyWith("bandwidth: {ingress: 101G}")) == Places{"5:26 E158"});
  CHECK(PolicyPlaces(PolicyWith("bandwidth: {burst: 35G}"))[0] == "5:24 E158");
  CHECK(PolicyPlaces(PolicyWith("bandwidth: {out: 1M}"))[0] == "5:17 E008");
  CHECK(PolicyPlaces(PolicyWith("bandwidth: 800M"))[0] == "5:16 E007");
  CHECK(PolicyPlaces(PolicyWith("bandwidth: {}"))[0] == "5:5 E014");
  CHECK(FirstInPolicy(PolicyWith("bandwidth: {egress: 10MB}")).hint.contains("bits, not bytes"));
}

}  // namespace
}  // namespace egressd::yaml
