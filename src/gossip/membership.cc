// Merging and answering: what comes in. What the node does by itself, by time, is in probing.cc; what it sends, in telling.cc.
#include "egressd/gossip/membership.h"

#include <algorithm>

#include "egressd/base/hash.h"

namespace egressd::gossip {
namespace {

constexpr std::size_t kAccuserLimit = 16;
constexpr std::size_t kRelayLimit = 1024;

// Do others have to know at once? Labels and the policy in force are no matter of life and death.
bool IsUrgent(const Record& before, Record after) {
  after.stamp = before.stamp;
  after.labels = before.labels;
  after.policy = before.policy;
  return after != before;
}

bool IsDoubt(Verdict verdict) { return verdict == Verdict::kSuspect || verdict == Verdict::kDead; }

}  // namespace

Membership::Membership(std::string name, std::uint64_t incarnation, const Timing& timing, std::uint64_t seed, std::set<Endpoint> contacts)
    : name_(std::move(name)),
      position_(StableHash(name_)),
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
  answers_counted_ = exchanges_counted_ = now;
  next_contact_ = now;
  next_probe_ = now + timing_.probe_interval;
  next_push_pull_ = now + timing_.push_pull_interval;
}

void Membership::Publish(Time now, Record record) {
  if (silent() || (own_ && own_->presence == Presence::kLeft)) return;
  const bool first = !own_;
  if (first && former_ && former_->stamp.incarnation >= incarnation_) RaiseIncarnation(now, former_->stamp.incarnation);
  record.name = name_;
  record.stamp = first ? Stamp{incarnation_, 0} : own_->stamp;
  if (!first && record == *own_) return;
  const Reach reach = first || IsUrgent(*own_, record) ? Reach::kEverybody : Reach::kSome;
  ++record.stamp.sequence;
  own_ = std::move(record);
  changed_ = true;
  PushOwn(now, reach);
  if (own_->presence == Presence::kLeft) Tell(name_, reach);  // there is no later: say it twice
  if (first) AskContacts();
}

bool Membership::synced(Time now) {
  if (silent() || (!own_ && now < greeting_ends_)) return false;
  return sync_.Complete(now, [&](const std::string& name) { return KnownStamp(name); });
}

Stamp Membership::KnownStamp(const std::string& name) const {
  if (name == name_) return own_ ? own_->stamp : former_ ? former_->stamp : Stamp{};
  const auto found = members_.find(name);
  return found == members_.end() ? Stamp{} : found->second.record.stamp;
}

void Membership::Receive(Time now, const Endpoint& from, const std::string& sender, const Message& message) {
  if (!sync_.begun()) return;
  if (sender == name_) return OnOwnName(now, from, message);
  if (const auto found = members_.find(sender); found != members_.end() && found->second.record.gossip == from) {
    Member& member = found->second;
    Heard(now, member);
    // Somebody whom we doubt speaks: tell it, so that it can refute.
    if (IsDoubt(member.verdict) && own_ && now - member.told >= timing_.ack_timeout) {
      member.told = now;
      Send(from, Accusation{.accused = {.name = sender, .stamp = member.record.stamp, .verdict = member.verdict}});
    }
  }
  std::visit([&](const auto& body) { On(now, from, sender, body); }, message);
}

void Membership::On(Time now, const Endpoint& from, const std::string& sender, const Ping& ping) {
  if (ping.target.name != name_) {
    // The address was somebody else's once: whoever that was, here it is not.
    if (own_) Send(from, Accusation{.accused = {.name = ping.target.name, .stamp = ping.target.stamp, .verdict = Verdict::kDead}});
    return;
  }
  Want want;
  Read(now, from, sender, ping.target, Source::kNews, want);
  Send(from, Ack{.id = ping.id, .own = own_ ? own_->stamp : Stamp{}, .news = TakeNews()});
  if (!want.names.empty()) Send(from, std::move(want));
  ReadNews(now, from, sender, ping.own, ping.news);
}

void Membership::On(Time now, const Endpoint& from, const std::string& sender, const Ack& ack) {
  if (const auto relay = relays_.find(ack.id); relay != relays_.end()) {
    Send(relay->second.origin, IndirectAck{.id = relay->second.origin_id, .reached = true});
    relays_.erase(relay);
  }
  const auto probe = std::ranges::find_if(probes_, [&](const Probe& each) { return each.id == ack.id && each.target == sender; });
  if (probe != probes_.end()) {
    if (const auto member = members_.find(sender); member != members_.end()) {
      if (probe->asks_others != kNever) member->second.round_trip = now - probe->sent;
      Heard(now, member->second);
    }
    probes_.erase(probe);
    Strain(-1);
  }
  ReadNews(now, from, sender, ack.own, ack.news);
}

