#include "egressd/policy/binding.h"

#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
namespace {

// "1 mailer edge 203.0.113.10", sorted by id.
Texts Bound(const Bindings& bindings) {
  Texts texts;
  for (const Binding& binding : bindings.bindings) {
    const std::string address = binding.egress_ip ? binding.egress_ip->ToString() : "node-" + std::string(ToString(binding.family));
    texts.push_back(std::to_string(binding.id.value) + " " + binding.policy + " " + binding.gateway + " " + address);
  }
  return texts;
}

Bindings MustBind(const PolicySet& set, const Bindings& previous = {}) {
  auto bound = Bind(set, previous);
  REQUIRE(bound.has_value());
  return *bound;
}

Policy Choosing(std::string name, EgressIpChoice choice) {
  Selector from = Labelled("app", name);
  return {.name = std::move(name), .from = {std::move(from)}, .egress_ip = choice};
}

const EgressIpChoice kAuto{.kind = EgressIpChoice::Kind::kAuto, .addresses = {}};
const EgressIpChoice kDefault{.kind = EgressIpChoice::Kind::kDefault, .addresses = {}};
const EgressIpChoice kNode{.kind = EgressIpChoice::Kind::kNode, .addresses = {}};
EgressIpChoice Address(const char* ipv4) { return {.kind = EgressIpChoice::Kind::kAddress, .addresses = {{.ipv4 = A(ipv4), .ipv6 = {}}}}; }

PolicySet With(std::vector<Policy> policies) {
  PolicySet set = Sound();
  set.policies.clear();
  for (Policy& policy : policies) Add(set, std::move(policy));
  return set;
}

}  // namespace

TEST_CASE("auto takes unused addresses in the order of the pool, one of each family") {
  CHECK(Bound(MustBind(With({Choosing("a", kAuto), Choosing("b", kAuto)}))) ==
        Texts{"1 a edge 203.0.113.10", "2 a edge 2001:db8:1::10", "3 b edge 203.0.113.11", "4 b edge 2001:db8:1::11"});
}

TEST_CASE("auto leaves alone what other policies ask for") {
  CHECK(Bound(MustBind(With({Choosing("a", kAuto), Choosing("b", Address("203.0.113.10")), Choosing("c", kDefault)}))) ==
        Texts{"1 a edge 203.0.113.11", "2 a edge 2001:db8:1::11", "3 b edge 203.0.113.10", "4 c edge 203.0.113.10",
              "5 c edge 2001:db8:1::10"});
}

TEST_CASE("a given address binds only its family") {
  CHECK(Bound(MustBind(With({Choosing("a", Address("203.0.113.12"))}))) == Texts{"1 a edge 203.0.113.12"});
}

TEST_CASE("default is the gateway's default egress IP, else the first of its pools") {
  PolicySet set = With({Choosing("a", kDefault)});
  CHECK(Bound(MustBind(set)) == Texts{"1 a edge 203.0.113.10", "2 a edge 2001:db8:1::10"});
  set.gateways["edge"].default_ipv4 = A("203.0.113.12");
  CHECK(Bound(MustBind(set)) == Texts{"1 a edge 203.0.113.12", "2 a edge 2001:db8:1::10"});
  set.pools["public"].pair = true;
  CHECK(Bound(MustBind(set)) == Texts{"1 a edge 203.0.113.12", "2 a edge 2001:db8:1::12"});
}

TEST_CASE("node binds both families without an address") {
  CHECK(Bound(MustBind(With({Choosing("a", kNode)}))) == Texts{"1 a edge node-ipv4", "2 a edge node-ipv6"});
}

TEST_CASE("policies that are disabled or do not translate get nothing") {
  Policy off = Choosing("a", kAuto);
  off.enabled = false;
  Policy direct = Choosing("b", kAuto);
  direct.action = Action::kDirect;
  CHECK(Bound(MustBind(With({off, direct, Choosing("c", kAuto)}))) == Texts{"1 c edge 203.0.113.10", "2 c edge 2001:db8:1::10"});
}

