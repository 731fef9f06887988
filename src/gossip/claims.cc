#include "egressd/gossip/claims.h"

#include <algorithm>

namespace egressd::gossip {

void Claims::AddLiving(const std::string& node, const std::vector<Claim>& claims) {
  for (const Claim& claim : claims) {
    Entry& entry = entries_[claim.address];
    entry.highest_term = std::max(entry.highest_term, claim.term);
    ++entry.living;
    Hold hold{.term = claim.term, .node = node};
    if (entry.best.node.empty() || entry.best < hold) entry.best = std::move(hold);
  }
}

void Claims::AddDead(const std::string& node, const std::vector<Claim>& claims) {
  AddGone(claims);
  for (const Claim& claim : claims) {
    Hold& last = entries_[claim.address].last;
    Hold hold{.term = claim.term, .node = node};
    if (last.node.empty() || last < hold) last = std::move(hold);
  }
}

void Claims::AddGone(const std::vector<Claim>& claims) {
  for (const Claim& claim : claims) {
    Entry& entry = entries_[claim.address];
    entry.highest_term = std::max(entry.highest_term, claim.term);
  }
}

void Claims::AddSeen(const IpAddress& address, std::uint64_t term) {
  Entry& entry = entries_[address];
  entry.highest_term = std::max(entry.highest_term, term);
}

const Hold* Claims::HolderOf(const IpAddress& address) const {
  const auto found = entries_.find(address);
  return found == entries_.end() || found->second.best.node.empty() ? nullptr : &found->second.best;
}

const Hold* Claims::LastHolderOf(const IpAddress& address) const {
  const auto found = entries_.find(address);
  return found == entries_.end() || found->second.last.node.empty() ? nullptr : &found->second.last;
}

bool Claims::EverHeld(const IpAddress& address) const {
  const auto found = entries_.find(address);
  return found != entries_.end() && found->second.highest_term > 0;
}

bool Claims::Contested(const IpAddress& address) const {
  const auto found = entries_.find(address);
  return found != entries_.end() && found->second.living > 1;
}

std::uint64_t Claims::NextTerm(const IpAddress& address) const {
  const auto found = entries_.find(address);
  return found == entries_.end() ? 1 : found->second.highest_term + 1;
}

}  // namespace egressd::gossip