void Membership::On(Time now, const Endpoint& from, const std::string&, const PingRequest& request) {
  if (!own_ || request.target.name == name_ || relays_.size() >= kRelayLimit) return;
  const std::uint64_t id = ++next_id_;
  relays_[id] = {.origin = from, .origin_id = request.id, .expires = now + timing_.ack_timeout};
  Send(request.address, PingFor(request.target, id));
}

void Membership::On(Time now, const Endpoint&, const std::string& sender, const IndirectAck& ack) {
  const auto probe = std::ranges::find(probes_, ack.id, &Probe::id);
  if (probe == probes_.end()) return;
  if (!ack.reached) {
    if (probe->silent_to.size() < kHelpers) probe->silent_to.insert(sender);
    return;
  }
  if (const auto member = members_.find(probe->target); member != members_.end()) Heard(now, member->second);
  probes_.erase(probe);
  Strain(-1);
}

void Membership::On(Time now, const Endpoint& from, const std::string& sender, const Accusation& accusation) {
  Want want;
  Read(now, from, sender, accusation.accused, Source::kAccuser, want);
  if (!want.names.empty()) Send(from, std::move(want));
}

void Membership::On(Time now, const Endpoint&, const std::string&, const Records& records) {
  for (const Record& record : records.records) Merge(now, record, std::ranges::binary_search(records.dead, record.name));
}

void Membership::On(Time now, const Endpoint& from, const std::string&, const Summary& summary) {
  const Overview& mine = overview();
  BucketSet different = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (summary.hashes[bucket] != mine.hashes[bucket]) different = static_cast<BucketSet>(different | 1U << bucket);
  }
  if (summary.question) return Send(from, SummaryOf(false));
  sync_.Answered(from, summary, different);
  if (different == 0) return;
  // Who starts asks many at once; three that tell everything are enough.
  if (now - exchanges_counted_ >= timing_.ack_timeout) {
    exchanges_counted_ = now;
    exchanges_ = 0;
  }
  if (++exchanges_ <= 3) SendDigests(from, different, true);
}

void Membership::On(Time now, const Endpoint& from, const std::string& sender, const Digest& digest) {
  if (!digest.question) sync_.Answered(from, digest);
  Want want;
  for (const Report& entry : digest.entries) Read(now, from, sender, entry, Source::kDigest, want);
  if (digest.question) SendDigests(from, digest.buckets, false);
  if (!want.names.empty()) Send(from, std::move(want));
}

void Membership::On(Time, const Endpoint& from, const std::string&, const Want& want) {
  SendRecords(from, {want.names.begin(), want.names.end()});
}

void Membership::ReadNews(Time now, const Endpoint& from, const std::string& sender, const Stamp& own, const News& news) {
  Want want;
  if (own != Stamp{}) Read(now, from, sender, {.name = sender, .stamp = own, .verdict = Verdict::kAlive}, Source::kNews, want);
  for (const Report& report : news) Read(now, from, sender, report, Source::kNews, want);
  if (!want.names.empty()) Send(from, std::move(want));
}

void Membership::Read(Time now, const Endpoint& from, const std::string& sender, const Report& report, Source source, Want& want) {
  const Stamp known = KnownStamp(report.name);
  if (report.name == name_) {
    if (!own_ && report.stamp.incarnation >= incarnation_) RaiseIncarnation(now, report.stamp.incarnation);
    if (own_ && IsDoubt(report.verdict)) return Doubted(now, report.stamp, from);
  }
  if (known < report.stamp) {
    if (report.verdict != Verdict::kLeft || known != Stamp{}) want.names.push_back(report.name);
    return;
  }
  if (known > report.stamp) {
    // Our answer to a digest tells as much. A sender that lags behind itself has a namesake, or is one.
    if (source == Source::kAccuser || report.name == sender) SendRecords(from, {report.name});
    return;
  }
  const auto found = members_.find(report.name);
  if (found == members_.end()) return;
  Member& member = found->second;
  // What comes back to us need not be passed on as often.
  if (source == Source::kNews && member.times_to_tell > 1 && report.verdict == member.verdict) --member.times_to_tell;
  if (!member.lives() || !IsDoubt(report.verdict)) return;
  if (report.verdict == Verdict::kDead && source != Source::kDigest) return SetVerdict(now, member, Verdict::kDead);
  // A digest's dead are not believed at once: whoever says so may have been cut off.
  Suspect(now, member, source == Source::kAccuser ? sender : "");
}

