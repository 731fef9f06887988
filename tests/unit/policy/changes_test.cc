#include "egressd/policy/changes.h"

#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
namespace {

Texts Told(const PolicySet& before, const PolicySet& after) {
  Texts texts;
  for (const Change& change : Changes(before, after)) {
    texts.push_back(std::string(ToString(change.kind)) + " " + change.object);
    for (const std::string& detail : change.details) texts.push_back("  " + detail);
  }
  return texts;
}

}  // namespace

TEST_CASE("nothing changed: everything is listed as unchanged") {
  CHECK(Told(Sound(), Sound()) ==
        Texts{"unchanged gateway/edge", "unchanged policy/mailer", "unchanged pool/public", "unchanged workload/mail"});
}

TEST_CASE("a first set is all created, an empty one all removed") {
  CHECK(Told({}, Sound()) == Texts{"created gateway/edge", "created policy/mailer", "created pool/public", "created workload/mail"});
  CHECK(Told(Sound(), {}) == Texts{"removed gateway/edge", "removed policy/mailer", "removed pool/public", "removed workload/mail"});
}

TEST_CASE("a change tells each attribute as it was and is") {
  PolicySet after = Sound();
  after.policies["mailer"].priority = 10;
  after.policies["mailer"].description = "mail";
  after.policies["mailer"].from = {Labelled("app", "exim"),
                                   {.namespace_ = "shop", .name = "web-*", .cidrs = {P("10.0.0.0/8")}, .interface = "br0"}};
  after.policies["mailer"].ports = {{6, 25, 25}, {17, 8000, 8100}};
  after.policies["mailer"].egress_ip = {.kind = EgressIpChoice::Kind::kAddress,
                                       .addresses = {{.ipv4 = A("203.0.113.10"), .ipv6 = A("2001:db8:1::10")}}};
  after.pools["public"].pair = true;
  after.workloads["mail"].addresses.push_back(A("10.1.7.21"));
  after.destinations["saas"] = {P("192.0.2.0/24")};
  after.internal = {P("10.0.0.0/8")};
  after.guard = {P("172.18.0.0/16")};
  CHECK(Told(Sound(), after) == Texts{"created destinations/saas", "unchanged gateway/edge", "created guard", "created internal",
                                      "changed policy/mailer",
                                      "  description: \"\" -> mail", "  egress_ip: auto -> 203.0.113.10 with 2001:db8:1::10",
                                      "  from: app=postfix -> [app=exim, namespace=shop,name=web-*,cidr=10.0.0.0/8,interface=br0]",
                                      "  ports: any -> [tcp/25, udp/8000-8100]", "  priority: 1000 -> 10", "changed pool/public",
                                      "  pair: false -> true", "changed workload/mail",
                                      "  addresses: 10.1.7.20 -> [10.1.7.20, 10.1.7.21]"});
}

TEST_CASE("whatever differs is told: no attribute of a policy is forgotten") {
  const std::vector<void (*)(Policy&)> edits = {
      [](Policy& policy) { policy.description = "x"; },
      [](Policy& policy) { policy.namespace_ = "x"; },
      [](Policy& policy) { policy.priority = 1; },
      [](Policy& policy) { policy.enabled = false; },
      [](Policy& policy) { policy.from = {{.all = true}}; },
      [](Policy& policy) { policy.to = Reach::kAny; },
      [](Policy& policy) { policy.to = Reach::kListed, policy.destinations = {std::string("x")}; },
      [](Policy& policy) { policy.except = {P("192.0.2.0/24")}; },
      [](Policy& policy) {
        policy.ports = {{132, 1, 1}};
      },
      [](Policy& policy) { policy.action = Action::kDrop; },
      [](Policy& policy) { policy.gateway = "x"; },
      [](Policy& policy) { policy.egress_ip.kind = EgressIpChoice::Kind::kNode; },
      [](Policy& policy) { policy.replicas = 2; },
      [](Policy& policy) { policy.spread = Spread::kFlow; },
      [](Policy& policy) { policy.prefer = Prefer::kLocal; },
      [](Policy& policy) { policy.on_no_gateway = OnNoGateway::kDirect; },
  };
  for (const auto edit : edits) {
    PolicySet after = Sound();
    edit(after.policies["mailer"]);
    CHECK(Changes(Sound(), after)[1].details.size() == 1);
  }
}

