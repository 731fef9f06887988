// What a node does by itself, by time: probe, declare dead, compare with others, look for the lost.
#include <algorithm>

#include "egressd/gossip/membership.h"

namespace egressd::gossip {
namespace {

constexpr int kStrainLimit = 7;          // Lifeguard's S - 1: an ill node is up to eight times as slow to accuse
constexpr std::size_t kLastProbes = 8;   // suspects that are probed again per interval
constexpr std::size_t kContactsAtOnce = 16;

template <typename T>
void Shuffle(std::vector<T>& items, Random& random) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.Below(i)]);
}

}  // namespace

void Membership::Advance(Time now) {
  if (!sync_.begun() || (own_ && own_->presence == Presence::kLeft)) return;
  RefillAnswers(now);
  ForgiveLateness(now);
  if (own_) {
    AdvanceProbes(now);
    AdvanceSuspects(now);
    AdvanceRelaysAndRepeats(now);
    if (next_push_pull_ <= now) {
      next_push_pull_ = now + timing_.push_pull_interval;
      Forget(now);
      const std::vector<const Member*>& living = overview().living;
      if (!living.empty()) Ask(living[random_.Below(living.size())]->record.gossip);
    }
  }
  AdvanceContacts(now);
  expected_ = NextTimer(now);
}

Time Membership::NextTimer(Time) const {
  if (!sync_.begun() || (own_ && own_->presence == Presence::kLeft)) return kNever;
  Time next = next_contact_;
  if (!own_ || members_.empty()) return next;
  next = std::min({next, next_push_pull_, next_probe_});
  for (const Probe& probe : probes_) next = std::min({next, probe.asks_others, probe.ends});
  for (const std::string& name : suspects_) {
    const Member& member = members_.at(name);
    if (member.accusers.contains(name_)) next = std::min(next, DiesAt(member));
  }
  for (const auto& [id, relay] : relays_) next = std::min(next, relay.expires);
  for (const auto& [name, repeat] : repeats_) next = std::min(next, repeat.first);
  return next;
}

// Called much later than we asked for: it was us who stood still, not the others. Answers may wait in our socket.
void Membership::ForgiveLateness(Time now) {
  if (expected_ == kNever || now - expected_ < timing_.ack_timeout / 2) return;
  const Duration late = now - expected_;
  for (Probe& probe : probes_) {
    if (probe.asks_others != kNever) probe.asks_others += late;
    probe.ends += late;
  }
  for (const std::string& name : suspects_) members_.at(name).suspected += late;
  relays_.clear();
  Strain(1);
  if (late < 2 * timing_.probe_interval) return;
  probes_.clear();
  std::vector<const Member*> some = Audience(Reach::kSome);
  for (std::size_t i = 0; i < std::min(some.size(), kHelpers); ++i) Ask(some[i]->record.gossip);
}

void Membership::AskEverybody() {
  for (const Member* member : overview().living) Ask(member->record.gossip);
}

void Membership::Strain(int change) { strain_ = std::clamp(strain_ + change, 0, kStrainLimit); }

// ---- probes

void Membership::AdvanceProbes(Time now) {
  std::vector<Probe> failed;
  for (Probe& probe : probes_) {
    if (probe.asks_others <= now) AskOthers(probe);
    if (probe.ends <= now) failed.push_back(probe);
  }
  std::erase_if(probes_, [&](const Probe& probe) { return probe.ends <= now; });
  for (const Probe& probe : failed) Fail(now, probe);
  if (next_probe_ > now) return;
  next_probe_ = now + Slowed(timing_.probe_interval);
  StartProbes(now);
  PingDead();
}

void Membership::StartProbes(Time now) {
  const Member* next = NextOnRing();
  if (next != nullptr) StartProbe(now, *next);
  if (const Member* other = NextInRound(); other != nullptr && other != next) StartProbe(now, *other);
  // Whom we accuse is probed again and again; whom others accuse once more before its time is up.
  std::vector<const Member*> again;
  for (const std::string& name : suspects_) {
    const Member& member = members_.at(name);
    if (member.accusers.contains(name_) || DiesAt(member) - now <= 2 * Slowed(timing_.probe_interval)) again.push_back(&member);
  }
  Shuffle(again, random_);
  for (std::size_t i = 0; i < std::min(again.size(), kLastProbes); ++i) StartProbe(now, *again[i]);
}

void Membership::StartProbe(Time now, const Member& member) {
  const std::string& name = member.record.name;
  if (std::ranges::contains(probes_, name, &Probe::target)) return;
  probes_.push_back({.target = name,
                     .stamp = member.record.stamp,
                     .id = ++next_id_,
                     .sent = now,
                     .asks_others = now + Slowed(timing_.ack_timeout),
                     .ends = now + Slowed(timing_.probe_interval)});
  Send(member.record.gossip, PingFor({.name = name, .stamp = member.record.stamp, .verdict = member.verdict}, probes_.back().id));
}

// The first one after us that is not suspect: those have somebody already who looks after them.
const Member* Membership::NextOnRing() const {
  const std::vector<const Member*>& living = overview().living;
  const auto begin = std::ranges::lower_bound(living, position_, {}, &Member::position);
  for (std::size_t i = 0; i < living.size(); ++i) {
    const Member* member = living[(static_cast<std::size_t>(begin - living.begin()) + i) % living.size()];
    if (member->verdict == Verdict::kAlive) return member;
  }
  return nullptr;
}

