#include "egressd/gossip/replay.h"

namespace egressd::gossip {

bool ReplayWindow::Accept(std::uint64_t sequence) {
  if (sequence == 0) return false;
  if (sequence > highest_) {
    if (sequence - highest_ >= kBits) {
      bits_.fill(0);
    } else {
      for (std::uint64_t skipped = highest_ + 1; skipped < sequence; ++skipped) Clear(skipped);
    }
    highest_ = sequence;
    Set(sequence);
    return true;
  }
  if (highest_ - sequence >= kBits || Test(sequence)) return false;
  Set(sequence);
  return true;
}

bool ReplayGuard::Accept(const std::string& sender, std::uint64_t incarnation, std::uint64_t sequence) {
  auto found = senders_.find(sender);
  if (found == senders_.end()) {
    if (senders_.size() >= kSenders) return false;
    found = senders_.emplace(sender, Sender{.incarnation = incarnation, .window = {}}).first;
  }
  Sender& known = found->second;
  if (incarnation < known.incarnation) return false;
  if (incarnation > known.incarnation) known = Sender{.incarnation = incarnation, .window = {}};
  return known.window.Accept(sequence);
}

}  // namespace egressd::gossip
