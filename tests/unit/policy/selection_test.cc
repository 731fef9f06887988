#include "egressd/policy/selection.h"

#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
namespace {

PolicySet Policies(std::vector<Policy> policies) {
  PolicySet set;
  for (Policy& policy : policies) Add(set, std::move(policy));
  return set;
}

// "10.0.0.1: mailer, crawler(br0)"
Texts Exact(const Selection& selection) {
  Texts texts;
  for (const auto& [address, source_class] : selection.exact()) texts.push_back(address.ToString() + ": " + source_class->ToString());
  return texts;
}
Texts Networks(const Selection& selection) {
  Texts texts;
  for (const auto& network : selection.networks()) texts.push_back(network.range.ToString() + ": " + network.source_class->ToString());
  return texts;
}

Workload At(std::string name, const char* address, Labels labels = {}) {
  return {.name = std::move(name), .addresses = {A(address)}, .labels = std::move(labels)};
}

Texts Strings(const std::vector<IpAddress>& addresses) {
  Texts texts;
  for (const IpAddress& address : addresses) texts.push_back(address.ToString());
  return texts;
}

}  // namespace

TEST_CASE("workloads are selected by labels, name, namespace and their combination") {
  PolicySet set = Policies({{.name = "a", .from = {Labelled("app", "web")}},
                            {.name = "b", .from = {{.namespace_ = "shop"}}},
                            {.name = "c", .from = {{.name = "web-*"}}},
                            {.name = "d", .from = {{.labels = {Is("app", "web")}, .namespace_ = "shop", .name = "web-[12]"}}}});
  Add(set, Workload{.name = "web-1", .namespace_ = "shop", .addresses = {A("10.0.0.1"), A("2001:db8::1")}, .labels = {{"app", "web"}}});
  Add(set, Workload{.name = "web-3", .namespace_ = "shop", .addresses = {A("10.0.0.3")}});
  Add(set, Workload{.name = "db", .addresses = {A("10.0.0.4")}, .labels = {{"app", "db"}}});
  const Selection selection(set, "n1");
  CHECK(Exact(selection) == Texts{"10.0.0.1: a, b, c, d", "10.0.0.3: b, c", "2001:db8::1: a, b, c, d"});
  CHECK(Networks(selection) == Texts{});
  CHECK(selection.other(Family::kIpv4) == nullptr);
  CHECK(selection.WorkloadCount("a") == 2);
  CHECK(selection.WorkloadCount("b") == 3);
  CHECK(selection.WorkloadCount("nobody") == 0);
}

TEST_CASE("policies stand in deciding order: priority, then name; disabled ones not at all") {
  PolicySet set = Policies({{.name = "z", .priority = 1, .from = {Labelled("app", "web")}},
                            {.name = "b", .from = {Labelled("app", "web")}},
                            {.name = "a", .from = {Labelled("app", "web")}},
                            {.name = "off", .enabled = false, .from = {Labelled("app", "web")}}});
  Add(set, At("w", "10.0.0.1", {{"app", "web"}}));
  CHECK(Exact(Selection(set, "n1")) == Texts{"10.0.0.1: z, a, b"});
}

TEST_CASE("a policy's namespace restricts selectors of workloads and `all`, but not networks") {
  PolicySet set = Policies({{.name = "a", .namespace_ = "shop", .from = {Labelled("app", "web"), {.cidrs = {P("192.0.2.0/24")}}}},
                            {.name = "b", .namespace_ = "shop", .from = {{.all = true}}},
                            {.name = "c", .namespace_ = "shop", .from = {{.cidrs = {P("10.0.0.2/32")}, .all = true}}}});
  Add(set, Workload{.name = "one", .namespace_ = "shop", .addresses = {A("10.0.0.1"), A("10.0.0.2")}, .labels = {{"app", "web"}}});
  Add(set, Workload{.name = "two", .addresses = {A("10.0.0.3")}, .labels = {{"app", "web"}}});
  const Selection selection(set, "n1");
  CHECK(Exact(selection) == Texts{"10.0.0.1: a, b", "10.0.0.2: a, b, c"});
  CHECK(Networks(selection) == Texts{"192.0.2.0-192.0.2.255: a"});
}

TEST_CASE("networks are cut into disjoint ranges, and neighbours of the same class become one") {
  PolicySet set = Policies({{.name = "a", .from = {{.cidrs = {P("10.0.0.0/8"), P("11.0.0.0/8")}}}},
                            {.name = "b", .from = {{.cidrs = {P("10.1.0.0/16"), P("10.2.0.0/16")}}}},
                            {.name = "c", .priority = 1, .from = {{.cidrs = {P("2001:db8::/32")}}}}});
  CHECK(Networks(Selection(set, "n1")) == Texts{"10.0.0.0-10.0.255.255: a", "10.1.0.0-10.2.255.255: a, b", "10.3.0.0-11.255.255.255: a",
                                                "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff: c"});
}

