// One contract, two subjects: the kernel of this machine in a namespace of its own, and the fake.
#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "egressd/kernel/kernel.h"
#include "reconcile_world.h"
#include "rtnl_outsider.h"
#include "support/fake_kernel.h"
#include "support/sandbox.h"
#include "support/temporary_directory.h"

namespace egressd::test {
namespace {

using state::State;

struct RealSubject {
  Sandbox sandbox;
  TemporaryDirectory directory;
  Outsider outsider;
  kernel::Kernel kernel = Start();

  kernel::Kernel Start() {
    REQUIRE(outsider.MakeVeth("eth0", "eth0peer") == 0);
    REQUIRE(outsider.SetUp("eth0") == 0);
    REQUIRE(outsider.SetUp("eth0peer") == 0);
    return kernel::Kernel::Open({.state_directory = directory.path()}).value();
  }
  void Pass(Duration time) { std::this_thread::sleep_for(time); }
  // A device on which IPv6 is switched off refuses IPv6 addresses.
  void RefuseIpv6EgressAddresses() {
    std::ofstream("/proc/sys/net/ipv6/conf/eth0/disable_ipv6") << "1";
  }
};

struct FakeSubject {
  FakeKernel kernel;
  void Pass(Duration time) { kernel.now += time; }
  void RefuseIpv6EgressAddresses() {
    kernel.refuses = [](const state::Step& step) {
      const auto* address = std::get_if<state::EgressAddress>(&step.object);
      return address != nullptr && address->key.address.family() == Family::kIpv6;
    };
  }
};

// Text, so that a failure shows what is wrong.
std::string Difference(const State& observed, const State& desired) { return state::ToString(state::Diff(observed, desired)); }

template <typename Subject>
void Reach(Subject& subject, const State& desired) {
  const auto done = subject.kernel.Reconcile(desired);
  REQUIRE_MESSAGE(done.has_value(), (done ? std::string() : done.error().message));
  const auto observed = subject.kernel.Observe();
  REQUIRE(observed);
  CHECK(Difference(*observed, desired) == "");
  const auto again = subject.kernel.Reconcile(desired);
  REQUIRE(again);
  CHECK(state::ToString(*again) == "");
}

}  // namespace

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
  CHECK(addresses() == std::set<std::string>{"203.0.113.10"});
  CHECK(subject.kernel.TakeNotifications().ours);  // the other one went
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

// ---- leases -----------------------------------------------------------------------------------------------------------------

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLong = seconds(100), kShort = milliseconds(200);
constexpr Duration kTick = milliseconds(20);  // more than one of any kernel

void PutLease(State& state, const std::string& address, Duration lease) {
  for (const auto family : {state::NftFamily::kInet, state::NftFamily::kArp}) state::Put(state.elements, Answers(family, address, lease));
}

State WithLease(Duration lease) {
  State state = FullState();
  PutLease(state, "203.0.113.20", lease);
  return state;
}

template <typename Subject>
void Give(Subject& subject, const State& desired) {
  REQUIRE(subject.kernel.Wake(kLong));
  const auto done = subject.kernel.Reconcile(desired);
  REQUIRE_MESSAGE(done.has_value(), (done ? std::string() : done.error().message));
}

template <typename Subject>
void Lease(Subject& subject, const State& desired) {
  Give(subject, desired);
  CHECK(Difference(subject.kernel.Observe().value(), desired) == "");
}

template <typename Outcome>
bool IsExpired(const Outcome& outcome) {
  return !outcome && outcome.error().kind == ErrorKind::kExpired;
}

}  // namespace

TEST_CASE_TEMPLATE("a lease is given after a wake and not without one", Subject, RealSubject, FakeSubject) {
  Subject subject;
  const State leased = WithLease(kLong);
  CHECK(IsExpired(subject.kernel.Reconcile(leased)));
  CHECK(Difference(State{}, subject.kernel.Observe().value()) == "");
  Reach(subject, FullState());
  CHECK(IsExpired(subject.kernel.Reconcile(leased)));
  CHECK(Difference(subject.kernel.Observe().value(), FullState()) == "");
  Lease(subject, leased);
  CHECK(subject.kernel.Reconcile(leased).value().empty());
}

TEST_CASE_TEMPLATE("on a kernel without anything of ours, a wake is enough for the first leases", Subject, RealSubject, FakeSubject) {
  Subject subject;
  Lease(subject, WithLease(kLong));
}

TEST_CASE_TEMPLATE("a wake is good for one batch", Subject, RealSubject, FakeSubject) {
  Subject subject;
  State leased = WithLease(kLong);
  Lease(subject, leased);
  CHECK(IsExpired(subject.kernel.Renew(leased)));
  PutLease(leased, "203.0.113.21", kLong);
  CHECK(IsExpired(subject.kernel.Reconcile(leased)));
  Lease(subject, leased);
}

TEST_CASE_TEMPLATE("a wake ends when its time is over, and nothing happens then", Subject, RealSubject, FakeSubject) {
  Subject subject;
  Reach(subject, FullState());
  State desired = WithLease(kLong);
  desired.routes.erase(desired.routes.begin());
  REQUIRE(subject.kernel.Wake(milliseconds(50)));
  subject.Pass(milliseconds(100));
  CHECK(IsExpired(subject.kernel.Reconcile(desired)));
  CHECK(Difference(subject.kernel.Observe().value(), FullState()) == "");
  Lease(subject, desired);
  REQUIRE(subject.kernel.Wake(milliseconds(50)));
  subject.Pass(milliseconds(100));
  CHECK(IsExpired(subject.kernel.Renew(desired)));
  REQUIRE(subject.kernel.Wake(kLong));
  CHECK(subject.kernel.Renew(desired));
}

