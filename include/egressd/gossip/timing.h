// Every interval of the gossip, in one place, with what it is made of. Derived from the node file's `profile`.
//
// Formulas (T = probe_interval):
//   a dead node is suspected after          <= 2 T          somebody of n-1 members probes it within T, the probe takes T
//   and declared dead after                 <= 2 T + suspicion
//   a daemon that is back within suspicion - 2 T is never declared dead
//   a lost record is repaired by the next ping, ack or push-pull between the two, whichever is first
#pragma once

#include "egressd/base/time.h"

namespace egressd::gossip {

struct Timing {
  // One member is probed per interval, all of them in random order before any is probed again.
  Duration probe_interval{500'000};
  // Without a direct ack after this, three others are asked to probe; must leave them time before probe_interval ends.
  Duration ack_timeout{200'000};
  // From suspicion to death, unless a newer record refutes it. 3.5 s + 2 T = dead within 4.5 s, and longer than a restart of 2 s.
  Duration suspicion{3'500'000};
  // A whole exchange of stamps with one random member.
  Duration push_pull_interval{2'000'000};
  // A changed record goes to all members at once and, against loss, once more after this.
  Duration repeat_push{150'000};
  // Join addresses where nobody known lives, and dead members, are tried again for ever: fast while alone, slowly afterwards.
  Duration join_interval{500'000};
  Duration rejoin_interval{5'000'000};
  // A starting node waits this long for any answer, and this long for an answer of a node that is up to date itself …
  Duration sync_silence{3'000'000};
  Duration sync_limit{5'000'000};
  // … but when every join address has answered and none is up to date (a cluster that starts), only this long.
  Duration sync_cold_start{1'000'000};
  // An unanswered request for pieces of a policy is repeated; after three, another member is asked.
  Duration chunk_retry{150'000};
  // A member that has left is forgotten.
  Duration forget_left{3'600'000'000};
};

// lan: the defaults. fast: 0.4 of them (dead after <= 1.8 s). wan: 4 times (dead after <= 18 s).
inline Timing Scaled(const Timing& timing, int numerator, int denominator) {
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
