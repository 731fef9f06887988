#include "egressd/gossip/sync.h"

#include <algorithm>

namespace egressd::gossip {

void Sync::Answered(const Endpoint& from, const Summary& summary, BucketSet different) {
  if (complete_) return;
  if (contacts_.contains(from)) answered_.insert(from);
  if (!summary.synced) return;
  untold_[from] = different;
  told_all_ = told_all_ || different == 0;
}

void Sync::Answered(const Endpoint& from, const Digest& digest) {
  if (complete_) return;
  for (const Report& entry : digest.entries) {
    if (entry.verdict == Verdict::kLeft) continue;
    Stamp& stamp = required_[entry.name];
    stamp = std::max(stamp, entry.stamp);
  }
  const auto source = untold_.find(from);
  if (source == untold_.end()) return;
  source->second = static_cast<BucketSet>(source->second & ~digest.buckets);
  told_all_ = told_all_ || source->second == 0;
}

bool Sync::Arrived(const Known& known) const {
  return std::ranges::all_of(required_, [&](const auto& entry) { return known(entry.first) >= entry.second; });
}

bool Sync::Complete(Time now, const Known& known) {
  if (complete_ || !begun_) return complete_;
  const Duration waited = now - *begun_;
  const bool heard = !untold_.empty() || !answered_.empty();
  complete_ = contacts_.empty() || waited >= timing_.sync_limit || (!heard && waited >= timing_.sync_silence) ||
              (told_all_ && Arrived(known)) ||
              (answered_.size() == contacts_.size() && waited >= timing_.sync_cold_start && Arrived(known));
  return complete_;
}

Time Sync::NextTimer(Time now) const {
  if (complete_ || !begun_) return kNever;
  for (const Duration wait : {timing_.sync_cold_start, timing_.sync_silence, timing_.sync_limit}) {
    if (*begun_ + wait > now) return *begun_ + wait;
  }
  return now;
}

}  // namespace egressd::gossip
