// One contract, two subjects: leases, which end by themselves, and the wake without which none is given.
#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "reconcile_subjects.h"
#include "reconcile_world.h"

namespace egressd::test {
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
