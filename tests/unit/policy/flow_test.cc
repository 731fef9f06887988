#include "egressd/policy/selection.h"
#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
namespace {

const Workload kWeb{.name = "web-1", .namespace_ = "shop", .addresses = {}, .labels = {{"app", "web"}}};

std::string Why(const Policy& policy, const Workload* workload, const std::string& interface = "br0") {
  PolicySet set;
  if (workload != nullptr) Add(set, Workload{*workload}), set.workloads.begin()->second.addresses = {A("10.0.0.1")};
  const Selection selection(set, "n1");
  return WhyNot(selection, policy, {.source = A("10.0.0.1"), .interface = interface, .destination = {}}).value_or("matches");
}

std::string WhyTo(const Policy& policy, const char* destination, std::uint8_t protocol = 6, std::uint16_t port = 443) {
  PolicySet set;
  set.destinations["saas"] = {P("192.0.2.0/24"), std::string("more")};
  set.destinations["more"] = {P("2001:db8:5::/48")};
  const Flow flow{.source = A("10.0.0.1"), .destination = A(destination), .protocol = protocol, .port = port};
  return WhyNotDestination(set, policy, {P("10.0.0.0/8")}, flow).value_or("applies");
}

}  // namespace

TEST_CASE("the first condition that fails is the reason") {
  CHECK(Why({.from = {Labelled("app", "web")}}, &kWeb) == "matches");
  CHECK(Why({.from = {Labelled("app", "postfix")}}, &kWeb) == "wants app=postfix");
  CHECK(Why({.from = {{.labels = {Is("app", "web"), {.key = "gpu", .op = Requirement::Operator::kExists}}}}}, &kWeb) == "wants gpu");
  CHECK(Why({.from = {{.namespace_ = "office"}}}, &kWeb) == "wants namespace office");
  CHECK(Why({.namespace_ = "office", .from = {{.all = true}}}, &kWeb) == "wants namespace office");
  CHECK(Why({.from = {{.name = "db-*"}}}, &kWeb) == "wants name db-*");
  CHECK(Why({.from = {{.cidrs = {P("192.0.2.0/24"), P("192.0.3.1/32")}}}}, &kWeb) == "wants a source in 192.0.2.0/24, 192.0.3.1");
  CHECK(Why({.from = {{.interface = "br1"}}}, &kWeb) == "wants interface br1");
  CHECK(Why({.from = {{.interface = "br0"}}}, &kWeb) == "matches");
  CHECK(Why({.from = {{.all = true}}}, nullptr) == "matches");
  CHECK(Why({.from = {Labelled("app", "web")}}, nullptr) == "the source is no known workload");
  CHECK(Why({.namespace_ = "shop", .from = {{.all = true}}}, nullptr) == "the source is no known workload");
  CHECK(Why({.namespace_ = "shop", .from = {{.cidrs = {P("10.0.0.0/8")}}}}, nullptr) == "matches");
}

TEST_CASE("any of several selectors is enough, else the first one's reason is told") {
  CHECK(Why({.from = {Labelled("app", "db"), {.namespace_ = "shop"}}}, &kWeb) == "matches");
  CHECK(Why({.from = {Labelled("app", "db"), {.namespace_ = "office"}}}, &kWeb) == "wants app=db");
}

TEST_CASE("external means not internal, any means any, a list means the list") {
  CHECK(WhyTo({}, "192.0.2.1") == "applies");
  CHECK(WhyTo({}, "10.9.9.9") == "10.9.9.9 is internal");
  CHECK(WhyTo({.to = Reach::kAny}, "10.9.9.9") == "applies");
  const Policy listed{.to = Reach::kListed, .destinations = {std::string("saas"), P("10.0.0.0/24")}};
  CHECK(WhyTo(listed, "192.0.2.1") == "applies");
  CHECK(WhyTo(listed, "2001:db8:5::1") == "applies");
  CHECK(WhyTo(listed, "10.0.0.9") == "applies");
  CHECK(WhyTo(listed, "192.0.3.1") == "192.0.3.1 is not listed in to");
}

