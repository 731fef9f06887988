#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
namespace {

// `first` and `second` beside nothing else, with their gateway.
PolicySet Both(Policy first, Policy second) {
  PolicySet set = Sound();
  set.policies.clear();
  first.name = "first";
  second.name = "second";
  Add(set, std::move(first));
  Add(set, std::move(second));
  return set;
}

const Texts kOverlapping{"W301 policies.second.priority"};

}  // namespace

TEST_CASE("W301: two policies of equal priority with the same label overlap") {
  const PolicySet set = Both({.from = {Labelled("app", "web")}}, {.from = {{.labels = {Is("app", "web"), Is("tier", "a")}}}});
  const auto findings = Validate(set);
  CHECK(Seen(findings) == kOverlapping);
  CHECK(findings[0].message == "policies first and second both have priority 1000 and overlap: first wins, because of its name");
  CHECK(findings[0].hint == "priority: 999 in the policy that shall win");
}

TEST_CASE("different priorities do not overlap") {
  CHECK(Seen(Both({.priority = 1, .from = {Labelled("app", "web")}}, {.from = {{.labels = {Is("app", "web"), Is("tier", "a")}}}})) ==
        Texts{});
}

TEST_CASE("different values of a label do not overlap") {
  CHECK(Seen(Both({.from = {Labelled("app", "web")}}, {.from = {Labelled("app", "db")}})) == Texts{});
}

TEST_CASE("labels that may or may not meet are no finding until a workload has both") {
  PolicySet set = Both({.from = {Labelled("app", "web")}}, {.from = {Labelled("tier", "a")}});
  CHECK(Seen(set) == Texts{});
  Add(set, Workload{.name = "shop", .addresses = {A("10.9.9.9")}, .labels = {{"app", "web"}, {"tier", "a"}}});
  CHECK(Seen(set) == kOverlapping);
}

TEST_CASE("networks overlap when one holds the other") {
  CHECK(Seen(Both({.from = {{.cidrs = {P("10.0.0.0/8")}}}}, {.from = {{.cidrs = {P("10.2.0.0/16")}}}})) == kOverlapping);
  CHECK(Seen(Both({.from = {{.cidrs = {P("10.0.0.0/16")}}}}, {.from = {{.cidrs = {P("10.2.0.0/16")}}}})) == Texts{});
}

TEST_CASE("a policy for everything overlaps with every other of its priority") {
  CHECK(Seen(Both({.from = {{.all = true}}}, {.from = {Labelled("app", "web")}})) == kOverlapping);
  CHECK(Seen(Both({.from = {{.all = true}}}, {.from = {{.cidrs = {P("2001:db8::/32")}}}})) == kOverlapping);
}

TEST_CASE("a network holds a listed workload that another policy names") {
  CHECK(Seen(Both({.from = {{.cidrs = {P("10.1.0.0/16")}}}}, {.from = {Labelled("app", "postfix")}})) == kOverlapping);
  CHECK(Seen(Both({.from = {{.cidrs = {P("10.2.0.0/16")}}}}, {.from = {Labelled("app", "postfix")}})) == Texts{});
}

TEST_CASE("a glob overlaps with a name that it matches") {
  CHECK(Seen(Both({.from = {{.name = "web-*"}}}, {.from = {{.name = "web-7"}}})) == kOverlapping);
  CHECK(Seen(Both({.from = {{.name = "web-*"}}}, {.from = {{.name = "db-7"}}})) == Texts{});
}

TEST_CASE("devices keep policies apart") {
  CHECK(Seen(Both({.from = {{.interface = "br0"}}}, {.from = {{.interface = "br1"}}})) == Texts{});
  CHECK(Seen(Both({.from = {{.all = true}}}, {.from = {{.interface = "br1"}}})) == kOverlapping);
}

TEST_CASE("ports keep policies apart") {
  const Selector web = Labelled("app", "web");
  const Selector more{.labels = {Is("app", "web"), Is("tier", "a")}};
  CHECK(Seen(Both({.from = {web}, .ports = {{6, 1, 99}}}, {.from = {more}, .ports = {{6, 99, 200}}})) == kOverlapping);
  CHECK(Seen(Both({.from = {web}, .ports = {{6, 1, 99}}}, {.from = {more}, .ports = {{6, 100, 200}, {17, 1, 99}}})) == Texts{});
}

TEST_CASE("destinations keep policies apart, also through except and internal") {
  const Selector web = Labelled("app", "web");
  const Selector more{.labels = {Is("app", "web"), Is("tier", "a")}};
  const auto To = [](const Selector& from, const char* prefix) {
    return Policy{.from = {from}, .to = Reach::kListed, .destinations = {P(prefix)}};
  };
  CHECK(Seen(Both(To(web, "192.0.2.0/24"), To(more, "192.0.2.128/25"))) == kOverlapping);
  CHECK(Seen(Both(To(web, "192.0.2.0/25"), To(more, "192.0.2.128/25"))) == Texts{});
  Policy all_but{.from = {web}, .except = {P("192.0.2.0/24")}};
  CHECK(Seen(Both(all_but, To(more, "192.0.2.128/25"))) == Texts{});
  CHECK(Seen(Both(all_but, To(more, "192.0.3.0/25"))) == kOverlapping);
  PolicySet set = Both({.from = {web}}, To(more, "10.0.0.0/25"));
  CHECK(Seen(set) == kOverlapping);
  set.internal = {P("10.0.0.0/8")};
  CHECK(Seen(set) == Texts{});
}

TEST_CASE("policies that are disabled do not overlap") {
  CHECK(Seen(Both({.from = {Labelled("app", "web")}}, {.enabled = false, .from = {Labelled("app", "web")}})) == Texts{});
}

TEST_CASE("W302: a policy never decides when an earlier one has the same sources and destinations") {
  const auto findings = Validate(Both({.priority = 10, .from = {Labelled("app", "web")}}, {.from = {Labelled("app", "web")}}));
  CHECK(Seen(findings) == Texts{"W302 policies.second"});
  CHECK(findings[0].message == "policy second never decides: first (priority 10) selects the same and comes first");
}

TEST_CASE("W302 replaces W301 when both would say the same") {
  CHECK(Seen(Both({.from = {Labelled("app", "web")}}, {.from = {Labelled("app", "web")}})) == Texts{"W302 policies.second"});
}

TEST_CASE("an earlier policy for certain ports leaves something to decide") {
  CHECK(Seen(Both({.priority = 10, .from = {Labelled("app", "web")}, .ports = {{6, 25, 25}}}, {.from = {Labelled("app", "web")}})) ==
        Texts{});
  CHECK(Seen(Both({.priority = 10, .from = {Labelled("app", "web")}, .to = Reach::kAny}, {.from = {Labelled("app", "web")}})) ==
        Texts{"W302 policies.second"});
}

TEST_CASE("the number of warnings about overlaps is limited") {
  PolicySet set = Sound();
  set.policies.clear();
  for (int i = 100; i < 200; ++i) {
    Add(set, Policy{.name = "p" + std::to_string(i), .from = {{.labels = {Is("app", "web"), Is("tier", std::to_string(i))}}}});
  }
  Add(set, Policy{.name = "all", .from = {Labelled("app", "web")}});
  const Texts seen = Seen(set);
  CHECK(seen.size() == 21);
  CHECK(seen.back() == "W301 policies");
}

}  // namespace egressd::policy