TEST_CASE("a pool of pairs gives pairs away") {
  PolicySet set = With({Choosing("a", kAuto), Choosing("b", Address("203.0.113.10"))});
  set.pools["public"].pair = true;
  set.pools["public"].exclude = {R("203.0.113.12"), R("2001:db8:1::11")};
  // Pairs now are 10-10, 11-12, 13-13.
  CHECK(Bound(MustBind(set)) == Texts{"1 a edge 203.0.113.11", "2 a edge 2001:db8:1::12", "3 b edge 203.0.113.10"});
}

TEST_CASE("ids and automatic addresses stay when policies come and go") {
  const Bindings first = MustBind(With({Choosing("b", kAuto), Choosing("c", kAuto)}));
  const Bindings second = MustBind(With({Choosing("a", kAuto), Choosing("c", kAuto)}), first);
  CHECK(Bound(second) == Texts{"3 c edge 203.0.113.11", "4 c edge 2001:db8:1::11", "5 a edge 203.0.113.10", "6 a edge 2001:db8:1::10"});
  CHECK(second.cursor == EgressId{6});
}

TEST_CASE("binding the same set again changes nothing") {
  const PolicySet set = With({Choosing("a", kAuto), Choosing("b", kNode), Choosing("c", kDefault), Choosing("d", Address("203.0.113.13"))});
  const Bindings first = MustBind(set);
  CHECK(MustBind(set, first) == first);
}

TEST_CASE("another address is another pair, and gets another id") {
  const Bindings first = MustBind(With({Choosing("a", Address("203.0.113.12"))}));
  CHECK(Bound(MustBind(With({Choosing("a", Address("203.0.113.13"))}), first)) == Texts{"2 a edge 203.0.113.13"});
}

TEST_CASE("an automatic address that left the pool is replaced") {
  PolicySet set = With({Choosing("a", kAuto)});
  const Bindings first = MustBind(set);
  set.pools["public"].exclude = {R("203.0.113.10")};
  CHECK(Bound(MustBind(set, first)) == Texts{"2 a edge 2001:db8:1::10", "3 a edge 203.0.113.11"});
}

TEST_CASE("policies that shared an address by wish do not both keep it when they want their own") {
  const Bindings shared = MustBind(With({Choosing("a", Address("203.0.113.12")), Choosing("b", Address("203.0.113.12"))}));
  PolicySet set = With({Choosing("a", kAuto), Choosing("b", kAuto)});
  set.pools["public"].ipv6 = {};
  CHECK(Bound(MustBind(set, shared)) == Texts{"1 a edge 203.0.113.12", "3 b edge 203.0.113.10"});
}

TEST_CASE("ids wrap around the end and skip those in use") {
  const Bindings first = MustBind(With({Choosing("a", Address("203.0.113.12"))}));
  Bindings late = first;
  late.cursor = EgressId{65533};
  const auto bound =
      Bound(MustBind(With({Choosing("a", Address("203.0.113.12")), Choosing("b", kNode), Choosing("c", Address("203.0.113.13"))}), late));
  CHECK(bound == Texts{"1 a edge 203.0.113.12", "2 b edge node-ipv6", "3 c edge 203.0.113.13", "65534 b edge node-ipv4"});
}

TEST_CASE("ids that cannot be right are not taken over") {
  Bindings broken;
  broken.bindings = {{.id = EgressId{0}, .policy = "a", .gateway = "edge", .egress_ip = A("203.0.113.12")},
                     {.id = EgressId{65535}, .policy = "b", .gateway = "edge", .egress_ip = A("203.0.113.13")},
                     {.id = EgressId{7}, .policy = "c", .gateway = "edge", .egress_ip = A("203.0.113.13")},
                     {.id = EgressId{7}, .policy = "d", .gateway = "edge", .egress_ip = A("203.0.113.13")}};
  const PolicySet set = With({Choosing("a", Address("203.0.113.12")), Choosing("b", Address("203.0.113.13")),
                              Choosing("c", Address("203.0.113.13")), Choosing("d", Address("203.0.113.13"))});
  CHECK(Bound(MustBind(set, broken)) ==
        Texts{"1 a edge 203.0.113.12", "2 b edge 203.0.113.13", "3 d edge 203.0.113.13", "7 c edge 203.0.113.13"});
}

