#include "egressd/bfd/sessions.h"

#include <algorithm>
#include <iterator>

namespace egressd::bfd {

Sessions::Sessions(std::uint64_t seed) : random_(seed) {}

void Sessions::Set(Time now, const std::map<IpAddress, Timers>& peers) {
  for (auto at = current_.begin(); at != current_.end();) {
    const auto [peer, discriminator] = *at++;
    if (!peers.contains(peer)) End(now, entries_.at(discriminator));
  }
  for (const auto& [peer, timers] : peers) {
    const auto known = current_.find(peer);
    if (known == current_.end()) {
      Add(now, peer, timers);
      continue;
    }
    Entry& entry = entries_.at(known->second);
    entry.session.Change(now, timers);
    Collect(entry, entry.session.state());
  }
}

void Sessions::Add(Time now, const IpAddress& peer, const Timers& timers) {
  if (const auto old = ended_.find(peer); old != ended_.end()) Erase(entries_.find(old->second));
  if (ports_.all()) return;
  std::size_t port = random_.Below(kSourcePorts);
  while (ports_.test(port)) port = (port + 1) % kSourcePorts;
  std::uint32_t discriminator = 0;
  while (discriminator == 0 || entries_.contains(discriminator)) discriminator = static_cast<std::uint32_t>(random_.Next() >> 32);
  ports_.set(port);
  current_[peer] = discriminator;
  Entry entry{.peer = peer,
              .source_port = static_cast<std::uint16_t>(kFirstSourcePort + port),
              .session = Session(now, discriminator, timers, random_.Next())};
  Entry& added = entries_.emplace(discriminator, std::move(entry)).first->second;
  added.session.Advance(now);
  Collect(added, State::kDown);
}

void Sessions::End(Time now, Entry& entry) {
  entry.ending = now + std::min(kFarewell, entry.session.detection_time());
  // Nobody was ever heard: once is enough.
  if (entry.session.detection_time() == Duration::max()) entry.ending = now;
  current_.erase(entry.peer);
  ended_[entry.peer] = entry.session.discriminator();
  entry.session.Disable(now);
  Collect(entry, State::kAdminDown);
}

void Sessions::Erase(Entries::iterator at) {
  Entry& entry = at->second;
  Schedule(entry, kNever);
  ports_.reset(entry.source_port - std::size_t{kFirstSourcePort});
  ended_.erase(entry.peer);
  entries_.erase(at);
}

void Sessions::Collect(Entry& entry, State before) {
  const Session& session = entry.session;
  for (const Packet& packet : entry.session.TakeOutgoing()) {
    outgoing_.push_back({.to = entry.peer, .source_port = entry.source_port, .bytes = Encode(packet)});
  }
  if (session.state() != before) {
    changes_.push_back({.peer = entry.peer,
                        .from = before,
                        .to = session.state(),
                        .diagnostic = session.diagnostic(),
                        .remote = session.remote_state()});
  }
  Schedule(entry, std::min(session.NextTimer(), entry.ending.value_or(kNever)));
}

void Sessions::Schedule(Entry& entry, Time due) {
  if (entry.due == due) return;
  const std::uint32_t discriminator = entry.session.discriminator();
  if (entry.due != kNever) due_.erase({entry.due, discriminator});
  if (due != kNever) due_.insert({due, discriminator});
  entry.due = due;
}

Sessions::Entry* Sessions::For(const Packet& packet, const IpAddress& from) {
  std::uint32_t discriminator = packet.your_discriminator;
  if (discriminator == 0) {
    const auto peer = current_.find(from);
    if (peer == current_.end()) return nullptr;
    discriminator = peer->second;
  }
  const auto at = entries_.find(discriminator);
  return at == entries_.end() ? nullptr : &at->second;
}

void Sessions::Receive(Time now, const IpAddress& from, std::uint8_t time_to_live, std::span<const std::uint8_t> bytes) {
  const auto discard = [&](Discard reason) { ++discarded_.at(static_cast<std::size_t>(reason)); };
  if (time_to_live != kFullTimeToLive) return discard(Discard::kTimeToLive);
  const auto packet = Decode(bytes);
  if (!packet) return discard(packet.error());
  Entry* entry = For(*packet, from);
  if (entry == nullptr) return discard(Discard::kNoSession);
  const State before = entry->session.state();
  entry->session.Receive(now, *packet);
  Collect(*entry, before);
}

void Sessions::Forgive(Time now, Duration late) {
  for (auto& [discriminator, entry] : entries_) {
    const State before = entry.session.state();
    entry.session.Forgive(now, late);
    Collect(entry, before);
  }
}

void Sessions::Advance(Time now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto at = entries_.find(due_.begin()->second);
    Entry& entry = at->second;
    if (entry.ending && *entry.ending <= now) {
      Erase(at);
      continue;
    }
    const State before = entry.session.state();
    entry.session.Advance(now);
    Collect(entry, before);
  }
}

Time Sessions::NextTimer() const { return due_.empty() ? kNever : due_.begin()->first; }

std::vector<Sessions::Outgoing> Sessions::TakeOutgoing() { return std::exchange(outgoing_, {}); }

std::vector<Sessions::Change> Sessions::TakeChanges() { return std::exchange(changes_, {}); }

const Session* Sessions::Find(const IpAddress& peer) const {
  const auto at = current_.find(peer);
  return at == current_.end() ? nullptr : &entries_.at(at->second).session;
}

}  // namespace egressd::bfd
