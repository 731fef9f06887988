// One contract, two subjects: the kernel of this machine in a namespace of its own, and the fake.
#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "egressd/kernel/kernel.h"
#include "reconcile_world.h"
#include "rtnl_outsider.h"
#include "support/fake_kernel.h"
#include "support/sandbox.h"

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
  // A device on which IPv6 is switched off refuses IPv6 addresses.
  void RefuseIpv6EgressAddresses() {
    std::ofstream("/proc/sys/net/ipv6/conf/eth0/disable_ipv6") << "1";
  }
};

struct FakeSubject {
  FakeKernel kernel;
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
      {"element", [](State& s) { s.elements.begin()->second.value = state::NftBytes::Mark(77); }},
      {"chain", [](State& s) { s.chains.begin()->second.hook->priority = -140; }},
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

TEST_CASE_TEMPLATE("cleaning up leaves nothing", Subject, RealSubject, FakeSubject) {
  Subject subject;
  Reach(subject, FullState());
  REQUIRE(subject.kernel.Cleanup());
  CHECK(Difference(State{}, subject.kernel.Observe().value()) == "");
  CHECK(subject.kernel.Cleanup().value().empty());
}

}  // namespace egressd::test