TEST_CASE("replicas take so many addresses of each family") {
  Policy several = Choosing("a", kAuto);
  several.replicas = 2;
  const Bindings bound = MustBind(With({several, Choosing("b", kAuto)}));
  CHECK(Bound(bound) == Texts{"1 a edge 203.0.113.10", "2 a edge 203.0.113.11", "3 a edge 2001:db8:1::10", "4 a edge 2001:db8:1::11",
                              "5 b edge 203.0.113.12", "6 b edge 2001:db8:1::12"});
  several.replicas = 3;
  const Bindings more = MustBind(With({several, Choosing("b", kAuto)}), bound);
  CHECK(Bound(more) == Texts{"1 a edge 203.0.113.10", "2 a edge 203.0.113.11", "3 a edge 2001:db8:1::10", "4 a edge 2001:db8:1::11",
                             "5 b edge 203.0.113.12", "6 b edge 2001:db8:1::12", "7 a edge 203.0.113.13", "8 a edge 2001:db8:1::13"});
  several.replicas = 1;  // the oldest one stays
  CHECK(Bound(MustBind(With({several, Choosing("b", kAuto)}), more)) ==
        Texts{"1 a edge 203.0.113.10", "3 a edge 2001:db8:1::10", "5 b edge 203.0.113.12", "6 b edge 2001:db8:1::12"});
}

TEST_CASE("replicas from a pool of pairs are pairs, and stay pairs") {
  Policy several = Choosing("a", kAuto);
  several.replicas = 2;
  PolicySet set = With({several});
  set.pools["public"].pair = true;
  set.pools["public"].exclude = {R("203.0.113.11"), R("2001:db8:1::10")};
  // Pairs now are 10-11, 12-12, 13-13.
  const Bindings bound = MustBind(set);
  CHECK(Bound(bound) == Texts{"1 a edge 203.0.113.10", "2 a edge 203.0.113.12", "3 a edge 2001:db8:1::11", "4 a edge 2001:db8:1::12"});
  CHECK(MustBind(set, bound) == bound);
}

TEST_CASE("of a list so many are at work as there are replicas, and the rest is nobody else's") {
  EgressIpChoice list{.kind = EgressIpChoice::Kind::kAddress,
                      .addresses = {{.ipv4 = A("203.0.113.11"), .ipv6 = {}}, {.ipv4 = A("203.0.113.10"), .ipv6 = A("2001:db8:1::12")}}};
  Policy listing = Choosing("a", list);
  CHECK(Bound(MustBind(With({listing}))) == Texts{"1 a edge 203.0.113.11", "2 a edge 203.0.113.10", "3 a edge 2001:db8:1::12"});
  listing.replicas = 1;
  CHECK(Bound(MustBind(With({listing, Choosing("b", kAuto)}))) ==
        Texts{"1 a edge 203.0.113.11", "2 a edge 2001:db8:1::12", "3 b edge 203.0.113.12", "4 b edge 2001:db8:1::10"});
}

TEST_CASE("E230: fewer unused addresses than replicas") {
  Policy several = Choosing("a", kAuto);
  several.replicas = 5;
  const auto bound = Bind(With({several}), {});
  REQUIRE(!bound.has_value());
  CHECK(Seen(bound.error()) == Texts{"E230 policies.a.replicas", "E230 policies.a.replicas"});
  CHECK(bound.error()[0].message == "the pools of gateway edge have only 4 of 5 unused IPv4 addresses for `replicas: 5`");
  CHECK(bound.error()[0].hint == "add addresses to pool public, or `replicas: 4`");
}

TEST_CASE("a policy of its own node binds no gateway and no address") {
  Policy own = Choosing("a", kNode);
  own.gateway = std::string(kSelf);
  CHECK(Bound(MustBind(With({own}))) == Texts{"1 a self node-ipv4", "2 a self node-ipv6"});
}