TEST_CASE_TEMPLATE("the later wake counts", Subject, RealSubject, FakeSubject) {
  Subject subject;
  REQUIRE(subject.kernel.Wake(kLong));
  REQUIRE(subject.kernel.Wake(milliseconds(50)));
  subject.Pass(milliseconds(100));
  CHECK(IsExpired(subject.kernel.Reconcile(WithLease(kLong))));
  REQUIRE(subject.kernel.Wake(milliseconds(20)));
  REQUIRE(subject.kernel.Wake(kLong));
  subject.Pass(milliseconds(100));
  CHECK(subject.kernel.Reconcile(WithLease(kLong)));
}

TEST_CASE_TEMPLATE("a wake of no length shuts the kernel for leases", Subject, RealSubject, FakeSubject) {
  Subject subject;
  CHECK(subject.kernel.Wake(milliseconds(0)));
  REQUIRE(subject.kernel.Wake(kLong));
  REQUIRE(subject.kernel.Wake(milliseconds(0)));
  CHECK(IsExpired(subject.kernel.Reconcile(WithLease(kLong))));
  REQUIRE(subject.kernel.Wake(kLong));
  CHECK(subject.kernel.Reconcile(WithLease(kLong)));
}

TEST_CASE_TEMPLATE("a lease ends by itself, and the same desired state gives it again", Subject, RealSubject, FakeSubject) {
  Subject subject;
  const State leased = WithLease(kShort);
  Give(subject, leased);
  subject.Pass(kShort + kTick);
  CHECK(Difference(subject.kernel.Observe().value(), FullState()) == "");
  Give(subject, leased);
  // Without an Observe of somebody else in between.
  subject.Pass(kShort + kTick);
  CHECK(IsExpired(subject.kernel.Reconcile(leased)));
  REQUIRE(subject.kernel.Wake(kLong));
  const auto again = subject.kernel.Reconcile(leased);
  REQUIRE(again);
  CHECK(again->size() == 2);
  CHECK(again->size() == again->cut_over.size());
}

TEST_CASE_TEMPLATE("a lease that is renewed goes on", Subject, RealSubject, FakeSubject) {
  Subject subject;
  const State leased = WithLease(seconds(2));
  Lease(subject, leased);
  for (int i = 0; i < 5; ++i) {
    subject.Pass(milliseconds(500));
    REQUIRE(subject.kernel.Wake(kLong));
    const auto renewed = subject.kernel.Renew(leased);
    REQUIRE_MESSAGE(renewed.has_value(), (renewed ? std::string() : renewed.error().message));
  }
  CHECK(Difference(subject.kernel.Observe().value(), leased) == "");
  CHECK(subject.kernel.Reconcile(leased).value().empty());
}

TEST_CASE_TEMPLATE("when one lease has run out, none is renewed and the wake is not used up", Subject, RealSubject, FakeSubject) {
  Subject subject;
  State leased = WithLease(kShort);
  PutLease(leased, "203.0.113.21", kLong);
  Give(subject, leased);
  subject.Pass(kShort + kTick);
  REQUIRE(subject.kernel.Wake(kLong));
  CHECK(IsExpired(subject.kernel.Renew(leased)));
  const auto again = subject.kernel.Reconcile(leased);
  REQUIRE(again);
  CHECK(again->size() == 2);
}

TEST_CASE_TEMPLATE("nothing to renew needs no wake", Subject, RealSubject, FakeSubject) {
  Subject subject;
  CHECK(subject.kernel.Renew({}));
  Reach(subject, FullState());
  CHECK(subject.kernel.Renew(FullState()));
}

TEST_CASE_TEMPLATE("giving a lease up needs no wake, not even when it has run out; another timeout is another lease", Subject, RealSubject,
                   FakeSubject) {
  Subject subject;
  Lease(subject, WithLease(kLong));
  CHECK(IsExpired(subject.kernel.Reconcile(WithLease(2 * kLong))));
  Lease(subject, WithLease(2 * kLong));
  Reach(subject, FullState());
  Give(subject, WithLease(kShort));
  subject.Pass(kShort + kTick);
  Reach(subject, FullState());
}

TEST_CASE_TEMPLATE("what is refused gives no lease, and one that was given up for it does not come back by itself", Subject,
                   RealSubject, FakeSubject) {
  Subject subject;
  State before = FullState();
  std::erase_if(before.egress_addresses, [](const auto& entry) { return entry.first.address.family() == Family::kIpv6; });
  State desired = before;
  PutLease(before, "203.0.113.20", kLong);
  PutLease(before, "203.0.113.21", kLong);
  Lease(subject, before);
  PutLease(desired, "203.0.113.21", kLong);
  PutLease(desired, "203.0.113.22", kLong);
  desired.egress_addresses = FullState().egress_addresses;
  subject.RefuseIpv6EgressAddresses();
  REQUIRE(subject.kernel.Wake(kLong));
  CHECK(!subject.kernel.Reconcile(desired));
  State left = FullState();
  left.egress_addresses = before.egress_addresses;
  PutLease(left, "203.0.113.21", kLong);
  CHECK(Difference(subject.kernel.Observe().value(), left) == "");
  Lease(subject, before);
}

TEST_CASE_TEMPLATE("cleaning up ends leases", Subject, RealSubject, FakeSubject) {
  Subject subject;
  Lease(subject, WithLease(kLong));
  REQUIRE(subject.kernel.Cleanup());
  CHECK(Difference(State{}, subject.kernel.Observe().value()) == "");
}

}  // namespace egressd::test
