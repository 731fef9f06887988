#include <doctest/doctest.h>

#include "egressd/state/state.h"
#include "egressd/state/transaction.h"

namespace egressd::state {
namespace {

IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }
const NftName kMap{.name = "nexthop"};

State Small() {
  State state;
  Put(state.links, Link{.key = {"egressd0"}, .vni = 100});
  Put(state.routes, Route{.key = {26001, Prefix::Parse("0.0.0.0/0").value()}, .device = "egressd0", .next_hop = Ip("198.19.0.2")});
  Put(state.tables, NftTable{.key = {.name = "egressd"}});
  Put(state.sets, NftSet{.key = kMap, .type = NftSet::Type::kMark, .value = NftSet::Type::kMark});
  for (std::uint32_t id = 1; id <= 2; ++id) {
    Put(state.elements, NftElement{.key = {kMap, NftBytes::Mark(id), NftBytes::Mark(id)}, .value = NftBytes::Mark(id << 24)});
  }
  Put(state.egress_addresses, EgressAddress{.key = {"eth0", Ip("203.0.113.10")}});
  return state;
}

}  // namespace

TEST_CASE("from nothing, everything is built, cut over and taken in that order") {
  const Transaction transaction = Diff({}, Small());
  CHECK(transaction.release.empty());
  CHECK(transaction.build.size() == 2);
  CHECK(transaction.cut_over.size() == 4);
  CHECK(transaction.take.size() == 1);
  CHECK(transaction.clean.empty());
  CHECK(transaction.size() == 7);
}

TEST_CASE("to nothing, addresses are released first and links removed last; a table takes its content along") {
  const Transaction transaction = Diff(Small(), {});
  CHECK(ToString(transaction) ==
        "- egress address 203.0.113.10 dev eth0\n"
        "- table inet egressd\n"
        "- route 0.0.0.0/0 table 26001 via 198.19.0.2 dev egressd0\n"
        "- link egressd0 vxlan vni 100 port 0 local 0.0.0.0 mac 00:00:00:00:00:00 mtu 0\n");
}

TEST_CASE("one changed element is one step") {
  State desired = Small();
  Put(desired.elements, NftElement{.key = {kMap, NftBytes::Mark(2), NftBytes::Mark(2)}, .value = NftBytes::Mark(9)});
  const Transaction transaction = Diff(Small(), desired);
  REQUIRE(transaction.size() == 1);
  REQUIRE(transaction.cut_over.size() == 1);
  CHECK(transaction.cut_over.front().operation == Operation::kReplace);
}

TEST_CASE("an element with another timeout is another element: removed and added in one step") {
  State before = Small();
  before.sets.begin()->second.timeouts = true;
  before.elements.begin()->second.timeout = std::chrono::seconds(15);
  State after = before;
  after.elements.begin()->second.timeout = std::chrono::milliseconds(300);
  CHECK(Diff(before, before).empty());
  CHECK(ToString(Diff(before, after)) == "~ element inet nexthop 01000000 : 00000001 timeout 300ms\n");
  CHECK(ToString(Diff(after, before)) == "~ element inet nexthop 01000000 : 00000001 timeout 15s\n");
  after.elements.begin()->second.timeout.reset();
  CHECK(ToString(Diff(before, after)) == "~ element inet nexthop 01000000 : 00000001\n");
}

TEST_CASE("a set that gets timeouts is another set") {
  State desired = Small();
  desired.sets.begin()->second.timeouts = true;
  const std::string text = ToString(Diff(Small(), desired));
  CHECK(text.starts_with("~ map inet nexthop type mark : mark timeout\n"));
}

TEST_CASE("the two tables of ours go each with its own content") {
  State both = Small();
  Put(both.tables, NftTable{.key = {.family = NftFamily::kArp, .name = "egressd"}});
  Put(both.counters, NftCounter{.key = {.family = NftFamily::kArp, .name = "not_answered"}});
  CHECK(ToString(Diff(both, Small())) == "- table arp egressd\n");
}

TEST_CASE("an egress address that moves to another device is released before it is taken") {
  State desired = Small();
  desired.egress_addresses.clear();
  Put(desired.egress_addresses, EgressAddress{.key = {"eth1", Ip("203.0.113.10")}});
  const Transaction transaction = Diff(Small(), desired);
  CHECK(transaction.release.size() == 1);
  CHECK(transaction.take.size() == 1);
  CHECK(transaction.size() == 2);
}

TEST_CASE("a replaced set gets all its elements again, a removed one needs no steps for them") {
  State desired = Small();
  desired.sets.begin()->second.value = NftSet::Type::kIpv4;
  Transaction transaction = Diff(Small(), desired);
  REQUIRE(transaction.cut_over.size() == 3);
  CHECK(transaction.cut_over[0].operation == Operation::kReplace);
  CHECK(transaction.cut_over[1].operation == Operation::kCreate);
  CHECK(transaction.cut_over[2].operation == Operation::kCreate);

  desired = Small();
  desired.sets.clear();
  desired.elements.clear();
  transaction = Diff(Small(), desired);
  REQUIRE(transaction.cut_over.size() == 1);
  CHECK(transaction.cut_over[0].operation == Operation::kRemove);
}

