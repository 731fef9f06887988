#include "agent/takeovers.h"

#include <doctest/doctest.h>

namespace egressd::agent {
namespace {

using Reason = Takeover::Reason;

const IpAddress kOne = *IpAddress::Parse("203.0.113.10"), kOther = *IpAddress::Parse("203.0.113.11");
Time At(int milliseconds) { return Time(std::chrono::milliseconds(milliseconds)); }

TEST_CASE("a takeover lasts from the verdict about the dead holder, else from the decision") {
  Takeovers takeovers;
  takeovers.Begin(At(1000), kOne, Reason::kNodeDead, At(990));
  takeovers.Begin(At(1000), kOther, Reason::kHandover, std::nullopt);
  const auto one = takeovers.End(At(1005), kOne, "edge"), other = takeovers.End(At(1007), kOther, "edge");
  REQUIRE(one);
  REQUIRE(other);
  CHECK(one->lasted == std::chrono::milliseconds(15));
  CHECK(one->reason == Reason::kNodeDead);
  CHECK(one->gateway == "edge");
  CHECK(other->lasted == std::chrono::milliseconds(7));
  CHECK(other->reason == Reason::kHandover);
}

TEST_CASE("what was held before, or is given up meanwhile, is no takeover") {
  Takeovers takeovers;
  CHECK_FALSE(takeovers.End(At(1), kOne, "edge"));
  takeovers.Begin(At(1), kOne, Reason::kFirst, std::nullopt);
  takeovers.GiveUp(kOne);
  CHECK_FALSE(takeovers.End(At(2), kOne, "edge"));
  takeovers.Begin(At(3), kOne, Reason::kFirst, std::nullopt);
  CHECK(takeovers.End(At(4), kOne, "edge"));
  CHECK_FALSE(takeovers.End(At(5), kOne, "edge"));
}

}  // namespace
}  // namespace egressd::agent
