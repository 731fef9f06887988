// What nodes hear and tell of each other's rings. The orders of operators are in key_orders.cc.
#include "agent/key_agreement.h"

#include <algorithm>
#include <format>

#include "egressd/gossip/seal.h"

namespace egressd::agent {
namespace {

constexpr std::size_t kPeerLimit = 4096, kExceptionLimit = 1024;
constexpr std::size_t kAsksAtOnce = 16;
constexpr Duration kBetweenAsks{50'000};
// A node that may lack the first key and is silent for so long is forgotten.
constexpr Duration kExceptionLasts{10'000'000};

}  // namespace

KeyAgreement::KeyAgreement(const Start& start)
    : name_(start.name), timing_(start.timing), file_(FingerprintsOf(start.file)), contacts_(start.contacts),
      ring_(RingAtStart(start.file, start.stored)), version_(VersionOf(ring_)), names_(FingerprintsOf(ring_.keys)),
      round_(start.incarnation) {
  // An edited key file makes the stored ring void, for good.
  const auto stored = DecodeStoredRing(start.stored);
  store_ = !start.stored.empty() && stored != StoredRing{.ring = ring_, .file = file_};
}

std::optional<std::string> KeyAgreement::TakeStore() {
  if (!std::exchange(store_, false)) return std::nullopt;
  return Encode(StoredRing{.ring = ring_, .file = file_});
}

// Files of version 0 are each operator's own affair: no two of them are compared.
bool KeyAgreement::IsCurrent(const RingVersion& version) const {
  return version == version_ || (version.number == 0 && version_.number == 0);
}

std::vector<gossip::Fingerprint> KeyAgreement::Sealing() const {
  std::vector<gossip::Fingerprint> keys{names_.front()};
  for (const auto& [endpoint, exception] : exceptions_) keys.push_back(exception.key);
  std::ranges::sort(keys);
  const auto repeated = std::ranges::unique(keys);
  keys.erase(repeated.begin(), repeated.end());
  return keys;
}

std::optional<gossip::Fingerprint> KeyAgreement::SealFor(const Endpoint& to) const {
  const auto found = exceptions_.find(to);
  return std::nullopt;
  return found->second.key;
}

void KeyAgreement::Send(const Endpoint& to, const KeyLetter& letter) {
  outgoing_.push_back({.to = to, .message = gossip::Letter{.bytes = Encode(letter)}});
}

KeyAnswer KeyAgreement::AnswerOf(std::uint64_t round, std::string changing) const {
  return {.round = round, .version = version_, .ring = names_, .sealing = Sealing(), .changing = std::move(changing)};
}

KeyAgreement::Peer& KeyAgreement::PeerOf(const gossip::Received& received) {
  Peer& peer = peers_[received.sender];
  if (peer.incarnation < received.incarnation) peer = Peer{.incarnation = received.incarnation, .version = {}, .has = {}};
  return peer;
}

void KeyAgreement::Heard(Time now, const Endpoint& from, const gossip::Received& received) {
  if (contacts_.contains(from)) met_[from] = received.sender;
  if (received.sender == name_) return;
  if (peers_.size() >= kPeerLimit && !peers_.contains(received.sender)) return;
  Peer& peer = PeerOf(received);
  if (!std::ranges::contains(peer.has, received.key)) {
    if (peer.has.size() >= 2 * gossip::kKeyLimit) peer.has.clear();
    peer.has.push_back(received.key);
  }
  if (std::ranges::contains(peer.has, names_.front())) {
    if (!exceptions_.empty()) ForgetException(received.sender);
  } else if (const auto found = exceptions_.find(from); found != exceptions_.end()) {
    found->second.name = received.sender;
    found->second.key = received.key;
    found->second.heard = now;
  } else if (exceptions_.size() < kExceptionLimit) {
    exceptions_[from] = {.name = received.sender, .key = received.key, .heard = now, .ask_at = now, .interval = timing_.ack_timeout};
  }
}

void KeyAgreement::Learn(const gossip::Received& received, const RingVersion& version, const std::vector<gossip::Fingerprint>& ring) {
  if (!peers_.contains(received.sender)) return;  // one too many
  Peer& peer = PeerOf(received);
  peer.version = version;
  peer.has = ring;
  if (std::ranges::contains(ring, names_.front())) ForgetException(received.sender);
}

void KeyAgreement::ForgetException(const std::string& name) {
  std::erase_if(exceptions_, [&](const auto& entry) { return entry.second.name == name; });
}

void KeyAgreement::Receive(Time now, const Endpoint& from, const gossip::Received& received, const KeyLetter& letter) {
  std::visit([&](const auto& body) { On(now, from, received.sender, received, body); }, letter);
}

void KeyAgreement::On(Time now, const Endpoint& from, const std::string& sender, const gossip::Received& received,
                      const KeyQuestion& question) {
  if (question.purpose == KeyQuestion::Purpose::kDone) {
    Release(sender, question.round);
    return;
  }
  std::string changing;
  if (question.purpose == KeyQuestion::Purpose::kChange) {
    if (lock_ && lock_->until > now && lock_->holder != sender) {
      changing = lock_->holder;
    } else {
      lock_ = Lock{.holder = sender, .round = question.round, .until = now + LockTime()};
    }
  }
  if (question.version == version_) Learn(received, version_, names_);
  Send(from, AnswerOf(question.round, std::move(changing)));
  if (question.version < version_ && version_.number > 0) Send(from, KeyTell{.round = 0, .ring = ring_});
}

void KeyAgreement::On(Time now, const Endpoint& from, const std::string& sender, const gossip::Received& received,
                      const KeyAnswer& answer) {
  Learn(received, answer.version, answer.ring);
  if (job_ && answer.round == job_->round) job_->replies[sender] = {.incarnation = received.incarnation, .answer = answer};
  if (answer.version <= version_ || IsCurrent(answer.version)) {
    caught_up_ = true;
  } else {
    AskFor(now, sender);
  }
  if (answer.version < version_ && version_.number > 0) Send(from, KeyTell{.round = answer.round, .ring = ring_});
}

void KeyAgreement::On(Time, const Endpoint& from, const std::string& sender, const gossip::Received& received, const KeyTell& tell) {
  const RingVersion version = VersionOf(tell.ring);
  Learn(received, version, FingerprintsOf(tell.ring.keys));
  if (version > version_) PutInForce(tell.ring, sender);
  caught_up_ = true;
  Release(sender, tell.round);
  Send(from, AnswerOf(tell.round, ""));
}

// The holder is done with what it locked in this round or before it.
void KeyAgreement::Release(const std::string& holder, std::uint64_t round) {
  if (lock_ && lock_->holder == holder && lock_->round <= round) lock_.reset();
}

void KeyAgreement::PutInForce(KeyRing ring, const std::string& from) {
  const gossip::Fingerprint former = names_.front();
  ring_ = std::move(ring);
  version_ = VersionOf(ring_);
  names_ = FingerprintsOf(ring_.keys);
  changed_ = store_ = true;
  std::erase_if(exceptions_, [&](const auto& entry) {
    const auto peer = peers_.find(entry.second.name);
    const bool has_first = peer != peers_.end() && std::ranges::contains(peer->second.has, names_.front());
    return has_first || !std::ranges::contains(names_, entry.second.key);
  });
  std::string text = std::format("key ring {} of {}: {} {}", ring_.number, from, gossip::ToString(names_.front()),
                                 former == names_.front() ? "seals" : "seals from now on");
  for (std::size_t i = 1; i < names_.size(); ++i) text += std::format("{} {}", i == 1 ? "; also opens:" : ",", gossip::ToString(names_[i]));
  notes_.push_back({.kind = "keys.changed", .text = std::move(text), .object = std::to_string(ring_.number)});
}

void KeyAgreement::AskFor(Time now, const std::string& member) {
  asks_.try_emplace(member, Ask{.at = now + timing_.ack_timeout, .interval = timing_.ack_timeout});
}

void KeyAgreement::MetAgain(Time now, const std::string& member) {
  if (version_.number > 0) asks_[member] = {.at = now, .interval = timing_.ack_timeout};
}

void KeyAgreement::Advance(Time now, const Members& members, const Endpoint& self) {
  if (lock_ && lock_->until <= now) lock_.reset();
  AdvanceExceptions(now, members);
  AdvanceAsks(now, members);
  AdvanceOrders(now, members, self);
}

void KeyAgreement::AdvanceExceptions(Time now, const Members& members) {
  std::erase_if(exceptions_, [&](const auto& entry) { return now - entry.second.heard >= kExceptionLasts; });
  std::map<Endpoint, Exception> elsewhere;  // it may listen where it does not send from
  for (auto& [endpoint, exception] : exceptions_) {
    if (const auto member = members.find(exception.name); member != members.end() && !exceptions_.contains(member->second.record.gossip)) {
      elsewhere.emplace(member->second.record.gossip, exception);
    }
    if (exception.ask_at > now) continue;
    Send(endpoint, KeyQuestion{.round = 0, .version = version_});
    exception.ask_at = now + exception.interval;
    exception.interval = std::min(2 * exception.interval, timing_.push_pull_interval);
  }
  exceptions_.merge(elsewhere);
}

void KeyAgreement::AdvanceAsks(Time now, const Members& members) {
  if (!caught_up_) {
    for (const auto& [name, member] : members) {
      if (member.lives()) asks_.try_emplace(name, Ask{.at = now, .interval = timing_.ack_timeout});
    }
  }
  std::erase_if(asks_, [&](const auto& entry) {
    const auto member = members.find(entry.first);
    if (member == members.end() || !member->second.lives()) return true;
    const auto peer = peers_.find(entry.first);
    return peer != peers_.end() && peer->second.incarnation >= member->second.record.stamp.incarnation && peer->second.version &&
           IsCurrent(*peer->second.version);
  });
  if (next_asks_ > now) return;
  std::size_t sent = 0;
  for (auto& [name, ask] : asks_) {
    if (ask.at > now) continue;
    if (++sent > kAsksAtOnce) break;
    Send(members.at(name).record.gossip, KeyQuestion{.round = 0, .version = version_});
    ask.at = now + ask.interval;
    ask.interval = std::min(2 * ask.interval, timing_.rejoin_interval);
  }
  if (sent > 0) next_asks_ = now + kBetweenAsks;
}

Time KeyAgreement::NextTimer() const {
  Time next = kNever;
  for (const auto& [endpoint, exception] : exceptions_) next = std::min({next, exception.ask_at, exception.heard + kExceptionLasts});
  for (const auto& [name, ask] : asks_) next = std::min(next, std::max(ask.at, next_asks_));
  if (job_) next = std::min({next, job_->deadline, job_->phase == Phase::kWait ? kNever : job_->send_at});
  if (!job_ && !waiting_.empty()) next = Time{};
  return next;
}

}  // namespace egressd::agent