TEST_CASE("a replaced set takes the chains along that look into it, and no others") {
  State before = Small();
  const auto chain = [](const char* name, std::vector<NftExpression> expressions) {
    return NftChain{.key = {.name = name}, .rules = {Seal({.text = name, .expressions = std::move(expressions)})}};
  };
  Put(before.chains, chain("looks", {NftLookup{.set = "nexthop", .result = NftLookup::Result::kValue}}));
  Put(before.chains, chain("does_not", {NftLookup{.set = "held"}}));
  State after = before;
  after.sets.at(kMap).intervals = true;
  const std::string text = ToString(Diff(before, after));
  CHECK(text.contains("looks with 1 rule"));
  CHECK_FALSE(text.contains("does_not"));
}

TEST_CASE("another rate is another limit: the elements that refer to it go and come again, others stay") {
  State before = Small();
  Put(before.limits, NftLimit{.key = {.name = "out_web"}, .rate_bytes = 1000});
  Put(before.limits, NftLimit{.key = {.name = "out_mail"}, .rate_bytes = 1000});
  const NftName map{.name = "limit_out"};
  Put(before.sets, NftSet{.key = map, .type = NftSet::Type::kMark, .value = NftSet::Type::kLimit});
  for (const auto& [mark, name] : {std::pair(1u, "out_web"), std::pair(2u, "out_web"), std::pair(3u, "out_mail")}) {
    const NftBytes key = NftBytes::Mark(mark);
    Put(before.elements, NftElement{.key = {.set = map, .first = key, .last = key}, .value = NftLimitName{.name = name}});
  }
  State after = before;
  after.limits.at({.name = "out_web"}).rate_bytes = 2000;
  CHECK(ToString(Diff(before, after)) == "~ limit inet out_web rate over 2000 bytes/second burst 0 bytes\n"
                                         "~ element inet limit_out 01000000 : limit out_web\n"
                                         "~ element inet limit_out 02000000 : limit out_web\n");
  State state = before;
  Apply(Diff(before, after), state);
  CHECK(state == after);
}

TEST_CASE("chains differ by the order and the digests of their rules") {
  const NftRule first = Seal({.text = "first"});
  const NftRule second = Seal({.text = "second"});
  State observed;
  Put(observed.chains, NftChain{.key = {.name = "steer"}, .rules = {NftRule{.digest = first.digest}, NftRule{.digest = second.digest}}});
  State desired;
  Put(desired.chains, NftChain{.key = {.name = "steer"}, .rules = {first, second}});
  CHECK(Diff(observed, desired).empty());
  std::swap(desired.chains.begin()->second.rules[0], desired.chains.begin()->second.rules[1]);
  CHECK(Diff(observed, desired).size() == 1);
}

TEST_CASE("a VLAN is there before its sysctls and egress addresses, and goes after them") {
  State state;
  Put(state.vlans, Vlan{.key = {"eg100-eth0"}, .parent = "eth0", .id = 100});
  Put(state.sysctls, Sysctl{.key = {"net/ipv4/conf/eg100-eth0/rp_filter"}, .value = "2"});
  Put(state.egress_addresses, EgressAddress{.key = {"eg100-eth0", Ip("203.0.113.10")}});
  const Transaction made = Diff({}, state);
  CHECK(ToString(made.build.front()) == "+ vlan eg100-eth0 id 100 on eth0");
  CHECK(made.take.size() == 1);
  const Transaction unmade = Diff(state, {});
  CHECK(unmade.release.size() == 1);
  CHECK(std::holds_alternative<Vlan>(unmade.clean.back().object));
}

TEST_CASE("an egress address that ends by itself says so") {
  EgressAddress address{.key = {"eth0", Ip("2001:db8::10")}};
  CHECK(ToString(address) == "egress address 2001:db8::10 dev eth0");
  address.lifetime = std::chrono::seconds(15);
  address.prefix_route = true;
  CHECK(ToString(address) == "egress address 2001:db8::10 dev eth0 lifetime 15s with prefix route");
}

TEST_CASE("links are built before the sysctls of their devices and cleaned after them") {
  State state;
  Put(state.links, Link{.key = {"egressd0"}});
  Put(state.sysctls, Sysctl{.key = {"net/ipv4/conf/egressd0/rp_filter"}, .value = "2"});
  const Transaction made = Diff({}, state);
  CHECK(std::holds_alternative<Link>(made.build.front().object));
  const Transaction unmade = Diff(state, {});
  CHECK(std::holds_alternative<Link>(unmade.clean.back().object));
}

TEST_CASE("every kind of object has a word of its own") {
  CHECK(KindOf(Route{}) == "route");
  CHECK(KindOf(NftElement{}) == "element");
  CHECK(KindOf(EgressAddress{}) == "egress_address");
  CHECK(KindOf(Sysctl{}) == "sysctl");
  CHECK(ToString(NftCounter{}).starts_with(KindOf(NftCounter{})));
  CHECK(ToString(Route{}).starts_with(KindOf(Route{})));
}

}  // namespace egressd::state