TEST_CASE("except takes destinations away again") {
  const Policy policy{.to = Reach::kAny, .except = {P("198.51.100.0/24"), std::string("saas")}};
  CHECK(WhyTo(policy, "198.51.100.7") == "198.51.100.7 is listed in except");
  CHECK(WhyTo(policy, "192.0.2.7") == "192.0.2.7 is listed in except");
  CHECK(WhyTo(policy, "198.51.101.7") == "applies");
}

TEST_CASE("ports want their protocol too") {
  const Policy policy{.ports = {{6, 25, 25}, {17, 8000, 8100}}};
  CHECK(WhyTo(policy, "192.0.2.1", 6, 25) == "applies");
  CHECK(WhyTo(policy, "192.0.2.1", 17, 8100) == "applies");
  CHECK(WhyTo(policy, "192.0.2.1", 17, 25) == "wants tcp/25, udp/8000-8100");
  CHECK(WhyTo(policy, "192.0.2.1", 1, 0) == "wants tcp/25, udp/8000-8100");
}

TEST_CASE("the first policy that selects the source and speaks of the destination decides") {
  PolicySet set;
  Add(set, Policy{.name = "mail", .priority = 1, .from = {Labelled("app", "web")}, .ports = {{6, 25, 25}}});
  Add(set, Policy{.name = "leave", .priority = 2, .from = {{.interface = "br0"}}, .action = Action::kDirect});
  Add(set, Policy{.name = "rest", .priority = 3, .from = {{.cidrs = {P("10.0.0.0/8")}}}});
  Add(set, Workload{.name = "w", .addresses = {A("10.0.0.1")}, .labels = {{"app", "web"}}});
  const Selection selection(set, "n1");
  const auto Decides = [&](const char* source, const char* interface, const char* destination, std::uint16_t port) -> std::string {
    const Flow flow{.source = A(source), .interface = interface, .destination = A(destination), .protocol = 6, .port = port};
    const Policy* policy = Select(selection, {P("10.0.0.0/8")}, flow);
    return policy == nullptr ? "nobody" : policy->name;
  };
  CHECK(Decides("10.0.0.1", "br0", "192.0.2.1", 25) == "mail");
  CHECK(Decides("10.0.0.1", "br0", "192.0.2.1", 80) == "leave");
  CHECK(Decides("10.0.0.1", "br1", "192.0.2.1", 80) == "rest");
  CHECK(Decides("10.0.0.1", "br1", "10.0.0.2", 80) == "nobody");
  CHECK(Decides("172.16.0.1", "br0", "192.0.2.1", 80) == "leave");
  CHECK(Decides("172.16.0.1", "", "192.0.2.1", 80) == "nobody");
}

TEST_CASE("references among destinations are followed once, unknown ones not at all") {
  PolicySet set;
  set.destinations["a"] = {P("192.0.2.0/24"), std::string("b"), std::string("nobody")};
  set.destinations["b"] = {P("10.0.0.0/8"), std::string("a"), P("192.0.2.0/24")};
  CHECK(Resolve(set, {std::string("a"), P("2001:db8::/32")}) == std::vector{P("10.0.0.0/8"), P("192.0.2.0/24"), P("2001:db8::/32")});
}

TEST_CASE("a policy uses its own gateway, else the default one") {
  PolicySet set = Sound();
  Add(set, Gateway{.name = "core"});
  CHECK(GatewayOf(set, {})->name == "edge");
  CHECK(GatewayOf(set, {.gateway = "core"})->name == "core");
  CHECK(GatewayOf(set, {.gateway = "nobody"}) == nullptr);
  set.gateways["edge"].is_default = false;
  CHECK(GatewayOf(set, {}) == nullptr);
}

}  // namespace egressd::policy