TEST_CASE("all without a namespace is every source of both families") {
  PolicySet set = Policies({{.name = "a", .from = {{.all = true}}}, {.name = "b", .from = {{.cidrs = {P("255.255.255.255/32")}}}}});
  CHECK(Networks(Selection(set, "n1")) ==
        Texts{"0.0.0.0-255.255.255.254: a", "255.255.255.255: a, b", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff: a"});
}

TEST_CASE("the class of an exact address includes networks and devices") {
  PolicySet set = Policies({{.name = "dev", .priority = 1, .from = {{.interface = "br0"}}},
                            {.name = "net", .priority = 3, .from = {{.cidrs = {P("10.0.0.0/8")}}}},
                            {.name = "web", .priority = 2, .from = {Labelled("app", "web")}}});
  Add(set, At("w", "10.0.0.1", {{"app", "web"}}));
  Add(set, At("v", "192.0.2.1", {{"app", "web"}}));
  Add(set, At("u", "10.0.0.2"));
  const Selection selection(set, "n1");
  CHECK(Exact(selection) == Texts{"10.0.0.1: dev(br0), web, net", "192.0.2.1: dev(br0), web"});
  CHECK(Networks(selection) == Texts{"10.0.0.0-10.255.255.255: dev(br0), net"});
  CHECK(selection.other(Family::kIpv4)->ToString() == "dev(br0)");
  CHECK(selection.other(Family::kIpv6)->ToString() == "dev(br0)");
  CHECK(selection.ClassOf(A("10.0.0.2"))->ToString() == "dev(br0), net");
  CHECK(selection.ClassOf(A("172.16.0.1"))->ToString() == "dev(br0)");
}

TEST_CASE("a policy is in a class once: devices unite, and any device swallows them") {
  PolicySet set = Policies({{.name = "a",
                             .from = {{.labels = {Is("app", "web")}, .interface = "br1"},
                                      {.labels = {Is("app", "web")}, .interface = "br0"},
                                      {.cidrs = {P("10.0.0.0/8")}}}}});
  Add(set, At("w", "10.0.0.1", {{"app", "web"}}));
  Add(set, At("v", "192.0.2.1", {{"app", "web"}}));
  CHECK(Exact(Selection(set, "n1")) == Texts{"10.0.0.1: a", "192.0.2.1: a(br0,br1)"});
}

TEST_CASE("a network together with labels means workloads inside of it") {
  PolicySet set = Policies({{.name = "a", .from = {{.labels = {Is("app", "web")}, .cidrs = {P("10.0.0.0/24"), P("2001:db8::/64")}}}}});
  Add(set, Workload{.name = "w", .addresses = {A("10.0.0.1"), A("10.0.1.1"), A("2001:db8::1")}, .labels = {{"app", "web"}}});
  const Selection selection(set, "n1");
  CHECK(Exact(selection) == Texts{"10.0.0.1: a", "2001:db8::1: a"});
  CHECK(Networks(selection) == Texts{});
  CHECK(selection.WorkloadCount("a") == 2);
}

TEST_CASE("workloads of other nodes do not count") {
  PolicySet set = Policies({{.name = "a", .from = {Labelled("app", "web")}}});
  Workload here = At("here", "10.0.0.1", {{"app", "web"}});
  here.node = "n1";
  Workload there = At("there", "10.0.0.2", {{"app", "web"}});
  there.node = "n2";
  Add(set, here);
  Add(set, there);
  Selection selection(set, "n1");
  CHECK(Exact(selection) == Texts{"10.0.0.1: a"});
  CHECK(selection.WorkloadAt(A("10.0.0.2")) == nullptr);
  CHECK(selection.SetWorkloads("x", {there}) == std::vector<IpAddress>{});
  CHECK(selection.Workloads().size() == 1);
}

TEST_CASE("a provider's workloads come, change and go, and only what changed is told") {
  PolicySet set = Policies({{.name = "a", .from = {Labelled("app", "web")}}, {.name = "b", .from = {Labelled("tier", "x")}}});
  Selection selection(set, "n1");
  const auto Web = [](const char* name, const char* address) { return At(name, address, {{"app", "web"}}); };
  CHECK(Strings(selection.SetWorkloads("f", {Web("w2", "10.0.0.2"), Web("w1", "10.0.0.1"), At("w3", "10.0.0.3")})) ==
        Texts{"10.0.0.1", "10.0.0.2"});
  const SourceClass* before = selection.exact().at(A("10.0.0.1"));
  CHECK(Strings(selection.SetWorkloads("f", {Web("w1", "10.0.0.1"), At("w2", "10.0.0.2", {{"tier", "x"}}), At("w3", "10.0.0.4")})) ==
        Texts{"10.0.0.2"});
  CHECK(selection.exact().at(A("10.0.0.1")) == before);
  CHECK(Exact(selection) == Texts{"10.0.0.1: a", "10.0.0.2: b"});
  CHECK(selection.WorkloadCount("a") == 1);
  CHECK(selection.WorkloadAt(A("10.0.0.3")) == nullptr);
  CHECK(selection.WorkloadAt(A("10.0.0.4"))->name == "w3");
  CHECK(Strings(selection.SetWorkloads("f", {})) == Texts{"10.0.0.1", "10.0.0.2"});
  CHECK(selection.Classes().empty());
  CHECK(selection.WorkloadCount("a") == 0);
}

TEST_CASE("the policy set has the first word about an address, then the sources by name, whoever spoke first") {
  PolicySet set = Policies({{.name = "a", .from = {Labelled("app", "web")}}, {.name = "b", .from = {Labelled("app", "db")}}});
  Selection selection(set, "n1");
  selection.SetWorkloads("y", {At("from-y", "10.0.0.1", {{"app", "web"}})});
  CHECK(Strings(selection.SetWorkloads("x", {At("from-x", "10.0.0.1", {{"app", "db"}})})) == Texts{"10.0.0.1"});
  CHECK(Exact(selection) == Texts{"10.0.0.1: b"});
  CHECK(Strings(selection.SetWorkloads("z", {At("from-z", "10.0.0.1")})) == Texts{});
  CHECK(selection.WorkloadAt(A("10.0.0.1"))->name == "from-x");
  CHECK(Strings(selection.SetWorkloads("x", {})) == Texts{"10.0.0.1"});
  CHECK(Exact(selection) == Texts{"10.0.0.1: a"});
  Add(set, At("own", "10.0.0.1"));
  Selection with_own(set, "n1");
  CHECK(with_own.SetWorkloads("a", {At("other", "10.0.0.1", {{"app", "web"}})}) == std::vector<IpAddress>{});
  CHECK(with_own.WorkloadAt(A("10.0.0.1"))->name == "own");
  CHECK(with_own.Workloads().size() == 2);
}

TEST_CASE("inside the guard it is told who becomes known, selected or not") {
  PolicySet set;
  set.guard = {*Prefix::Parse("10.0.0.0/24")};
  Selection selection(set, "n1");
  CHECK(Strings(selection.SetWorkloads("f", {At("in", "10.0.0.1"), At("out", "10.0.1.1")})) == Texts{"10.0.0.1"});
  CHECK(selection.known_in_guard().size() == 1);
  CHECK(selection.GuardAgainst(*IpAddress::Parse("10.0.0.1")) == nullptr);
  CHECK(selection.GuardAgainst(*IpAddress::Parse("10.0.1.9")) == nullptr);
  REQUIRE(selection.GuardAgainst(*IpAddress::Parse("10.0.0.9")) != nullptr);
  CHECK(Strings(selection.SetWorkloads("g", {At("too", "10.0.0.1")})) == Texts{});
  CHECK(Strings(selection.SetWorkloads("f", {})) == Texts{});
  CHECK(Strings(selection.SetWorkloads("g", {})) == Texts{"10.0.0.1"});
  CHECK(selection.known_in_guard().empty());
}

TEST_CASE("class keys come from the content, so every node has the same") {
  PolicySet set = Policies({{.name = "a", .from = {Labelled("app", "web")}}, {.name = "b", .from = {Labelled("tier", "x")}}});
  Add(set, Workload{.name = "w", .addresses = {A("10.0.0.1"), A("10.0.0.2"), A("2001:db8::1")}, .labels = {{"app", "web"}}});
  const Selection one(set, "n1");
  Add(set, At("more", "10.0.0.9", {{"app", "web"}, {"tier", "x"}}));
  const Selection two(set, "n2");
  CHECK(one.exact().at(A("10.0.0.1")) == one.exact().at(A("10.0.0.2")));
  CHECK(one.ClassOf(A("10.0.0.1"))->key == two.ClassOf(A("10.0.0.2"))->key);
  CHECK(one.ClassOf(A("10.0.0.1"))->key != one.ClassOf(A("2001:db8::1"))->key);
  CHECK(one.Classes().size() == 2);
  CHECK(two.Classes().size() == 3);
  for (const SourceClass* source_class : two.Classes()) CHECK(source_class->key >= 0x80000000U);
  CHECK(two.Classes().back()->family == Family::kIpv6);
}

TEST_CASE("a selection that was moved still answers") {
  PolicySet set = Policies({{.name = "a", .from = {Labelled("app", "web")}}});
  Add(set, At("w", "10.0.0.1", {{"app", "web"}}));
  Selection first(set, "n1");
  Selection second = std::move(first);
  CHECK(second.ClassOf(A("10.0.0.1"))->interests[0].policy == &second.set().policies.at("a"));
}

}  // namespace egressd::policy
