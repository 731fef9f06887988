#include <algorithm>

#include "egressd/policy/binding.h"
#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
namespace {

// The findings for the sound set after `change` to its policy.
template <typename Change>
Texts After(const Change& change) {
  PolicySet set = Sound();
  change(set.policies["mailer"]);
  return Seen(set);
}

// Each stands under `ipv4`.
EgressIpChoice Listing(const std::vector<IpAddress>& addresses) {
  EgressIpChoice choice{.kind = EgressIpChoice::Kind::kAddress, .addresses = {}};
  for (const IpAddress& address : addresses) choice.addresses.push_back({.ipv4 = address, .ipv6 = {}});
  return choice;
}

}  // namespace

TEST_CASE("E101: the name of a policy") {
  PolicySet set = Sound();
  Add(set, Policy{.name = "no space", .priority = 7, .from = {Labelled("app", "web")}});
  Add(set, Policy{.name = std::string(64, 'x'), .priority = 8, .from = {Labelled("app", "db")}});
  CHECK(Seen(set) == Texts{"E101 policies.no space", "E101 policies." + std::string(64, 'x')});
}

TEST_CASE("E104: priority 0 does not exist") {
  CHECK(After([](Policy& policy) { policy.priority = 0; }) == Texts{"E104 policies.mailer.priority"});
  CHECK(After([](Policy& policy) { policy.priority = 1; }) == Texts{});
  CHECK(After([](Policy& policy) { policy.priority = 65535; }) == Texts{});
}

TEST_CASE("E105: ports have a protocol with ports and go upwards from 1") {
  CHECK(After([](Policy& policy) {
          policy.ports = {{.protocol = 6, .first = 25, .last = 25}, {.protocol = 1, .first = 1, .last = 2}};
        }) == Texts{"E105 policies.mailer.ports[1]"});
  CHECK(After([](Policy& policy) { policy.ports = {{.protocol = 17, .first = 0, .last = 9}}; }) == Texts{"E105 policies.mailer.ports[0]"});
  CHECK(After([](Policy& policy) { policy.ports = {{.protocol = 17, .first = 10, .last = 9}}; }) == Texts{"E105 policies.mailer.ports[0]"});
}

TEST_CASE("ports go well with action direct and drop") {
  for (const Action action : {Action::kDirect, Action::kDrop}) {
    CHECK(After([&](Policy& policy) {
            policy.action = action;
            policy.ports = {{.protocol = 6, .first = 25, .last = 25}};
          }) == Texts{});
  }
}

TEST_CASE("E106: a policy says where its traffic comes from") {
  CHECK(After([](Policy& policy) { policy.from = {}; }) == Texts{"E106 policies.mailer.from"});
}

TEST_CASE("E107: an empty selector is a mistake") {
  CHECK(After([](Policy& policy) { policy.from.push_back({}); }) == Texts{"E107 policies.mailer.from[1]"});
}

TEST_CASE("E108: a requirement has a key and a value") {
  CHECK(After([](Policy& policy) { policy.from = {{.labels = {Is("", "x")}}}; }) == Texts{"E108 policies.mailer.from[0]"});
  CHECK(After([](Policy& policy) { policy.from = {{.labels = {{.key = "app", .op = Requirement::Operator::kIn}}}}; }) ==
        Texts{"E108 policies.mailer.from[0]"});
}

TEST_CASE("E109: a glob is complete") {
  for (const char* glob : {"", "web-[ab", "web\\", "[!"}) {
    CHECK_MESSAGE(After([&](Policy& policy) { policy.from = {{.name = glob}}; }) == Texts{"E109 policies.mailer.from[0].name"}, glob);
  }
  for (const char* glob : {"*", "web-[ab]", "[]]", "[!]a]*", "\\["}) {
    CHECK_MESSAGE(After([&](Policy& policy) { policy.from = {{.name = glob}}; }) == Texts{}, glob);
  }
}

TEST_CASE("E110: a selector's interface is a device name") {
  for (const char* name : {"", "a name", "sixteen-letters-", "a/b", "a:b", ".."}) {
    CHECK_MESSAGE(After([&](Policy& policy) { policy.from = {{.interface = name}}; }) == Texts{"E110 policies.mailer.from[0].interface"},
                  name);
  }
  CHECK(After([](Policy& policy) { policy.from = {{.interface = "br-1234.100"}}; }) == Texts{});
}

