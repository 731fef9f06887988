#include "egressd/gossip/timing.h"

#include <algorithm>
#include <cmath>

namespace egressd::gossip {

Duration SuspicionWindow(const Timing& timing, std::size_t members, std::size_t confirmations) {
  const double longest = std::max(1.0, std::log10(static_cast<double>(members)));
  const double open = 1 - std::log(static_cast<double>(std::min(confirmations, kHelpers) + 1)) / std::log(static_cast<double>(kHelpers + 1));
  return Duration{std::llround(static_cast<double>(timing.suspicion.count()) * (1 + (longest - 1) * open))};
}

int TimesToTell(std::size_t members) { return 4 * static_cast<int>(std::ceil(std::log10(static_cast<double>(members + 1)))); }

Timing Scaled(const Timing& timing, int numerator, int denominator) {
  const auto scale = [&](Duration duration) { return duration * numerator / denominator; };
  return {.probe_interval = scale(timing.probe_interval),
          .ack_timeout = scale(timing.ack_timeout),
          .suspicion = scale(timing.suspicion),
          .push_pull_interval = scale(timing.push_pull_interval),
          .repeat_push = scale(timing.repeat_push),
          .join_interval = scale(timing.join_interval),
          .rejoin_interval = scale(timing.rejoin_interval),
          .sync_silence = scale(timing.sync_silence),
          .sync_limit = scale(timing.sync_limit),
          .sync_cold_start = scale(timing.sync_cold_start),
          .chunk_retry = scale(timing.chunk_retry),
          .forget_left = timing.forget_left};
}

}  // namespace egressd::gossip