TEST_CASE("whatever differs is told: no attribute of a gateway is forgotten") {
  const std::vector<std::pair<void (*)(Gateway&), std::string>> edits = {
      {[](Gateway& edge) { edge.is_default = false; }, "default: true -> false"},
      {[](Gateway& edge) {
         edge.nodes.names = {"gw1", "gw2"};
       },
       "nodes: gw1 -> [gw1, gw2]"},
      {[](Gateway& edge) { edge.pools = {}; }, "pool: public -> []"},
      {[](Gateway& edge) { edge.default_ipv4 = A("203.0.113.12"); }, "default_ip: first of the pool -> 203.0.113.12"},
      {[](Gateway& edge) { edge.interface = "eth1"; }, "interface: auto -> eth1"},
      {[](Gateway& edge) { edge.announce = Announce::kNone; }, "announce: l2 -> none"},
      {[](Gateway& edge) { edge.announce = Announce::kBgp; }, "announce: l2 -> bgp"},
      {[](Gateway& edge) { edge.max_ips_per_node = 5; }, "max_ips_per_node: 0 -> 5"},
      {[](Gateway& edge) { edge.failback = true; }, "failback: false -> true"},
      {[](Gateway& edge) { edge.takeover = Takeover::kStrict; }, "takeover: immediate -> strict"},
      {[](Gateway& edge) { edge.restart_grace = std::chrono::seconds(90); }, "restart_grace: 15s -> 90s"},
      {[](Gateway& edge) { edge.bfd = BfdTimers{}; }, "bfd: of the profile -> {min_rx: 100ms, min_tx: 100ms, multiplier: 3}"},
      {[](Gateway& edge) {
         edge.health = {{.target = {A("192.0.2.1"), 443}},
                        {.kind = HealthCheck::Kind::kIcmp, .target = {A("2001:db8::1"), 0}, .fail = 1},
                        {.kind = HealthCheck::Kind::kHttp, .target = {A("192.0.2.1"), 80}, .path = "/x", .host = "192.0.2.1"}};
       },
       "health: [] -> [{tcp: 192.0.2.1:443, every: 2s, fail: 3}, {icmp: 2001:db8::1, every: 2s, fail: 1}, "
       "{http: http://192.0.2.1/x, every: 2s, fail: 3}]"},
  };
  for (const auto& [edit, told] : edits) {
    PolicySet after = Sound();
    edit(after.gateways["edge"]);
    CHECK(Changes(Sound(), after)[0].details == Texts{told});
  }
}

TEST_CASE("effects tell what happens to egress addresses") {
  const Bindings before{.bindings = {{EgressId{1}, "a", "edge", Family::kIpv4, A("203.0.113.10")},
                                     {EgressId{2}, "b", "edge", Family::kIpv4, A("203.0.113.11")},
                                     {EgressId{3}, "c", "edge", Family::kIpv4, A("203.0.113.12")},
                                     {EgressId{5}, "e", "edge", Family::kIpv6, {}}}};
  const Bindings after{.bindings = {{EgressId{1}, "a", "edge", Family::kIpv4, A("203.0.113.10")},
                                    {EgressId{3}, "c", "core", Family::kIpv4, A("203.0.113.12")},
                                    {EgressId{4}, "d", "edge", Family::kIpv4, A("203.0.113.13")},
                                    {EgressId{6}, "e", "edge", Family::kIpv6, A("2001:db8:1::10")}}};
  CHECK(Effects(before, after) == Texts{"egress IP 203.0.113.11: policy b, no longer",
                                        "egress IP 203.0.113.12: policy c, gateway core, was edge", "egress IP 203.0.113.13: policy d, new",
                                        "egress IP 2001:db8:1::10: policy e, was of the node (ipv6)"});
  CHECK(Effects(after, after) == Texts{});
}

}  // namespace egressd::policy