TEST_CASE("E113: a list of destinations holds something") {
  CHECK(After([](Policy& policy) { policy.to = Reach::kListed; }) == Texts{"E113 policies.mailer.to"});
}

TEST_CASE("E202: the gateway of a policy exists") {
  PolicySet set = Sound();
  set.policies["mailer"].gateway = "egde";
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E202 policies.mailer.gateway"});
  CHECK(findings[0].hint == "did you mean `edge`?");
}

TEST_CASE("E203: without a default gateway a policy names its own") {
  PolicySet set = Sound();
  set.gateways["edge"].is_default = false;
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E203 policies.mailer", "W304 gateways.edge"});
  CHECK(findings[0].hint == "gateway: edge");
}

TEST_CASE("policies that do not translate need no gateway") {
  PolicySet set = Sound();
  set.gateways.clear();
  set.pools.clear();
  set.policies["mailer"].action = Action::kDirect;
  CHECK(Seen(set) == Texts{});
}

TEST_CASE("E205: auto and default need a gateway with addresses, node does not") {
  PolicySet set = Sound();
  set.pools.clear();
  set.gateways["edge"].pools = {};
  CHECK(Seen(set) == Texts{"E205 policies.mailer.egress_ip"});
  set.policies["mailer"].egress_ip.kind = EgressIpChoice::Kind::kDefault;
  CHECK(Seen(set) == Texts{"E205 policies.mailer.egress_ip"});
  set.policies["mailer"].egress_ip.kind = EgressIpChoice::Kind::kNode;
  CHECK(Seen(set) == Texts{});
}

TEST_CASE("E205: an egress IP without address is a mistake") {
  CHECK(After([](Policy& policy) { policy.egress_ip.kind = EgressIpChoice::Kind::kAddress; }) == Texts{"E205 policies.mailer.egress_ip"});
}

TEST_CASE("E212: an egress IP is in the pools of the policy's gateway") {
  const auto Choose = [](const char* address) {
    return After([&](Policy& policy) { policy.egress_ip = Listing({A(address)}); });
  };
  CHECK(Choose("203.0.113.10") == Texts{});
  CHECK(Choose("203.0.113.14") == Texts{"E212 policies.mailer.egress_ip.ipv4"});
}

TEST_CASE("E212 says which pool would have the address") {
  PolicySet set = Sound();
  Add(set, Pool{.name = "spare", .ipv4 = {R("198.51.100.1")}});
  set.policies["mailer"].egress_ip = Listing({A("198.51.100.1")});
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E212 policies.mailer.egress_ip.ipv4", "W303 pools.spare"});
  CHECK(findings[0].hint == "it is in pool spare: use a gateway with that pool");
}

TEST_CASE("E103: an egress IP stands under its family") {
  CHECK(After([](Policy& policy) { policy.egress_ip = Listing({A("2001:db8:1::10")}); }) ==
        Texts{"E103 policies.mailer.egress_ip.ipv4"});
}

TEST_CASE("E211: with a pool of pairs, a policy's two addresses are a pair") {
  PolicySet set = Sound();
  set.pools["public"].pair = true;
  set.policies["mailer"].egress_ip = {.kind = EgressIpChoice::Kind::kAddress,
                                     .addresses = {{.ipv4 = A("203.0.113.11"), .ipv6 = A("2001:db8:1::11")}}};
  CHECK(Seen(set) == Texts{});
  set.policies["mailer"].egress_ip.addresses.front().ipv6 = A("2001:db8:1::12");
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E211 policies.mailer.egress_ip"});
  CHECK(findings[0].hint == "egress_ip: {ipv4: 203.0.113.11, ipv6: \"2001:db8:1::11\"}");
}

TEST_CASE("E219: keys that do nothing with action direct or drop") {
  CHECK(After([](Policy& policy) {
          policy.action = Action::kDrop;
          policy.gateway = "edge";
          policy.egress_ip.kind = EgressIpChoice::Kind::kNode;
          policy.on_no_gateway = OnNoGateway::kDirect;
        }) == Texts{"E219 policies.mailer.gateway", "E219 policies.mailer.egress_ip", "E219 policies.mailer.on_no_gateway"});
  CHECK(After([](Policy& policy) {
          policy.action = Action::kDirect;
          policy.replicas = 2;
          policy.spread = Spread::kFlow;
          policy.prefer = Prefer::kLocal;
        }) == Texts{"E219 policies.mailer.replicas", "E219 policies.mailer.spread", "E219 policies.mailer.prefer"});
}

