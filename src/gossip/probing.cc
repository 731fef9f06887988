// What a node does by itself, by time: probe, accuse, exchange digests, look for the lost.
#include <algorithm>

#include "egressd/gossip/membership.h"

namespace egressd::gossip {
namespace {

constexpr std::size_t kHelpers = 3;  // others who are asked to probe for us

template <typename T>
void Shuffle(std::vector<T>& items, Random& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
}

}  // namespace

void Membership::Advance(Time now) {
  if (!sync_.begun() || (own_ && own_->presence == Presence::kLeft)) return;
  ForgivePause(now);
  AdvanceProbe(now);
  for (auto& [name, member] : members_) {
    if (member.verdict == Verdict::kSuspect && member.suspicion_ends <= now) {
      SetVerdict(now, member, Verdict::kDead);
      Accuse(member, Verdict::kDead);
    }
  }
  std::erase_if(members_, [&](const auto& entry) {
    return entry.second.verdict == Verdict::kLeft && now - entry.second.since > timing_.forget_left;
  });
  std::erase_if(relays_, [&](const auto& entry) { return entry.second.expires <= now; });
  if (repeat_push_ <= now) {
    PushOwn(now);
    repeat_push_ = kNever;
  }
  if (next_push_pull_ <= now) {
    next_push_pull_ = now + timing_.push_pull_interval;
    if (const auto living = Living(); own_ && !living.empty()) Ask(living[random_.Below(living.size())]->record.gossip);
  }
  AdvanceContacts(now);
  expected_ = NextTimer(now);
}

Time Membership::NextTimer(Time) const {
  if (!sync_.begun() || (own_ && own_->presence == Presence::kLeft)) return kNever;
  Time next = next_contact_;
  if (own_ && !members_.empty()) next = std::min({next, next_push_pull_, next_dead_, next_probe_, repeat_push_});
  if (probe_ && !probe_->acknowledged && !probe_->asked_others) next = std::min(next, probe_->sent + timing_.ack_timeout);
  for (const auto& [name, member] : members_) next = std::min(next, member.suspicion_ends);
  return next;
}

// Called much later than we asked for: it was us who stood still, not the others.
void Membership::ForgivePause(Time now) {
  if (expected_ == kNever || now - expected_ < 2 * timing_.probe_interval) return;
  const Duration pause = now - expected_;
  for (auto& [name, member] : members_) {
    if (member.suspicion_ends != kNever) member.suspicion_ends += pause;
  }
  if (probe_) probe_->acknowledged = true;  // its answer may have come while nobody listened
  for (const Member* member : Living()) Ask(member->record.gossip);
}

void Membership::AdvanceProbe(Time now) {
  if (!own_) return;
  if (probe_ && !probe_->acknowledged && !probe_->asked_others && probe_->sent + timing_.ack_timeout <= now) {
    probe_->asked_others = true;
    if (const auto target = members_.find(probe_->target); target != members_.end()) {
      std::vector<const Member*> helpers = Living();
      std::erase_if(helpers, [&](const Member* member) { return member->record.name == probe_->target; });
      Shuffle(helpers, random_);
      helpers.resize(std::min(helpers.size(), kHelpers));
      for (const Member* helper : helpers) {
        Send(helper->record.gossip, PingRequest{.id = probe_->id,
                                                .target = probe_->target,
                                                .address = target->second.record.gossip,
                                                .target_incarnation = target->second.record.stamp.incarnation});
      }
    }
  }
  if (next_probe_ > now) return;
  if (probe_ && !probe_->acknowledged) {
    if (const auto target = members_.find(probe_->target); target != members_.end() && target->second.verdict == Verdict::kAlive) {
      Suspect(now, target->second);
      Accuse(target->second, Verdict::kSuspect);
    }
  }
  NextProbe(now);
  next_probe_ = now + timing_.probe_interval;
}

void Membership::NextProbe(Time now) {
  probe_.reset();
  if (round_.empty()) {
    for (const Member* member : Living()) round_.push_back(member->record.name);
    Shuffle(round_, random_);
  }
  while (!round_.empty() && !probe_) {
    const auto target = members_.find(round_.back());
    round_.pop_back();
    if (target == members_.end() || !target->second.lives()) continue;
    probe_ = Probe{.target = target->first, .id = ++next_id_, .sent = now};
    Send(target->second.record.gossip, PingFor(target->first, probe_->id));
  }
}

Ping Membership::PingFor(const std::string& target, std::uint64_t id) const {
  return {.id = id, .target = target, .target_incarnation = KnownStamp(target).incarnation, .own = own_ ? own_->stamp : Stamp{}};
}

void Membership::Accuse(const Member& member, Verdict verdict) {
  const Accusation accusation{.name = member.record.name, .stamp = member.record.stamp, .verdict = verdict};
  for (const Member* other : Living()) Send(other->record.gossip, accusation);
  if (!member.lives()) Send(member.record.gossip, accusation);
}

void Membership::DeclareDead(Time now, const std::string& name) {
  const auto found = members_.find(name);
  if (found == members_.end() || !found->second.lives()) return;
  SetVerdict(now, found->second, Verdict::kDead);
  Accuse(found->second, Verdict::kDead);
}

void Membership::Vouch(Time, const std::string& name) {
  if (probe_ && probe_->target == name) probe_->acknowledged = true;
}

void Membership::AdvanceContacts(Time now) {
  if (next_contact_ <= now) {
    std::set<Endpoint> inhabited;
    for (const Member* member : Living()) inhabited.insert(member->record.gossip);
    for (const Endpoint& contact : contacts_) {
      if (!inhabited.contains(contact) || !own_) Ask(contact);
    }
    next_contact_ = now + (own_ && !inhabited.empty() ? timing_.rejoin_interval : timing_.join_interval);
    if (contacts_.empty()) next_contact_ = kNever;
  }
  if (next_dead_ <= now) {
    next_dead_ = now + timing_.rejoin_interval;
    if (dead_round_.empty()) {
      for (const auto& [name, member] : members_) {
        if (member.verdict == Verdict::kDead) dead_round_.push_back(member.record.gossip);
      }
      Shuffle(dead_round_, random_);
    }
    if (own_ && !dead_round_.empty()) {
      Ask(dead_round_.back());
      dead_round_.pop_back();
    }
  }
}

}  // namespace egressd::gossip
