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
    found = senders_.emplace(sender, Sender{.latest = {.incarnation = incarnation, .window = {}}, .before = nullptr}).first;
  }
  Sender& known = found->second;
  if (incarnation > known.latest.incarnation) {
    known.before = std::make_unique<Life>(known.latest);
    known.latest = {.incarnation = incarnation, .window = {}};
  }
  if (incarnation == known.latest.incarnation) return known.latest.window.Accept(sequence);
  return known.before && incarnation == known.before->incarnation && known.before->window.Accept(sequence);
}

}  // namespace egressd::gossip
