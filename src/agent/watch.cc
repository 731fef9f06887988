#include "agent/watch.h"

#include <algorithm>
#include <format>

namespace egressd::agent {
namespace {

// A BFD packet is late after 5/4 of an interval (they come after 75 to 100 %); a peer that is in doubt and answers no echo request for 6/4
// is silent. Both together are shorter than the usual detection time, three intervals, so that nothing waits for the echo.
constexpr int kLateQuarters = 5, kPatienceQuarters = 6;
constexpr int kEchoesPerIntervalInDoubt = 20;
// While all is well.
constexpr Duration kQuietEcho{1'000'000};
constexpr int kQuietEchoesUnanswered = 3;

Duration Interval(const WatchedPeer& peer) { return std::max(peer.timers.min_tx, peer.timers.min_rx); }

}  // namespace

Duration Watch::Patience(const Peer& peer) const { return Interval(peer.config) * kPatienceQuarters / 4; }

Time Watch::DoubtFrom(const Peer& peer) const {
  if (peer.liveness == Liveness::kDaemonSilent) return Time::min();
  const bfd::Session* session = sessions_.Find(peer.config.underlay);
  if (session == nullptr || session->state() != bfd::State::kUp || !session->last_received()) return kNever;
  return *session->last_received() + Interval(peer.config) * kLateQuarters / 4;
}

Duration Watch::EchoInterval(const Peer& peer) const {
  return peer.doubted == kNever ? std::max(kQuietEcho, Interval(peer.config)) : Interval(peer.config) / kEchoesPerIntervalInDoubt;
}

// Of a peer in doubt.
Time Watch::SilentFrom(const Peer& peer) const { return std::max(peer.doubted, peer.answered.value_or(peer.doubted)) + Patience(peer); }

void Watch::Set(Time now, const std::map<std::string, WatchedPeer>& peers) {
  std::map<IpAddress, bfd::Timers> sessions;
  for (const auto& [name, config] : peers) sessions.emplace(config.underlay, config.timers);
  sessions_.Set(now, sessions);
  std::erase_if(peers_, [&](const auto& entry) {
    const auto found = peers.find(entry.first);
    return found == peers.end() || found->second.underlay != entry.second.config.underlay;
  });
  by_tunnel_.clear();
  for (const auto& [name, config] : peers) {
    auto [peer, fresh] = peers_.try_emplace(name);
    if (fresh) peer->second.next_echo = now;
    peer->second.config = config;
    by_tunnel_.emplace(config.tunnel, name);
  }
}

void Watch::Receive(Time now, const BfdPacket& packet) { sessions_.Receive(now, packet.from, packet.time_to_live, packet.bytes); }

void Watch::Receive(Time now, const EchoReply& reply) {
  const auto name = by_tunnel_.find(reply.from);
  if (name == by_tunnel_.end()) return;
  Peer& peer = peers_.at(name->second);
  // A reply to what was asked longer ago than the patience says nothing about now.
  const auto age = static_cast<std::uint16_t>(peer.sequence - reply.sequence);
  if (age < kRemembered && now - peer.sent[reply.sequence % kRemembered] <= Patience(peer)) peer.answered = now;
}

void Watch::Advance(Time now) {
  Duration shortest{1'000'000};
  for (const auto& [name, peer] : peers_) shortest = std::min(shortest, Interval(peer.config) / 2);
  if (expected_ != kNever && now - expected_ > shortest) {
    for (auto& [name, peer] : peers_) {
      if (peer.doubted != kNever) peer.doubted = now;
    }
    sessions_.Forgive(now, now - expected_);
  }
  sessions_.Advance(now);
  for (const bfd::Sessions::Change& change : sessions_.TakeChanges()) {
    const auto found = std::ranges::find(peers_, change.peer, [](const auto& entry) { return entry.second.config.underlay; });
    if (found == peers_.end()) continue;
    Peer& peer = found->second;
    if (change.to == bfd::State::kUp) {
      Say(now, found->first, peer, Liveness::kUp);
    } else if (change.from == bfd::State::kUp) {
      // On purpose (it stops), or not.
      Say(now, found->first, peer, change.remote == bfd::State::kAdminDown ? Liveness::kUnknown : Liveness::kDaemonSilent);
    }
  }
  for (auto& [name, peer] : peers_) {
    peer.late = DoubtFrom(peer);
    if (now < peer.late) {
      peer.doubted = kNever;
    } else if (peer.doubted == kNever) {
      peer.doubted = peer.next_echo = now;
    }
    if (peer.next_echo <= now) {
      echoes_.push_back({.from = {}, .to = peer.config.tunnel, .sequence = ++peer.sequence});
      peer.sent[peer.sequence % kRemembered] = now;
      peer.next_echo = now + EchoInterval(peer);
    }
    Judge(now, name, peer);
  }
  expected_ = NextTimer();
}

void Watch::Judge(Time now, const std::string& name, Peer& peer) {
  if (peer.liveness == Liveness::kDaemonSilent && SilentFrom(peer) <= now) Say(now, name, peer, Liveness::kSilent);
}

void Watch::Say(Time now, const std::string& name, Peer& peer, Liveness liveness) {
  if (peer.liveness == liveness) return;
  peer.liveness = liveness;
  peer.said = now;
  if (liveness == Liveness::kSilent) peer.answered.reset();
  changes_.push_back({.peer = name, .liveness = liveness});
}

Time Watch::NextTimer() const {
  Time next = sessions_.NextTimer();
  for (const auto& [name, peer] : peers_) {
    next = std::min(next, peer.next_echo);
    if (peer.doubted == kNever) {
      next = std::min(next, peer.late);
    } else if (peer.liveness == Liveness::kDaemonSilent) {
      next = std::min(next, SilentFrom(peer));
    }
  }
  return next;
}

void Watch::Stop(Time now) {
  sessions_.Set(now, {});
  peers_.clear();
  by_tunnel_.clear();
}

std::vector<OutgoingBfd> Watch::TakeBfd() {
  std::vector<OutgoingBfd> out;
  for (bfd::Sessions::Outgoing& packet : sessions_.TakeOutgoing()) {
    out.push_back({.from = {}, .to = packet.to, .from_port = packet.source_port, .bytes = {packet.bytes.begin(), packet.bytes.end()}});
  }
  return out;
}

Liveness Watch::liveness(const std::string& peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? Liveness::kUnknown : found->second.liveness;
}

bool Watch::AnyDaemonSilent() const {
  return std::ranges::any_of(peers_, [](const auto& entry) { return entry.second.liveness == Liveness::kDaemonSilent; });
}

Duration Watch::PacketInterval(const std::string& peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? Duration{0} : Interval(found->second.config);
}

std::optional<Time> Watch::heard(const std::string& peer) const {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return std::nullopt;
  const bfd::Session* session = sessions_.Find(found->second.config.underlay);
  return session == nullptr ? std::nullopt : session->last_received();
}

bool Watch::PathAnswers(const std::string& name, Time now) const {
  const auto found = peers_.find(name);
  if (found == peers_.end()) return false;
  const Peer& peer = found->second;
  if (peer.doubted != kNever) return now < SilentFrom(peer);
  return peer.answered && now - *peer.answered < kQuietEchoesUnanswered * EchoInterval(peer);
}

bool Watch::PathBroken(const std::string& name, Time now) const {
  const auto found = peers_.find(name);
  if (found == peers_.end() || found->second.liveness != Liveness::kUp || found->second.doubted != kNever) return false;
  const Peer& peer = found->second;
  return now - std::max(peer.said, peer.answered.value_or(peer.said)) >= kQuietEchoesUnanswered * EchoInterval(peer);
}

std::string Watch::Describe(const std::string& peer) const {
  const auto found = peers_.find(peer);
  const bfd::Session* session = found == peers_.end() ? nullptr : sessions_.Find(found->second.config.underlay);
  return session == nullptr ? "" : std::string(bfd::ToString(session->state()));
}

std::optional<Duration> Watch::DetectionTime(const std::string& peer) const {
  const auto found = peers_.find(peer);
  const bfd::Session* session = found == peers_.end() ? nullptr : sessions_.Find(found->second.config.underlay);
  if (session == nullptr || session->state() != bfd::State::kUp) return std::nullopt;
  return session->detection_time();
}

}  // namespace egressd::agent
