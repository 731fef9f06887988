// The orders of operators: one after the other, each asked, decided and told to everybody.
#include <algorithm>
#include <format>

#include "agent/key_agreement.h"
#include "egressd/gossip/seal.h"

namespace egressd::agent {
namespace {

constexpr std::size_t kWaitingOrders = 16;
// No datagram is longer on its way, nor waits longer in a socket, than this.
constexpr Duration kInFlight{2'000'000};

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool Changes(const KeyOrder& order) { return order.action != KeyOrder::Action::kList; }
// Needs the consent of every node, not only of those that live.
bool Excludes(const KeyOrder& order) { return order.action == KeyOrder::Action::kUse || order.action == KeyOrder::Action::kRemove; }

}  // namespace

void KeyAgreement::Take(KeyOrder order) {
  if (waiting_.size() < kWaitingOrders) return waiting_.push_back(std::move(order));
  KeyResult result{.request = order.request};
  result.error = Error{ErrorKind::kUnavailable, "too many orders about the keys wait already"};
  results_.push_back(std::move(result));
}

void KeyAgreement::Abandon(const Members& members, const std::string& why) {
  if (job_) Finish(members, {}, Error{ErrorKind::kUnavailable, why});
  for (const KeyOrder& order : waiting_) {
    KeyResult result{.request = order.request};
    result.error = Error{ErrorKind::kUnavailable, why};
    results_.push_back(std::move(result));
  }
  waiting_.clear();
}

void KeyAgreement::AdvanceOrders(Time now, const Members& members, const Endpoint& self) {
  if (!job_) {
    if (waiting_.empty()) return;
    job_ = Job{.order = std::move(waiting_.front())};
    waiting_.pop_front();
    const bool locked = lock_ && lock_->holder != name_;
    if (Changes(job_->order) && locked) {
      return Finish(members, self,
                    Error{ErrorKind::kUnavailable, std::format("{} is changing the keys: try again when it is done", lock_->holder)});
    }
    BeginRound(now, Phase::kAsk);
  }
  if (job_->phase == Phase::kTell) return AdvanceTelling(now, members, self);
  AdvanceAsking(now, members, self);
}

void KeyAgreement::BeginRound(Time now, Phase phase) {
  job_->phase = phase;
  job_->round = ++round_;
  job_->began = job_->send_at = now;
  job_->deadline = now + Patience();
  job_->version = version_;
  job_->replies.clear();
  if (Changes(job_->order)) lock_ = Lock{.holder = name_, .round = round_, .until = now + LockTime()};
}

Result<std::optional<KeyRing>> KeyAgreement::Next(const KeyOrder& order) const {
  const auto some = [](Result<KeyRing> ring) -> Result<std::optional<KeyRing>> {
    if (!ring) return std::unexpected(std::move(ring.error()));
    return std::optional(std::move(*ring));
  };
  switch (order.action) {
    case KeyOrder::Action::kList: break;
    case KeyOrder::Action::kInstall:
      if (version_.number > 0 && std::ranges::all_of(order.keys, [&](const auto& key) { return std::ranges::contains(ring_.keys, key); })) {
        break;
      }
      return some(Installed(ring_, order.keys));
    case KeyOrder::Action::kUse:
      if (order.named.size() != 1) return Fail(ErrorKind::kInvalid, "one key is to be used");
      if (order.named.front() == names_.front() && version_.number > 0) break;
      return some(Using(ring_, order.named.front()));
    case KeyOrder::Action::kRemove:
      if (order.named.empty()) return Fail(ErrorKind::kInvalid, "no key is named");
      return some(Without(ring_, order.named));
  }
  return std::nullopt;
}

// Does it seal, for the sake of somebody who was away, with a key that is to go? That ends by itself.
bool KeyAgreement::Delays(const KeyAnswer& answer) const {
  if (job_->order.action != KeyOrder::Action::kRemove || job_->order.force) return false;
  const auto goes = [&](gossip::Fingerprint key) { return std::ranges::contains(job_->order.named, key); };
  return !goes(answer.ring.front()) && std::ranges::any_of(answer.sealing, goes);
}

// Living nodes that have not answered in this round, or whose answer is not the last word.
std::vector<std::string> KeyAgreement::Silent(const Members& members) const {
  std::vector<std::string> names;
  for (const auto& [name, member] : members) {
    if (!member.lives()) continue;
    if (!Answered(name, member)) {
      names.push_back(name);
    } else if (const KeyAnswer& answer = job_->replies.at(name).answer; !IsCurrent(answer.version) || Delays(answer)) {
      names.push_back(name);
    }
  }
  return names;
}

// In its present life.
bool KeyAgreement::Answered(const std::string& name, const gossip::Member& member) const {
  const auto reply = job_->replies.find(name);
  return reply != job_->replies.end() && reply->second.incarnation >= member.record.stamp.incarnation;
}

std::set<Endpoint> KeyAgreement::Unmet(const Members& members, const Endpoint& self) const {
  std::set<Endpoint> unmet = contacts_;
  // Who speaks without being a member is about to become one.
  for (const auto& [contact, name] : met_) {
    if (name == name_ || members.contains(name)) unmet.erase(contact);
  }
  for (const auto& [name, member] : members) unmet.erase(member.record.gossip);
  unmet.erase(self);
  return unmet;
}

// Who might be cut off by a key that it does not get.
std::optional<Error> KeyAgreement::Missing(const Members& members, const Endpoint& self) const {
  if (!Excludes(job_->order) || job_->order.force) return std::nullopt;
  std::vector<std::string> dead, unmet;
  for (const auto& [name, member] : members) {
    if (member.verdict == gossip::Verdict::kDead) dead.push_back(name);
  }
  if (!dead.empty()) {
    return Error{ErrorKind::kUnavailable,
                 std::format("{} {} dead and would be cut off: nothing was changed (--force goes on without)", Joined(dead),
                             dead.size() == 1 ? "is" : "are")};
  }
  for (const Endpoint& contact : Unmet(members, self)) unmet.push_back(contact.ToString());
  if (!unmet.empty()) {
    return Error{ErrorKind::kUnavailable,
                 std::format("there should be a node at {}, which would be cut off, and is no member: nothing was changed (--force goes on "
                             "without)",
                             Joined(unmet))};
  }
  return std::nullopt;
}

// The condition in the header, for everybody who answered.
std::optional<Error> KeyAgreement::Objection(const KeyRing& next, const Members& members) const {
  const std::vector<gossip::Fingerprint> names = FingerprintsOf(next.keys);
  std::vector<std::string> lacking;
  std::map<gossip::Fingerprint, std::vector<std::string>> sealing;
  const auto judge = [&](const std::string& name, const KeyAnswer& answer) {
    if (!std::ranges::contains(answer.ring, names.front())) lacking.push_back(name);
    for (const gossip::Fingerprint key : answer.sealing) {
      const bool excused = job_->order.force && key != answer.ring.front();
      if (!std::ranges::contains(names, key) && !excused) sealing[key].push_back(name);
    }
  };
  judge(name_, AnswerOf(0, ""));
  for (const auto& [name, member] : members) {
    if (member.lives() && Answered(name, member)) judge(name, job_->replies.at(name).answer);
  }
  if (!lacking.empty()) {
    return Error{ErrorKind::kInvalid, std::format("key {} is not installed on {}", gossip::ToString(names.front()), Joined(lacking))};
  }
  if (sealing.empty()) return std::nullopt;
  const auto& [key, who] = *sealing.begin();
  if (std::ranges::contains(names_, key)) {
    return Error{ErrorKind::kInvalid, std::format("{} still {} with key {}: use another one first", Joined(who),
                                                  who.size() == 1 ? "seals" : "seal", gossip::ToString(key))};
  }
  return Error{ErrorKind::kInvalid,
               std::format("{} {} with key {}, which this node does not have: install that one first", Joined(who),
                           who.size() == 1 ? "seals" : "seal", gossip::ToString(key))};
}

void KeyAgreement::AdvanceAsking(Time now, const Members& members, const Endpoint& self) {
  if (job_->version != version_) BeginRound(now, Phase::kAsk);  // somebody had a newer one
  if (job_->phase == Phase::kWait) {
    if (now < job_->deadline) return;
    BeginRound(now, Phase::kAskAgain);
  }
  if (auto missing = Missing(members, self)) return Finish(members, self, std::move(missing));
  for (const auto& [name, reply] : job_->replies) {
    if (Changes(job_->order) && !reply.answer.changing.empty()) {
      return Finish(members, self,
                    Error{ErrorKind::kUnavailable, std::format("{} says that {} is changing the keys: try again when it is done", name,
                                                               reply.answer.changing)});
    }
  }
  const std::vector<std::string> silent = Silent(members);
  const bool waits = !silent.empty() || Delays(AnswerOf(0, ""));
  if (waits && now < job_->deadline) {
    if (job_->send_at > now) return;
    job_->send_at = now + timing_.ack_timeout;
    const auto purpose = Changes(job_->order) ? KeyQuestion::Purpose::kChange : KeyQuestion::Purpose::kLook;
    for (const std::string& name : silent) {
      Send(members.at(name).record.gossip, KeyQuestion{.round = job_->round, .purpose = purpose, .version = version_});
    }
    return;
  }
  if (!Changes(job_->order)) return Finish(members, self, std::nullopt);
  if (Excludes(job_->order)) {
    std::vector<std::string> unanswered = silent;
    std::erase_if(unanswered, [&](const std::string& name) { return Answered(name, members.at(name)); });
    if (!unanswered.empty()) {
      return Finish(members, self,
                    Error{ErrorKind::kUnavailable, std::format("{} {} not answer: nothing was changed", Joined(unanswered),
                                                               unanswered.size() == 1 ? "does" : "do")});
    }
  }
  if (job_->order.action == KeyOrder::Action::kRemove && job_->phase == Phase::kAsk) {
    const auto next = Next(job_->order);
    if (!next) return Finish(members, self, next.error());
    if (auto objection = Objection(**next, members)) return Finish(members, self, std::move(objection));
    job_->phase = Phase::kWait;
    job_->deadline = now + kInFlight;
    return;
  }
  PutNextInForce(now, members, self);
}

void KeyAgreement::PutNextInForce(Time now, const Members& members, const Endpoint& self) {
  const auto next = Next(job_->order);
  if (!next) return Finish(members, self, next.error());
  if (*next) {
    if (auto objection = Objection(**next, members)) return Finish(members, self, std::move(objection));
    if (now - job_->began >= LockTime()) {
      return Finish(members, self, Error{ErrorKind::kUnavailable, "this process stood still for too long: nothing was changed"});
    }
    PutInForce(**next, name_);
  }
  BeginRound(now, Phase::kTell);
  AdvanceTelling(now, members, self);
}

void KeyAgreement::AdvanceTelling(Time now, const Members& members, const Endpoint& self) {
  if (job_->version != version_) {
    return Finish(members, self, Error{ErrorKind::kUnavailable, "another change of the keys came in between: see keys list"});
  }
  const std::vector<std::string> silent = Silent(members);
  if (silent.empty() || now >= job_->deadline) {
    for (const std::string& name : silent) AskFor(now, name);  // they are told when they can be reached
    return Finish(members, self, std::nullopt);
  }
  if (job_->send_at > now) return;
  job_->send_at = now + timing_.ack_timeout;
  for (const std::string& name : silent) {
    const Endpoint& to = members.at(name).record.gossip;
    if (version_.number > 0) {
      Send(to, KeyTell{.round = job_->round, .ring = ring_});
    } else {
      Send(to, KeyQuestion{.round = job_->round, .version = version_});
    }
  }
}

KeyResult KeyAgreement::ResultOf(const Members& members, const Endpoint& self) const {
  KeyResult result{.request = job_->order.request};
  result.ring_number = version_.number;
  result.ring = names_;
  result.nodes.push_back({.name = name_, .state = NodeState::kAlive, .self = true, .answered = true, .follows = true, .ring = names_});
  for (const auto& [name, member] : members) {
    KeyNode node{.name = name, .state = StateOf(member.verdict)};
    if (member.lives() && Answered(name, member)) {
      const KeyAnswer& answer = job_->replies.at(name).answer;
      node.answered = true;
      node.follows = answer.version == version_;
      node.ring = answer.ring;
    }
    result.nodes.push_back(std::move(node));
  }
  std::ranges::sort(result.nodes, {}, &KeyNode::name);
  const std::set<Endpoint> unmet = Unmet(members, self);
  result.unmet.assign(unmet.begin(), unmet.end());
  return result;
}

void KeyAgreement::Finish(const Members& members, const Endpoint& self, std::optional<Error> error) {
  KeyResult result = ResultOf(members, self);
  result.error = std::move(error);
  if (Changes(job_->order) && job_->round != 0) {
    if (lock_ && lock_->holder == name_) lock_.reset();
    const KeyQuestion done{.round = round_, .purpose = KeyQuestion::Purpose::kDone, .version = version_};
    for (const auto& [name, member] : members) {
      if (member.lives()) Send(member.record.gossip, done);
    }
  }
  results_.push_back(std::move(result));
  job_.reset();
}

}  // namespace egressd::agent
