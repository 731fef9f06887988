#include "agent/announcer.h"

#include <algorithm>

namespace egressd::agent {

std::vector<IpAddress> Announcer::Due(Time now) {
  std::vector<IpAddress> due;
  for (auto entry = pending_.begin(); entry != pending_.end();) {
    Progress& progress = entry->second;
    if (progress.Next() > now) {
      ++entry;
      continue;
    }
    due.push_back(entry->first);
    while (progress.round < kAfter.size() && progress.Next() <= now) ++progress.round;  // late: once is enough
    entry = progress.round == kAfter.size() ? pending_.erase(entry) : std::next(entry);
  }
  return due;
}

Time Announcer::NextTimer() const {
  Time next = kNever;
  for (const auto& [address, progress] : pending_) next = std::min(next, progress.Next());
  return next;
}

}  // namespace egressd::agent