// Everybody in random order before anybody again.
const Member* Membership::NextInRound() {
  if (round_.empty()) {
    for (const Member* member : overview().living) round_.push_back(member->record.name);
    Shuffle(round_, random_);
  }
  while (!round_.empty()) {
    const auto target = members_.find(round_.back());
    round_.pop_back();
    if (target != members_.end() && target->second.lives()) return &target->second;
  }
  return nullptr;
}

void Membership::AskOthers(Probe& probe) {
  probe.asks_others = kNever;
  const auto target = members_.find(probe.target);
  if (target == members_.end()) return;
  const Report report{.name = probe.target, .stamp = target->second.record.stamp, .verdict = target->second.verdict};
  Send(target->second.record.gossip, PingFor(report, probe.id));
  std::vector<const Member*> helpers = overview().living;
  std::erase(helpers, &target->second);
  for (; probe.helpers < kHelpers && !helpers.empty(); ++probe.helpers) {
    std::swap(helpers[random_.Below(helpers.size())], helpers.back());
    Send(helpers.back()->record.gossip, PingRequest{.id = probe.id, .target = report, .address = target->second.record.gossip});
    helpers.pop_back();
  }
}

void Membership::Fail(Time now, const Probe& probe) {
  const auto target = members_.find(probe.target);
  if (target == members_.end() || !target->second.lives()) return;
  Member& member = target->second;
  if (member.heard >= probe.sent || member.record.stamp != probe.stamp) return;
  // When those who should have said that they do not reach it either are silent too, it is perhaps us whom nobody reaches.
  if (2 * probe.silent_to.size() < probe.helpers) Strain(1);
  const bool mine = member.accusers.contains(name_);
  Suspect(now, member, name_);
  for (const std::string& helper : probe.silent_to) Suspect(now, member, helper);
  if (!mine && member.verdict == Verdict::kSuspect) Accuse(now, member, Reach::kSome);
}

// About every probe_interval one of all of us asks each of the dead, with what it is accused of.
void Membership::PingDead() {
  const std::vector<const Member*>& dead = overview().dead;
  const std::size_t all = overview().living.size() + 1;
  const std::size_t count = dead.size() / all + (random_.Below(all) < dead.size() % all ? 1 : 0);
  for (std::size_t i = 0; i < count; ++i) {
    const Record& record = dead[random_.Below(dead.size())]->record;
    Send(record.gossip, PingFor({.name = record.name, .stamp = record.stamp, .verdict = Verdict::kDead}, ++next_id_));
  }
}

// ---- suspects, helpers, repetitions

Time Membership::DiesAt(const Member& member) const {
  const std::size_t confirmations = member.accusers.empty() ? 0 : member.accusers.size() - 1;
  return member.suspected + SuspicionWindow(timing_, overview().living.size() + 1, confirmations);
}

void Membership::AdvanceSuspects(Time now) {
  std::vector<Member*> dead;
  for (const std::string& name : suspects_) {
    Member& member = members_.at(name);
    if (member.accusers.contains(name_) && DiesAt(member) <= now) dead.push_back(&member);
  }
  for (Member* member : dead) {
    SetVerdict(now, *member, Verdict::kDead);
    Accuse(now, *member, Reach::kEverybody);
  }
}

void Membership::AdvanceRelaysAndRepeats(Time now) {
  std::erase_if(relays_, [&](const auto& entry) {
    const Relay& relay = entry.second;
    if (relay.expires > now) return false;
    Send(relay.origin, IndirectAck{.id = relay.origin_id, .reached = false});
    return true;
  });
  std::erase_if(repeats_, [&](const auto& entry) {
    const auto& [at, reach] = entry.second;
    if (at > now) return false;
    Tell(entry.first, reach);
    return true;
  });
}

// ---- the lost, and those who are gone

void Membership::AdvanceContacts(Time now) {
  if (silent() && now - silenced_ >= timing_.rejoin_interval) {
    silenced_ = kNever;
    changed_ = true;  // the name is ours again
  }
  if (next_contact_ > now) return;
  Greet();
  AskContacts();
  const bool alone = !own_ || overview().living.empty();
  next_contact_ = now + (alone ? timing_.join_interval : timing_.rejoin_interval);
  if (contacts_.empty() && !silent()) next_contact_ = kNever;
}

// Where nobody lives whom we know.
void Membership::AskContacts() {
  std::vector<Endpoint> contacts(contacts_.begin(), contacts_.end());
  if (own_) {
    std::set<Endpoint> inhabited;
    for (const Member* member : overview().living) {
      if (contacts_.contains(member->record.gossip)) inhabited.insert(member->record.gossip);
    }
    std::erase_if(contacts, [&](const Endpoint& contact) { return inhabited.contains(contact); });
  }
  Shuffle(contacts, random_);
  contacts.resize(std::min(contacts.size(), kContactsAtOnce));
  for (const Endpoint& contact : contacts) {
    SendOwnTo(contact);
    Ask(contact);
  }
}

void Membership::Forget(Time now) {
  std::erase_if(members_, [&](const auto& entry) {
    return entry.second.verdict == Verdict::kLeft && now - entry.second.since > timing_.forget_left;
  });
  // A node that was given another name: the old one does not come back.
  std::map<Endpoint, std::string> homes;
  for (const Member* member : overview().dead) homes.emplace(member->record.gossip, member->record.name);
  std::vector<std::string> replaced;
  const auto inhabited = [&](const Endpoint& place) {
    if (const auto found = homes.find(place); found != homes.end()) replaced.push_back(found->second);
  };
  if (homes.empty()) return;
  inhabited(self_);
  for (const Member* member : overview().living) inhabited(member->record.gossip);
  for (const std::string& name : replaced) SetVerdict(now, members_.at(name), Verdict::kLeft);
}

}  // namespace egressd::gossip
