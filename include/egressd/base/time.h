// Time as a value. The core is told what time it is and never asks; only the daemon's loop reads a clock.
#pragma once

#include <chrono>

namespace egressd {

using Duration = std::chrono::microseconds;

// A clock that the code below the daemon cannot read: microseconds on the monotonic clock of this host.
struct MonotonicClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicClock, Duration>;
  static constexpr bool is_steady = true;
};
using Time = MonotonicClock::time_point;

inline constexpr Time kNever = Time::max();

}  // namespace egressd