TEST_CASE("E246: the host's own processes keep no address") {
  for (const Action action : {Action::kSnat, Action::kRoute}) {
    CHECK(After([&](Policy& policy) {
            policy.action = action;
            policy.source = Source::kPreserve;
            policy.namespace_.reset();
            policy.from.push_back({.users = {"root"}});
          }) == Texts{"E246 policies.mailer.from[1]"});
  }
}

TEST_CASE("E247: what is routed goes through a gateway; E219: without a tunnel there is nothing to preserve") {
  CHECK(After([](Policy& policy) {
          policy.action = Action::kRoute;
          policy.gateway = std::string(kSelf);
          policy.egress_ip = {.kind = EgressIpChoice::Kind::kNode, .addresses = {}};
        }) == Texts{"E247 policies.mailer.gateway"});
  CHECK(After([](Policy& policy) {
          policy.source = Source::kPreserve;
          policy.gateway = std::string(kSelf);
          policy.egress_ip = {.kind = EgressIpChoice::Kind::kNode, .addresses = {}};
        }) == Texts{"E219 policies.mailer.source"});
}

TEST_CASE("action route uses a gateway and an egress IP as snat does") {
  CHECK(After([](Policy& policy) { policy.action = Action::kRoute; }) == Texts{});
  PolicySet set = Sound();
  set.policies["mailer"].action = Action::kRoute;
  CHECK(!Bind(set, {}).value().bindings.empty());
}