void Membership::Merge(Time now, const Record& record, bool dead) {
  if (record.name == name_) return MergeOwn(now, record);
  const auto found = members_.find(record.name);
  if (found == members_.end()) {
    if (record.presence == Presence::kLeft || members_.size() >= kMemberLimit - 1) return;
    Member& member = members_[record.name];
    member.record = record;
    member.since = now;
    member.position = StableHash(record.name);
    member.verdict = dead ? Verdict::kDead : Verdict::kAlive;
    events_.push_back({.name = record.name, .verdict = member.verdict});
    changed_ = true;
    overview_.reset();
    Spread(member);
    SendOwnTo(record.gossip);
    return;
  }
  Member& member = found->second;
  if (record.stamp <= member.record.stamp) return;
  Record same = record;
  same.stamp = member.record.stamp;
  changed_ = changed_ || same != member.record;
  member.record = record;
  overview_.reset();
  const bool was_gone = !member.lives();
  Spread(member);
  if (was_gone && dead) return;
  SetVerdict(now, member, record.presence == Presence::kLeft ? Verdict::kLeft : Verdict::kAlive);
  if (dead) Suspect(now, member, "");
  if (was_gone && member.lives()) SendOwnTo(record.gossip);
}

void Membership::MergeOwn(Time now, const Record& record) {
  if (record.stamp <= KnownStamp(name_)) return;
  if (own_) {
    if (record.gossip == own_->gossip) return RaiseIncarnation(now, record.stamp.incarnation);
    duplicate_seen_ = now;
    return own_->gossip < record.gossip ? RaiseIncarnation(now, record.stamp.incarnation) : Yield(now, record);
  }
  former_ = record;
  overview_.reset();
  if (record.stamp.incarnation >= incarnation_) RaiseIncarnation(now, record.stamp.incarnation);
  if (record.gossip == self_ || record.presence == Presence::kLeft) return;
  greeting_ends_ = now + timing_.probe_interval;
  Greet();
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
  PushOwn(now, Reach::kEverybody);
}

// Somebody takes us for dead or nearly so: say something newer, to that one and to all.
void Membership::Doubted(Time now, const Stamp& stamp, const Endpoint& by) {
  if (own_->presence == Presence::kLeft) return;
  if (stamp.incarnation > own_->stamp.incarnation) {
    RaiseIncarnation(now, stamp.incarnation);
  } else if (stamp >= own_->stamp) {
    own_->stamp.sequence = stamp.sequence + 1;
    Strain(1);
    PushOwn(now, Reach::kSome);
  }
  Answer(by, Records{.records = {*own_}, .dead = {}});
}

void Membership::DeclareDead(Time now, const std::string& name) {
  const auto found = members_.find(name);
  if (found == members_.end() || !found->second.lives()) return;
  SetVerdict(now, found->second, Verdict::kDead);
  Accuse(now, found->second, Reach::kEverybody);
}

void Membership::Vouch(Time now, const std::string& name) {
  if (const auto found = members_.find(name); found != members_.end()) Heard(now, found->second);
}

void Membership::Heard(Time now, Member& member) {
  member.heard = now;
  member.accusers.erase(name_);
}

void Membership::SetVerdict(Time now, Member& member, Verdict verdict) {
  member.suspected = kNever;
  member.accusers.clear();
  suspects_.erase(member.record.name);
  overview_.reset();
  if (member.verdict == verdict) return;
  member.verdict = verdict;
  member.since = now;
  changed_ = true;
  events_.push_back({.name = member.record.name, .verdict = verdict});
  Spread(member);
}

void Membership::Suspect(Time now, Member& member, const std::string& accuser) {
  if (member.verdict == Verdict::kAlive) {
    if (now - member.heard < timing_.probe_interval) return;  // not to us
    SetVerdict(now, member, Verdict::kSuspect);
    member.suspected = now;
    suspects_.insert(member.record.name);
  }
  if (!accuser.empty() && member.accusers.size() < kAccuserLimit) member.accusers.insert(accuser);
}

}  // namespace egressd::gossip
