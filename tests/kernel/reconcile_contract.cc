// One contract, two subjects: what Reconcile, Observe and their kin do with every kind of object.
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "reconcile_subjects.h"
#include "reconcile_world.h"

namespace egressd::test {

TEST_CASE_TEMPLATE("an empty kernel holds nothing and needs nothing", Subject, RealSubject, FakeSubject) {
  Subject subject;
  CHECK(Difference(State{}, subject.kernel.Observe().value()) == "");
  CHECK(subject.kernel.Reconcile({}).value().empty());
}

TEST_CASE_TEMPLATE("every kind is created, found again and removed", Subject, RealSubject, FakeSubject) {
  Subject subject;
  const State full = FullState();
  Reach(subject, full);
  Reach(subject, {});
  Reach(subject, full);
}

TEST_CASE_TEMPLATE("whatever can change in an object is changed", Subject, RealSubject, FakeSubject) {
  Subject subject;
  Reach(subject, FullState());
  const std::pair<const char*, std::function<void(State&)>> changes[] = {
      {"mtu", [](State& s) { s.links.begin()->second.mtu_bytes = 1400; }},
      {"mac", [](State& s) { s.links.begin()->second.mac = Mac("ee:67:00:00:00:09"); }},
      {"vni", [](State& s) { s.links.begin()->second.vni = 101; }},
      {"port", [](State& s) { s.links.begin()->second.port = 7790; }},
      {"local", [](State& s) { s.links.begin()->second.local = Ip("192.0.2.9"); }},
      {"sysctl", [](State& s) { s.sysctls.begin()->second.value = "0"; }},
      {"tunnel address", [](State& s) {
         s.addresses.clear();
         state::Put(s.addresses, state::Address{.key = {"egressd0", {Ip("198.19.0.77"), 16}}});
       }},
      {"neighbour", [](State& s) { s.neighbours.begin()->second.mac = Mac("ee:67:00:00:00:0a"); }},
      {"fdb", [](State& s) { s.fdb.begin()->second.destination = Ip("192.0.2.77"); }},
      {"route", [](State& s) { s.routes.begin()->second.next_hop = Ip("198.19.0.78"); }},
      {"route of the other family", [](State& s) { s.routes.rbegin()->second.device = "eth0"; }},
      {"rule", [](State& s) { s.rules.erase(s.rules.begin()); }},
      {"element", [](State& s) {
         const state::NftBytes key = state::NftBytes::Mark(2);
         s.elements.at({.set = {.name = "nexthop"}, .first = key, .last = key}).value = state::NftBytes::Mark(77);
       }},
      {"set", [](State& s) { s.sets.at({.name = "answers"}).timeouts = false; }},
      {"chain", [](State& s) { s.chains.at({.name = "prerouting"}).hook->priority = -140; }},
      {"chain of the other table", [](State& s) { s.chains.at({state::NftFamily::kArp, "neighbours"}).hook->priority = -9; }},
      {"the other table", [](State& s) {
         s.tables.erase({state::NftFamily::kArp, "egressd"});
         std::erase_if(s.counters, [](const auto& entry) { return entry.first.family == state::NftFamily::kArp; });
         std::erase_if(s.sets, [](const auto& entry) { return entry.first.family == state::NftFamily::kArp; });
         std::erase_if(s.chains, [](const auto& entry) { return entry.first.family == state::NftFamily::kArp; });
         std::erase_if(s.elements, [](const auto& entry) { return entry.first.set.family == state::NftFamily::kArp; });
       }},
      {"egress address", [](State& s) {
         s.egress_addresses.clear();
         state::Put(s.egress_addresses, state::EgressAddress{.key = {"eth0", Ip("203.0.113.11")}});
       }},
  };
  for (const auto& [what, change] : changes) {
    CAPTURE(std::string(what));
    State desired = FullState();
    change(desired);
    Reach(subject, desired);
    Reach(subject, FullState());
  }
}

TEST_CASE_TEMPLATE("a refusal in the last phase leaves everything as it was", Subject, RealSubject, FakeSubject) {
  Subject subject;
  State before = FullState();
  std::erase_if(before.egress_addresses, [](const auto& entry) { return entry.first.address.family() == Family::kIpv6; });
  Reach(subject, before);
  subject.RefuseIpv6EgressAddresses();
  State desired = FullState();
  desired.links.begin()->second.mtu_bytes = 1300;
  desired.elements.clear();
  desired.rules.clear();
  const auto refused = subject.kernel.Reconcile(desired);
  REQUIRE(!refused);
  CHECK(refused.error().message.contains("egress address 2001:db8::10 dev eth0"));
  CHECK(Difference(subject.kernel.Observe().value(), before) == "");
  CHECK(subject.kernel.Reconcile(before).value().empty());
}

TEST_CASE_TEMPLATE("only the egress addresses are released after a crash", Subject, RealSubject, FakeSubject) {
  Subject subject;
  const State full = FullState();
  Reach(subject, full);
  const auto released = subject.kernel.ReleaseEgressAddresses();
  REQUIRE(released);
  CHECK(released->size() == 2);
  State rest = full;
  rest.egress_addresses.clear();
  CHECK(Difference(subject.kernel.Observe().value(), rest) == "");
  Reach(subject, full);
}

namespace {

constexpr Duration kLifetime = std::chrono::seconds(50);

State WithLifetime(Duration lifetime) {
  State state = FullState();
  for (auto& [key, address] : state.egress_addresses) {
    address.lifetime = lifetime;
    address.prefix_route = key.address.family() == Family::kIpv6;
  }
  return state;
}

}  // namespace

TEST_CASE_TEMPLATE("an egress address gets and loses a lifetime and its route", Subject, RealSubject, FakeSubject) {
  Subject subject;
  Reach(subject, FullState());
  Reach(subject, WithLifetime(kLifetime));
  subject.Pass(std::chrono::milliseconds(1'200));  // less is left of it, and that is no difference
  CHECK(Difference(subject.kernel.Observe().value(), WithLifetime(kLifetime)) == "");
  Reach(subject, WithLifetime(2 * kLifetime));
  Reach(subject, FullState());
  Reach(subject, WithLifetime(kLifetime));
  Reach(subject, {});
}

TEST_CASE("the kernel takes an address away that nobody renews, and keeps one that is renewed") {
  RealSubject subject;
  const State desired = WithLifetime(std::chrono::seconds(2));
  REQUIRE(subject.kernel.Reconcile(desired));
  const auto addresses = [&] {
    std::set<std::string> found;
    for (const auto& [there, address] : subject.kernel.Observe().value().egress_addresses) found.insert(there.address.ToString());
    return found;
  };
  for (int i = 0; i < 8; ++i) {
    subject.Pass(std::chrono::milliseconds(500));
    REQUIRE(subject.kernel.Prolong(std::vector{desired.egress_addresses.at({"eth0", Ip("203.0.113.10")})}));
  }
  CHECK(subject.kernel.TakeNotifications().ours);  // the other one went
  CHECK(addresses() == std::set<std::string>{"203.0.113.10"});
  for (int i = 0; i < 60 && !addresses().empty(); ++i) subject.Pass(std::chrono::milliseconds(100));
  CHECK(addresses().empty());
}

TEST_CASE("what an earlier process gave is given anew, with its whole lifetime") {
  RealSubject subject;
  Reach(subject, WithLifetime(kLifetime));
  subject.Pass(std::chrono::milliseconds(1'200));
  kernel::Kernel later = kernel::Kernel::Open({.state_directory = subject.directory.path()}).value();
  const auto done = later.Reconcile(WithLifetime(kLifetime));
  REQUIRE(done);
  CHECK(done->take.size() == 2);
  CHECK(Difference(later.Observe().value(), WithLifetime(kLifetime)) == "");
}

namespace {

State WithVlan(std::uint16_t id) {
  State state;
  const std::string name = "eg" + std::to_string(id) + "-eth0";
  state::Put(state.vlans, state::Vlan{.key = {name}, .parent = "eth0", .id = id});
  state::Put(state.egress_addresses, state::EgressAddress{.key = {name, Ip("198.51.100.10")}});
  return state;
}

}  // namespace

TEST_CASE_TEMPLATE("a VLAN is a device of its own with egress addresses, or the kernel says why not", Subject, RealSubject, FakeSubject) {
  Subject subject;
  if (const auto done = subject.kernel.Reconcile(WithVlan(100)); !done) {
    CHECK(done.error().message.contains("create vlan eg100-eth0 id 100 on eth0"));
    CHECK(done.error().message.contains("this kernel has no 8021q"));
    CHECK(Difference(subject.kernel.Observe().value(), {}) == "");
    return;
  }
  Reach(subject, WithVlan(100));
  Reach(subject, WithVlan(101));
  Reach(subject, {});
}

TEST_CASE_TEMPLATE("cleaning up leaves nothing", Subject, RealSubject, FakeSubject) {
  Subject subject;
  Reach(subject, FullState());
  REQUIRE(subject.kernel.Cleanup());
  CHECK(Difference(State{}, subject.kernel.Observe().value()) == "");
  CHECK(subject.kernel.Cleanup().value().empty());
}

}  // namespace egressd::test
