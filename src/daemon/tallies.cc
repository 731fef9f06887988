#include "daemon/tallies.h"

namespace egressd::daemon {

void Tallies::Add(const agent::Takeover& takeover) {
  ++moves[{takeover.gateway, takeover.reason}];
  if (takeover.reason == agent::Takeover::Reason::kNodeDead) failovers[takeover.gateway].Add(takeover.lasted);
}

void Tallies::Add(const Result<state::Transaction>& reconciled, Duration lasted) {
  reconcile_durations.Add(lasted);
  if (reconciled) {
    ++reconciles[reconciled->empty() ? "unchanged" : "changed"];
  } else {
    ++reconciles[reconciled.error().kind == ErrorKind::kExpired ? "expired" : "failed"];
  }
}

void Tallies::AddCorrections(const state::Transaction& corrected) {
  for (const auto* steps : {&corrected.release, &corrected.build, &corrected.cut_over, &corrected.take, &corrected.clean}) {
    for (const state::Step& step : *steps) ++corrections[state::KindOf(step.object)];
  }
}

}  // namespace egressd::daemon