TEST_CASE("E145: a bandwidth limits something, within what the kernel can count") {
  const auto limited = [](Bandwidth bandwidth) { return After([&](Policy& policy) { policy.bandwidth = bandwidth; }); };
  CHECK(limited({.egress_bits = 800'000'000, .ingress_bits = 8000}) == Texts{});
  CHECK(limited({.egress_bits = 100'000'000'000}) == Texts{});
  CHECK(limited({.egress_bits = 7999}) == Texts{"E145 policies.mailer.bandwidth.egress"});
  CHECK(limited({.ingress_bits = 100'000'000'001}) == Texts{"E145 policies.mailer.bandwidth.ingress"});
  CHECK(limited({.egress_bits = 8000, .burst_bits = 34'000'000'001}) == Texts{"E145 policies.mailer.bandwidth.burst"});
  CHECK(limited({.burst_bits = 1'000'000}) == Texts{"E145 policies.mailer.bandwidth"});
}

TEST_CASE("E245: a burst is at least what the rate gives in a second") {
  const auto limited = [](Bandwidth bandwidth) { return After([&](Policy& policy) { policy.bandwidth = bandwidth; }); };
  CHECK(limited({.egress_bits = 800'000'000, .burst_bits = 800'000'000}) == Texts{});
  CHECK(limited({.egress_bits = 800'000'000, .burst_bits = 799'000'000}) == Texts{"E245 policies.mailer.bandwidth.burst"});
  CHECK(limited({.egress_bits = 8000, .ingress_bits = 1'000'000, .burst_bits = 8000}) == Texts{"E245 policies.mailer.bandwidth.burst"});
}

TEST_CASE("E219: what is not sent through a gateway has no bandwidth") {
  for (const Action action : {Action::kDirect, Action::kDrop}) {
    CHECK(After([&](Policy& policy) {
            policy.action = action;
            policy.gateway.reset();
            policy.egress_ip = {};
            policy.bandwidth = {.egress_bits = 8000};
          }) == Texts{"E219 policies.mailer.bandwidth"});
  }
}

TEST_CASE("E219: a namespace restricts nothing when no selector speaks of workloads") {
  CHECK(After([](Policy& policy) {
          policy.namespace_ = "shop";
          policy.from = {{.cidrs = {P("10.0.0.0/8")}}};
        }) == Texts{"E219 policies.mailer.namespace"});
  CHECK(After([](Policy& policy) {
          policy.namespace_ = "shop";
          policy.from = {{.cidrs = {P("10.0.0.0/8")}, .all = true}};
        }) == Texts{});
}

TEST_CASE("E220: the node's own address and a given one exclude each other") {
  CHECK(After([](Policy& policy) {
          policy.egress_ip = Listing({A("203.0.113.10")});
          policy.egress_ip.kind = EgressIpChoice::Kind::kNode;
        }) == Texts{"E220 policies.mailer.egress_ip"});
}

TEST_CASE("E240: with gateway self nobody holds an egress IP") {
  const auto Own = [](EgressIpChoice::Kind kind) {
    return After([&](Policy& policy) {
      policy.gateway = std::string(kSelf);
      policy.egress_ip.kind = kind;
    });
  };
  CHECK(Own(EgressIpChoice::Kind::kNode) == Texts{});
  for (const auto kind : {EgressIpChoice::Kind::kAuto, EgressIpChoice::Kind::kDefault, EgressIpChoice::Kind::kAddress}) {
    CHECK(Own(kind) == Texts{"E240 policies.mailer.egress_ip"});
  }
}

TEST_CASE("E101: no gateway is called self") {
  PolicySet set = Sound();
  Add(set, Gateway{.name = std::string(kSelf), .nodes = {.names = {"gw9"}, .labels = {}}});
  CHECK(std::ranges::contains(Seen(set), "E101 gateways.self"));
}

TEST_CASE("E241: as many replicas as the egress IP can give") {
  const auto Wanting = [](std::uint16_t replicas, EgressIpChoice choice) {
    return After([&](Policy& policy) {
      policy.replicas = replicas;
      policy.egress_ip = std::move(choice);
    });
  };
  const Texts refused{"E241 policies.mailer.replicas"};
  using Kind = EgressIpChoice::Kind;
  CHECK(Wanting(3, {.kind = Kind::kAuto, .addresses = {}}) == Texts{});
  CHECK(Wanting(17, {.kind = Kind::kAuto, .addresses = {}}) == refused);
  CHECK(Wanting(2, {.kind = Kind::kDefault, .addresses = {}}) == refused);
  CHECK(Wanting(2, {.kind = Kind::kNode, .addresses = {}}) == refused);
  CHECK(Wanting(1, {.kind = Kind::kNode, .addresses = {}}) == Texts{});
  const EgressIpChoice two = Listing({A("203.0.113.10"), A("203.0.113.11")});
  CHECK(Wanting(0, two) == Texts{});
  CHECK(Wanting(2, two) == Texts{});
  CHECK(Wanting(3, two) == refused);
  CHECK(Wanting(1, two) == Texts{"W321 policies.mailer.replicas"});
}

TEST_CASE("E242: a list names an address once; each is in the pools") {
  const auto List = [](const std::vector<IpAddress>& addresses) {
    return After([&](Policy& policy) { policy.egress_ip = Listing(addresses); });
  };
  CHECK(List({A("203.0.113.10"), A("203.0.113.10")}) == Texts{"E242 policies.mailer.egress_ip[1]"});
  CHECK(List({A("203.0.113.10"), A("203.0.113.99")}) == Texts{"E212 policies.mailer.egress_ip[1].ipv4"});
}

TEST_CASE("W320: spread and prefer choose between several egress IPs") {
  const auto Choosing = [](std::uint16_t replicas, EgressIpChoice::Kind kind) {
    return After([&](Policy& policy) {
      policy.replicas = replicas;
      policy.egress_ip.kind = kind;
      policy.spread = Spread::kFlow;
      policy.prefer = Prefer::kLocal;
    });
  };
  CHECK(Choosing(2, EgressIpChoice::Kind::kAuto) == Texts{});
  CHECK(Choosing(1, EgressIpChoice::Kind::kAuto) == Texts{"W320 policies.mailer.spread", "W320 policies.mailer.prefer"});
  CHECK(Choosing(0, EgressIpChoice::Kind::kNode) == Texts{"W320 policies.mailer.spread"});
}

TEST_CASE("E224: policy and selector do not name different namespaces") {
  CHECK(After([](Policy& policy) {
          policy.namespace_ = "shop";
          policy.from[0].namespace_ = "office";
        }) == Texts{"E224 policies.mailer.from[0].namespace"});
}

TEST_CASE("a policy that is disabled is checked all the same") {
  CHECK(After([](Policy& policy) {
          policy.enabled = false;
          policy.gateway = "nowhere";
        }) == Texts{"E202 policies.mailer.gateway"});
}

TEST_CASE("a selector that matches no listed workload is no finding: drop-ins may come") {
  CHECK(After([](Policy& policy) { policy.from = {Labelled("app", "nobody")}; }) == Texts{});
}

TEST_CASE("an IPv6-capable selector with an IPv4 egress IP is no finding") {
  CHECK(After([](Policy& policy) {
          policy.from = {{.cidrs = {P("2001:db8:7::/64"), P("10.0.0.0/8")}}};
          policy.egress_ip = Listing({A("203.0.113.10")});
        }) == Texts{});
}

}  // namespace egressd::policy
