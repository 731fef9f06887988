// What a hold is worth on the wire: packets with an egress IP, and answers to those who ask for it, as long as its lease and no longer.
#include <doctest/doctest.h>

#include <string>

#include "lease_gateway.h"

namespace egressd::test {
namespace {

const std::string kEverything = "out4 out6 arp nd echo ";
const std::string kNothing;

TEST_CASE("a hold without a lease lasts") {
  Gateway gateway;
  gateway.Reach(gateway.As(Hold::Standing::kHeld, std::nullopt));
  CHECK(gateway.Works() == kEverything);
  CHECK(gateway.kernel().CounterPackets("lease_over") == 0);
  CHECK(gateway.kernel().CounterPackets("not_answered") == 0);
}

TEST_CASE("packets leave, established connections too, and answers are given as long as the lease and not after") {
  Gateway gateway;
  constexpr Duration kLease = milliseconds(300);
  const state::State desired = gateway.As(Hold::Standing::kHeld, kLease);
  bool in_time = false;
  Clock::time_point given;
  // What was seen counts only if the lease cannot have been over meanwhile: a busy machine gets another chance.
  for (int attempt = 0; attempt < 50 && !in_time; ++attempt) {
    given = Clock::now();
    gateway.Reach(desired);
    const std::string works = gateway.Works();
    in_time = Clock::now() - given < kLease - kTick;
    if (in_time) CHECK(works == kEverything);
    if (!in_time) std::this_thread::sleep_until(Clock::now() + kLease);
  }
  REQUIRE(in_time);
  std::this_thread::sleep_for(kLease + kTick);
  const auto dropped_before = gateway.kernel().CounterPackets("lease_over");
  const auto silent_before = gateway.kernel().CounterPackets("not_answered");
  CHECK(gateway.Works() == kNothing);
  CHECK(gateway.kernel().CounterPackets("lease_over") == dropped_before + 3);  // out4, out6 and the echo request
  CHECK(gateway.kernel().CounterPackets("not_answered") == silent_before + 2);
  // The connections of before go on with the next lease.
  gateway.Reach(gateway.As(Hold::Standing::kHeld, kAmple));
  CHECK(gateway.Works() == kEverything);
}

TEST_CASE("a lease that is renewed in time never lets go") {
  Gateway gateway;
  constexpr Duration kLease = milliseconds(300), kEvery = milliseconds(100);
  const state::State desired = gateway.As(Hold::Standing::kHeld, kLease);
  bool in_time = false;
  for (int attempt = 0; attempt < 50 && !in_time; ++attempt) {
    gateway.Reach(desired);
    in_time = true;
    Clock::time_point last = Clock::now();
    for (int i = 0; i < 10 && in_time; ++i) {
      std::this_thread::sleep_until(last + kEvery);
      REQUIRE(gateway.kernel().Wake(kAmple));
      const auto renewed = gateway.kernel().Renew(desired);
      in_time = Clock::now() - last < kLease - kTick;
      if (!in_time) break;
      CHECK(renewed.has_value());
      last = Clock::now();
    }
    const std::string works = gateway.Works();
    in_time = in_time && Clock::now() - last < kLease - kTick;
    if (in_time) CHECK(works == kEverything);
  }
  REQUIRE(in_time);
  std::this_thread::sleep_for(kLease + kTick);
  REQUIRE(gateway.kernel().Wake(kAmple));
  const auto late = gateway.kernel().Renew(desired);
  REQUIRE(!late);
  CHECK(late.error().kind == ErrorKind::kExpired);
}

TEST_CASE("who is leaving forwards but is not heard of, and who is prepared forwards without having the address") {
  Gateway gateway;
  for (const std::optional<Duration> lease : {std::optional<Duration>(), std::optional<Duration>(kAmple)}) {
    gateway.Reach(gateway.As(Hold::Standing::kHeld, lease));
    CHECK(gateway.Works() == kEverything);
    gateway.Reach(gateway.As(Hold::Standing::kLeaving, lease));
    CHECK(gateway.Works() == "out4 out6 echo ");
    gateway.Reach(gateway.As(Hold::Standing::kPrepared, lease));
    CHECK(gateway.Works() == "out4 out6 ");
  }
}

TEST_CASE("who is leaving finds a neighbour for what it forwards, and asks in its own name") {
  Gateway gateway;
  gateway.Reach(gateway.As(Hold::Standing::kLeaving, kAmple));
  CHECK(gateway.WhoAsksFor("192.0.2.77") == kOwn4);
  gateway.Reach(gateway.As(Hold::Standing::kHeld, kAmple));
  CHECK(gateway.WhoAsksFor("192.0.2.78") == kOwn4);
  CHECK(gateway.kernel().CounterPackets("not_answered") == 0);
}

TEST_CASE("the whole plan with leases is what Observe finds, and cleaning up leaves nothing") {
  Gateway gateway;
  const state::State desired = gateway.As(Hold::Standing::kHeld, kAmple);
  gateway.Reach(desired);
  CHECK(state::ToString(state::Diff(gateway.kernel().Observe().value(), desired)) == "");
  CHECK(gateway.kernel().Reconcile(desired).value().empty());
  REQUIRE(gateway.kernel().Cleanup());
  CHECK(state::ToString(state::Diff(gateway.kernel().Observe().value(), {})) == "");
  CHECK(gateway.Works() == kNothing);
}

}  // namespace
}  // namespace egressd::test
