// Merging and answering: what comes in. What the node does by itself, by time, is in probing.cc.
#include "egressd/gossip/membership.h"

#include <algorithm>

namespace egressd::gossip {

Membership::Membership(std::string name, std::uint64_t incarnation, const Timing& timing, std::uint64_t seed, std::set<Endpoint> contacts)
    : name_(std::move(name)),
      incarnation_(incarnation),
      timing_(timing),
      random_(seed),
      contacts_(std::move(contacts)),
      sync_(timing, contacts_),
      next_id_(random_.Next()) {}

void Membership::Begin(Time now, const Endpoint& self) {
  self_ = self;
  if (sync_.begun()) return;
  contacts_.erase(self);
  sync_ = Sync(timing_, contacts_);
  sync_.Begin(now);
  next_contact_ = now;
  next_probe_ = now + timing_.probe_interval;
  next_push_pull_ = now + timing_.push_pull_interval;
  next_dead_ = now + timing_.rejoin_interval;
}

void Membership::Publish(Time now, Record record) {
  if (own_ && own_->presence == Presence::kLeft) return;
  const bool first = !own_;
  record.name = name_;
  record.stamp = first ? Stamp{incarnation_, 0} : own_->stamp;
  if (!first && record == *own_) return;
  ++record.stamp.sequence;
  own_ = std::move(record);
  changed_ = true;
  PushOwn(now);
  if (own_->presence == Presence::kLeft) PushOwn(now);  // there is no later: say it twice
  if (first) {
    for (const Endpoint& contact : contacts_) {
      SendOwnTo(contact);
      Ask(contact);
    }
  }
}

bool Membership::synced(Time now) {
  return sync_.Complete(now, [&](const std::string& name) { return KnownStamp(name); });
}

Stamp Membership::KnownStamp(const std::string& name) const {
  if (name == name_) return own_ ? own_->stamp : former_ ? former_->stamp : Stamp{};
  const auto found = members_.find(name);
  return found == members_.end() ? Stamp{} : found->second.record.stamp;
}

void Membership::Receive(Time now, const Endpoint& from, const std::string& sender, const Message& message) {
  if (!sync_.begun()) return;
  // Somebody whom we doubt speaks: tell it, so that it can refute.
  const auto found = members_.find(sender);
  if (found != members_.end() && (found->second.verdict == Verdict::kSuspect || found->second.verdict == Verdict::kDead) && own_ &&
      now - found->second.told >= timing_.ack_timeout) {
    found->second.told = now;
    Send(from, Accusation{.name = sender, .stamp = found->second.record.stamp, .verdict = found->second.verdict});
  }
  std::visit([&](const auto& body) { On(now, from, sender, body); }, message);
}

void Membership::On(Time now, const Endpoint& from, const std::string& sender, const Ping& ping) {
  if (ping.target != name_) return;  // the address belonged to somebody else once
  if (ping.target_incarnation > incarnation_) RaiseIncarnation(now, ping.target_incarnation);
  Send(from, Ack{.id = ping.id, .own = own_ ? own_->stamp : Stamp{}});
  NoteStamp(from, sender, ping.own);
}

void Membership::On(Time now, const Endpoint& from, const std::string& sender, const Ack& ack) {
  if (const auto relay = relays_.find(ack.id); relay != relays_.end()) {
    Send(relay->second.origin, IndirectAck{.id = relay->second.origin_id});
    relays_.erase(relay);
  }
  if (probe_ && probe_->id == ack.id && probe_->target == sender) {
    if (const auto member = members_.find(sender); member != members_.end() && !probe_->acknowledged) {
      member->second.round_trip = now - probe_->sent;
    }
    probe_->acknowledged = true;
  }
  NoteStamp(from, sender, ack.own);
}

void Membership::On(Time now, const Endpoint& from, const std::string&, const PingRequest& request) {
  constexpr std::size_t kRelayLimit = 1024;
  if (!own_ || request.target == name_ || relays_.size() >= kRelayLimit) return;
  const std::uint64_t id = ++next_id_;
  relays_[id] = {.origin = from, .origin_id = request.id, .expires = now + timing_.probe_interval};
  Ping ping = PingFor(request.target, id);
  ping.target_incarnation = std::max(ping.target_incarnation, request.target_incarnation);
  Send(request.address, ping);
}

void Membership::On(Time, const Endpoint&, const std::string&, const IndirectAck& ack) {
  if (probe_ && probe_->id == ack.id) probe_->acknowledged = true;
}

void Membership::On(Time now, const Endpoint& from, const std::string&, const Accusation& accusation) {
  if (accusation.name == name_) {
    if (!own_) return;
    if (accusation.stamp >= own_->stamp) {
      Doubted(now, accusation.stamp);
    } else {
      SendOwnTo(from);
    }
    return;
  }
  const auto found = members_.find(accusation.name);
  if (found == members_.end() || found->second.record.stamp < accusation.stamp) {
    Send(from, Want{.names = {accusation.name}});
    return;
  }
  Member& member = found->second;
  if (member.record.stamp > accusation.stamp) {
    Send(from, Records{.records = {member.record}});
    return;
  }
  if (!member.lives()) return;
  if (accusation.verdict == Verdict::kDead) {
    SetVerdict(now, member, Verdict::kDead);
  } else {
    Suspect(now, member);
  }
}

void Membership::On(Time now, const Endpoint&, const std::string&, const Records& records) {
  for (const Record& record : records.records) Merge(now, record);
}

void Membership::On(Time now, const Endpoint& from, const std::string& sender, const Digest& digest) {
  std::map<std::string, Stamp> theirs;
  Want want;
  for (const Digest::Entry& entry : digest.entries) {
    theirs[entry.name] = entry.stamp;
    const Stamp known = KnownStamp(entry.name);
    if (known < entry.stamp) {
      if (entry.verdict != Verdict::kLeft || known != Stamp{}) want.names.push_back(entry.name);
      continue;
    }
    if (known != entry.stamp || (entry.verdict != Verdict::kSuspect && entry.verdict != Verdict::kDead)) continue;
    if (entry.name == name_) {
      Doubted(now, entry.stamp);
    } else if (Member& member = members_.at(entry.name); member.verdict == Verdict::kAlive) {
      Suspect(now, member);  // not dead: whoever says so may have been cut off
    }
  }
  if (digest.question) {
    const auto newer = [&](const Record& record) {
      const auto found = theirs.find(record.name);
      return found == theirs.end() ? record.presence != Presence::kLeft : found->second < record.stamp;
    };
    for (const auto& [name, member] : members_) {
      if (newer(member.record)) Send(from, Records{.records = {member.record}});
    }
    // Its former self, as long as it has not told us who it is now: it is in members_ under the sender's name.
    if (own_ && newer(*own_)) SendOwnTo(from);
    Send(from, DigestOf(false));
  } else {
    sync_.Answered(from, digest);
  }
  if (!want.names.empty()) Send(from, std::move(want));
  if (own_ && !theirs.contains(name_) && members_.contains(sender) && !digest.question) SendOwnTo(from);
}

void Membership::On(Time, const Endpoint& from, const std::string&, const Want& want) {
  for (const std::string& name : want.names) {
    if (name == name_) {
      SendOwnTo(from);
    } else if (const auto found = members_.find(name); found != members_.end()) {
      Send(from, Records{.records = {found->second.record}});
    }
  }
}

void Membership::Merge(Time now, const Record& record) {
  if (record.name == name_) return MergeOwn(now, record);
  const auto found = members_.find(record.name);
  if (found == members_.end()) {
    if (record.presence == Presence::kLeft || members_.size() >= kMemberLimit - 1) return;
    Member& member = members_[record.name];
    member.record = record;
    member.since = now;
    events_.push_back({.name = record.name, .verdict = Verdict::kAlive});
    changed_ = true;
    SendOwnTo(record.gossip);
    return;
  }
  Member& member = found->second;
  if (record.stamp <= member.record.stamp) return;
  member.record = record;
  changed_ = true;
  const bool was_gone = !member.lives();
  SetVerdict(now, member, record.presence == Presence::kLeft ? Verdict::kLeft : Verdict::kAlive);
  if (was_gone && member.lives()) SendOwnTo(record.gossip);
}

void Membership::MergeOwn(Time now, const Record& record) {
  if (own_ && record.stamp <= own_->stamp) return;
  if (own_ && record.gossip != own_->gossip) duplicate_seen_ = now;
  if (!own_ && (!former_ || former_->stamp < record.stamp)) former_ = record;
  if (record.stamp.incarnation >= incarnation_ || own_) RaiseIncarnation(now, record.stamp.incarnation);
}

// Others know a later life of ours: the clock went back, or somebody uses the same name. Live above it, but do not race with the other.
void Membership::RaiseIncarnation(Time now, std::uint64_t seen) {
  if (own_ && own_->presence == Presence::kLeft) return;
  if (seen == UINT64_MAX || (own_ && last_raised_ && now - *last_raised_ < timing_.rejoin_interval)) return;
  incarnation_ = std::max(incarnation_, seen + 1);
  last_raised_ = now;
  if (!own_) return;
  own_->stamp = {incarnation_, own_->stamp.sequence + 1};
  changed_ = true;
  PushOwn(now);
}

// Somebody takes us for dead or nearly so: say something newer.
void Membership::Doubted(Time now, const Stamp& stamp) {
  if (!own_ || own_->presence == Presence::kLeft) return;
  if (stamp.incarnation > own_->stamp.incarnation) return RaiseIncarnation(now, stamp.incarnation);
  own_->stamp.sequence = std::max(own_->stamp.sequence, stamp.sequence) + 1;
  PushOwn(now);
}

void Membership::SetVerdict(Time now, Member& member, Verdict verdict) {
  member.suspicion_ends = kNever;
  if (member.verdict == verdict) return;
  member.verdict = verdict;
  member.since = now;
  changed_ = true;
  events_.push_back({.name = member.record.name, .verdict = verdict});
}

void Membership::Suspect(Time now, Member& member) {
  if (member.verdict != Verdict::kAlive) return;
  SetVerdict(now, member, Verdict::kSuspect);
  member.suspicion_ends = now + timing_.suspicion;
}

void Membership::NoteStamp(const Endpoint& from, const std::string& sender, const Stamp& stamp) {
  if (stamp != Stamp{} && KnownStamp(sender) < stamp) Send(from, Want{.names = {sender}});
}

Digest Membership::DigestOf(bool question) const {
  Digest digest{.question = question, .synced = own_.has_value(), .entries = {}};
  const auto own = [&] {
    if (!own_) return;
    digest.entries.push_back({name_, own_->stamp, own_->presence == Presence::kLeft ? Verdict::kLeft : Verdict::kAlive});
  };
  bool own_written = false;
  for (const auto& [name, member] : members_) {
    if (!own_written && name_ < name) {
      own();
      own_written = true;
    }
    digest.entries.push_back({name, member.record.stamp, member.verdict});
  }
  if (!own_written) own();
  return digest;
}

void Membership::SendOwnTo(const Endpoint& to) {
  if (own_) Send(to, Records{.records = {*own_}});
}

void Membership::PushOwn(Time now) {
  for (const Member* member : Living()) SendOwnTo(member->record.gossip);
  repeat_push_ = now + timing_.repeat_push;
}

std::vector<const Member*> Membership::Living() const {
  std::vector<const Member*> result;
  for (const auto& [name, member] : members_) {
    if (member.lives()) result.push_back(&member);
  }
  return result;
}

}  // namespace egressd::gossip
