// The health checks of the gateways that this node belongs to: asks their targets, again and again, and says when the answer changes.
//
//   idle ── due ──> asked ──┬── answered ───────> failures = 0, good
//                           ├── refused, closed ─┐
//                           └── deadline ────────┴> failures + 1, bad from `fail` on
//
// 1. Never blocks and never waits: sockets are non-blocking, time comes from the caller.
// 2. A check has one socket at a time, and all of them together at most kMostAttempts; the others wait for their turn.
// 3. An attempt ends by success, failure, or after min(every, kLongestAttempt). An answer that came in time counts, however late this
//    process looks at it.
// 4. A gateway is healthy until one of its checks has failed `fail` times in a row, and from the first success on of every one that has.
// 5. Checks leave through the gateway's uplink if one is given, except those of addresses of the loopback device.
// Called by the daemon's loop: Watch at every change of the policy or the uplinks; OnReady when fd() is readable; OnTimer at NextTimer();
// Take after each of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/error.h"
#include "egressd/base/fd.h"
#include "egressd/base/time.h"
#include "egressd/policy/policy_set.h"

namespace egressd::net {

inline constexpr std::size_t kMostAttempts = 64;
inline constexpr Duration kLongestAttempt{2'000'000};

struct GatewayChecks {
  std::string gateway;
  std::optional<std::string> device;  // the uplink; unset = as the routes of the host say
  std::vector<policy::HealthCheck> checks;
  bool operator==(const GatewayChecks&) const = default;
};

struct GatewayHealth {
  std::string gateway;
  bool healthy = true;
  std::string text;  // what failed: "tcp 192.0.2.1:443: connection refused, 3 times in a row"; several separated by "; "
  bool operator==(const GatewayHealth&) const = default;
};

class HealthChecker {
 public:
  static Result<HealthChecker> Open();
  HealthChecker(HealthChecker&&) noexcept;
  HealthChecker& operator=(HealthChecker&&) noexcept;
  ~HealthChecker();

  // From now on these. A check that was there before keeps what it found, also when the uplink changed; a new one is due at once.
  void Watch(Time now, const std::vector<GatewayChecks>& gateways);

  // An epoll descriptor: readable when OnReady has something to do.
  int fd() const { return epoll_.get(); }
  void OnReady();
  // Lets attempts fail whose time is over and starts those that are due.
  void OnTimer(Time now);
  Time NextTimer() const;

  // Gateways whose health, or what is known of it, is not what was taken last, in order; at first all are healthy. A gateway that is no
  // longer watched is not told.
  std::vector<GatewayHealth> Take();

 private:
  struct Watched;
  explicit HealthChecker(Fd epoll);
  void Start(std::uint64_t id, Watched& watched, Time now);
  void Await(std::uint64_t id, Watched& watched);
  void Advance(std::uint64_t id, Watched& watched);
  void Finish(Watched& watched, std::optional<std::string> failure);

  Fd epoll_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Watched> watched_;  // in the order in which they were first watched
  std::size_t running_ = 0;                   // attempts
  std::map<std::string, GatewayHealth> taken_;
};

}  // namespace egressd::net