TEST_CASE("W322: an automatic address that is in use leaves the pool") {
  PolicySet set = With({Choosing("a", kAuto), Choosing("b", kAuto)});
  const Bindings bound = MustBind(set);
  CHECK(RemovedInUse(set, bound).empty());
  set.pools["public"].exclude = {R("203.0.113.11")};
  const std::vector<Finding> findings = RemovedInUse(set, bound);
  CHECK(Seen(findings) == Texts{"W322 gateways.edge.pool"});
  CHECK(findings[0].message.starts_with("203.0.113.11 is in use by policy b, and no pool of gateway edge offers it any more"));
  set.policies.erase("b");
  CHECK(RemovedInUse(set, bound).empty());
}

TEST_CASE("E230: a pool without unused addresses left") {
  std::vector<Policy> policies;
  for (const char* name : {"a", "b", "c", "d", "e"}) policies.push_back(Choosing(name, kAuto));
  const auto bound = Bind(With(policies), {});
  REQUIRE(!bound.has_value());
  CHECK(Seen(bound.error()) == Texts{"E230 policies.e.egress_ip", "E230 policies.e.egress_ip"});
  CHECK(bound.error()[0].message == "the pools of gateway edge have no unused IPv4 address left for `egress_ip: auto`");
}

TEST_CASE("E231: more bindings than ids") {
  PolicySet set = With({});
  for (int i = 0; i < 32768; ++i) Add(set, Choosing("p" + std::to_string(i), kNode));
  const auto bound = Bind(set, {});
  REQUIRE(!bound.has_value());
  CHECK(Seen(bound.error()) == Texts{"E231 policies"});
}

TEST_CASE("several pools fill each other up") {
  PolicySet set = With({Choosing("a", kAuto), Choosing("b", kAuto)});
  set.pools["public"] = {.name = "public", .ipv4 = {R("203.0.113.10")}};
  Add(set, Pool{.name = "more", .ipv4 = {R("198.51.100.1")}, .ipv6 = {R("2001:db8:2::/64")}});
  set.gateways["edge"].pools = {"public", "more"};
  CHECK(Bound(MustBind(set)) == Texts{"1 a edge 203.0.113.10", "2 a edge 2001:db8:2::", "3 b edge 198.51.100.1", "4 b edge 2001:db8:2::1"});
}

TEST_CASE("the addresses of a pool come in the order in which it lists them, without the excluded ones") {
  const Pool pool{.name = "p",
                  .ipv4 = {R("203.0.113.50"), R("203.0.113.10-203.0.113.13")},
                  .ipv6 = {R("2001:db8::/32")},
                  .exclude = {R("203.0.113.11-203.0.113.12")}};
  CHECK(AddressesOf(pool, Family::kIpv4, 99) == std::vector{A("203.0.113.50"), A("203.0.113.10"), A("203.0.113.13")});
  CHECK(AddressesOf(pool, Family::kIpv4, 2) == std::vector{A("203.0.113.50"), A("203.0.113.10")});
  CHECK(AddressesOf(pool, Family::kIpv6, 2) == std::vector{A("2001:db8::"), A("2001:db8::1")});
}

TEST_CASE("a pool may end with the last address there is") {
  const Pool pool{.name = "p", .ipv4 = {R("255.255.255.254-255.255.255.255")}, .exclude = {R("255.255.255.255")}};
  CHECK(AddressesOf(pool, Family::kIpv4, 9) == std::vector{A("255.255.255.254")});
}

TEST_CASE("a pool contains what it offers, and counts as much") {
  const Pool pool{.name = "p", .ipv4 = {R("203.0.113.10-203.0.113.12"), R("203.0.113.20")}, .exclude = {R("203.0.113.11")}};
  CHECK(CountOf(pool, Family::kIpv4) == 3);
  CHECK(CountOf(pool, Family::kIpv6) == 0);
  CHECK(Contains(pool, A("203.0.113.10")));
  CHECK(Contains(pool, A("203.0.113.20")));
  CHECK_FALSE(Contains(pool, A("203.0.113.11")));
  CHECK_FALSE(Contains(pool, A("203.0.113.13")));
  CHECK_FALSE(Contains(pool, A("2001:db8::1")));
}

}  // namespace egressd::policy
