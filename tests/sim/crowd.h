// Many nodes, but of each only its gossip::Membership, on a virtual network with a virtual clock. Bytes are counted as they would be sent:
// encoded, cut into parts, sealed. Everything follows from one seed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <format>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "egressd/base/random.h"
#include "egressd/gossip/channel.h"
#include "egressd/gossip/membership.h"

namespace egressd::sim {

class Crowd {
 public:
  struct Node {
    std::string name;
    Endpoint place;
    std::unique_ptr<gossip::Membership> membership;  // none: it is dead
    std::uint64_t incarnation = 0;
    Time wake = kNever;                              // of the timer event that counts
    Time paused_until{};
    std::uint64_t sent_bytes = 0, sent_datagrams = 0, received_datagrams = 0;
    std::map<std::string, Time> dead_since;          // verdicts as they came
  };

  Crowd(std::size_t size, std::uint64_t seed, const gossip::Timing& timing = {}) : timing_(timing), random_(seed), nodes_(size) {
    for (std::size_t i = 0; i < size; ++i) {
      nodes_[i].name = std::format("node-{:04}", i);
      nodes_[i].place = {.address = IpAddress::Ipv4(0x0a000000 + static_cast<std::uint32_t>(i) + 1), .port = 7947};
      at_[nodes_[i].place] = i;
    }
  }

  double loss = 0;
  bool cut = false;                     // between the two halves
  std::size_t false_deaths = 0;         // somebody took a running node for dead
  std::size_t suspicions = 0;

  Time now() const { return now_; }
  Random& random() { return random_; }
  std::vector<Node>& nodes() { return nodes_; }
  Node& operator[](std::size_t i) { return nodes_[i]; }

  // Where another node of this crowd runs with the name of `i`, or where `i` has moved to.
  void Place(std::size_t i, const Endpoint& place) {
    if (const auto old = at_.find(nodes_[i].place); old != at_.end() && old->second == i) at_.erase(old);
    nodes_[i].place = place;
    at_[place] = i;
  }
  void Start(std::size_t i, std::set<Endpoint> contacts) { StartAs(i, WallClock(), std::move(contacts)); }
  std::uint64_t WallClock() const { return static_cast<std::uint64_t>(now_.time_since_epoch().count() / 1000); }
  void StartAs(std::size_t i, std::uint64_t incarnation, std::set<Endpoint> contacts) {
    Node& node = nodes_[i];
    node.incarnation = incarnation;
    node.membership = std::make_unique<gossip::Membership>(node.name, node.incarnation, timing_, random_.Next(), std::move(contacts));
    node.membership->Begin(now_, node.place);
    Settle(i);
  }
  // All of them at once, and everybody knows everybody.
  void StartAcquainted() {
    gossip::Records records;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      Start(i, {});
      records.records.push_back(*nodes_[i].membership->own());
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].membership->Receive(now_, {}, "nobody", records);
      nodes_[i].membership->TakeOutgoing();
      nodes_[i].membership->TakeEvents();
      nodes_[i].wake = kNever;
      queue_.push({.time = now_ + Duration{static_cast<std::int64_t>(random_.Below(500'000))}, .order = ++order_, .to = i, .wakes = true});
    }
  }
  // All of them within three seconds, with the first three as join addresses.
  void StartAll() {
    std::set<Endpoint> contacts;
    for (std::size_t i = 0; i < std::min<std::size_t>(3, nodes_.size()); ++i) contacts.insert(nodes_[i].place);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const Time time = now_ + Duration{static_cast<std::int64_t>(random_.Below(3'000'000))};
      queue_.push({.time = time, .order = ++order_, .to = i, .starts = contacts});
    }
  }
  void Kill(std::size_t i) { nodes_[i].membership.reset(); }
  void Pause(std::size_t i, Duration duration) { nodes_[i].paused_until = now_ + duration; }

  void Run(Duration duration) {
    const Time end = now_ + duration;
    while (!queue_.empty() && queue_.top().time <= end) {
      const Event event = queue_.top();
      queue_.pop();
      now_ = std::max(now_, event.time);
      Carry(event);
    }
    now_ = end;
  }
  template <typename Condition>
  std::optional<Duration> RunUntil(Duration limit, Condition condition) {
    const Time begin = now_;
    while (!condition()) {
      if (now_ - begin >= limit) return std::nullopt;
      Run(Duration{20'000});
    }
    return now_ - begin;
  }

  bool Believes(std::size_t i, const std::string& name, gossip::Verdict verdict) const {
    const auto& members = nodes_[i].membership->members();
    const auto found = members.find(name);
    return found != members.end() && found->second.verdict == verdict;
  }
  // How many running nodes do not think so.
  std::size_t Dissenters(const std::string& name, gossip::Verdict verdict) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].membership && nodes_[i].name != name && !Believes(i, name, verdict)) ++count;
    }
    return count;
  }
  // Everybody who runs takes everybody who runs for alive.
  bool Agreed() const {
    const auto running = static_cast<std::size_t>(std::ranges::count_if(nodes_, [](const Node& node) { return node.membership != nullptr; }));
    if (running == 0) return false;
    for (const Node& node : nodes_) {
      if (!node.membership) continue;
      if (!node.membership->own()) return false;
      const auto& members = node.membership->members();
      const auto alive = std::ranges::count_if(members, [](const auto& entry) { return entry.second.verdict == gossip::Verdict::kAlive; });
      if (static_cast<std::size_t>(alive) + 1 != running) return false;
    }
    return true;
  }
  void ForgetTraffic() {
    for (Node& node : nodes_) node.sent_bytes = node.sent_datagrams = node.received_datagrams = 0;
  }
  std::uint64_t WorstSent() const {
    std::uint64_t worst = 0;
    for (const Node& node : nodes_) worst = std::max(worst, node.sent_bytes);
    return worst;
  }
  // What a node says of itself: 3 labels and 4 claims.
  gossip::Record RecordOf(std::size_t i) const {
    gossip::Record record{.ready = true,
                          .gossip = nodes_[i].place,
                          .underlay = nodes_[i].place.address,
                          .tunnel_number = static_cast<std::uint16_t>(i + 1),
                          .labels = {{"role", "gateway"}, {"zone", "eu-central-1a"}, {"rack", std::format("r{}", i / 40)}},
                          .policy = {.number = 12, .digest = 0x123456789abcdef}};
    for (std::uint32_t k = 0; k < 4; ++k) {
      record.claims.push_back({.address = IpAddress::Ipv4(0xcb000000 + static_cast<std::uint32_t>(i) * 4 + k), .term = 17});
    }
    return record;
  }

 private:
  struct Event {
    Time time;
    std::uint64_t order = 0;
    std::size_t to = 0;
    std::size_t from = 0;
    Endpoint source;
    std::shared_ptr<const gossip::Message> message;  // none: a timer, or a start
    std::optional<std::set<Endpoint>> starts;
    bool wakes = false;                              // whatever its own timer says
    bool operator<(const Event& other) const { return std::tie(other.time, other.order) < std::tie(time, order); }
  };

  void Carry(const Event& event) {
    Node& node = nodes_[event.to];
    if (event.starts) return Start(event.to, *event.starts);
    if (!node.membership) return;
    if (node.paused_until > now_) {
      Event later = event;
      later.time = node.paused_until;
      if (!event.message) node.wake = later.time;
      return queue_.push(std::move(later));
    }
    if (!event.message) {
      if (event.time != node.wake && !event.wakes) return;
      node.wake = kNever;
    }
    node.membership->Advance(now_);
    if (event.message) {
      ++node.received_datagrams;
      node.membership->Receive(now_, event.source, nodes_[event.from].name, *event.message);
    }
    Settle(event.to);
  }

  void Settle(std::size_t i) {
    Node& node = nodes_[i];
    gossip::Membership& membership = *node.membership;
    if (!membership.own() && membership.synced(now_)) membership.Publish(now_, RecordOf(i));
    for (gossip::MemberEvent& event : membership.TakeEvents()) {
      if (event.verdict == gossip::Verdict::kSuspect) ++suspicions;
      if (event.verdict != gossip::Verdict::kDead) continue;
      node.dead_since[event.name] = now_;
      for (const Node& other : nodes_) {
        if (other.name == event.name && other.membership && other.paused_until <= now_ && !cut) ++false_deaths;
      }
    }
    for (gossip::Outgoing& outgoing : membership.TakeOutgoing()) Send(i, std::move(outgoing));
    Time wake = membership.NextTimer(now_);
    if (!membership.own()) wake = std::min(wake, membership.sync().NextTimer(now_));
    if (wake == kNever) return;
    wake = std::max(wake, now_ + Duration{1'000});
    if (wake >= node.wake && node.wake > now_) return;
    node.wake = wake;
    queue_.push({.time = wake, .order = ++order_, .to = i});
  }

  void Send(std::size_t i, gossip::Outgoing outgoing) {
    Node& node = nodes_[i];
    const std::size_t header = gossip::kSealOverheadBytes + node.name.size() + 1 + 6 + 4 + 2;
    const std::size_t bytes = gossip::Encode(outgoing.message).size();
    const std::size_t parts = bytes / (gossip::kDatagramBytes - header) + 1;
    node.sent_bytes += bytes + parts * header;
    node.sent_datagrams += parts;
    const auto target = at_.find(outgoing.to);
    if (target == at_.end() || (cut && (target->second < nodes_.size() / 2) != (i < nodes_.size() / 2))) return;
    for (std::size_t part = 0; part < parts; ++part) {
      if (random_.Chance(loss)) return;
    }
    queue_.push({.time = now_ + Duration{static_cast<std::int64_t>(200 + random_.Below(1'300))},
                 .order = ++order_,
                 .to = target->second,
                 .from = i,
                 .source = node.place,
                 .message = std::make_shared<const gossip::Message>(std::move(outgoing.message))});
  }

  gossip::Timing timing_;
  Random random_;
  std::vector<Node> nodes_;
  std::map<Endpoint, std::size_t> at_;
  std::priority_queue<Event> queue_;
  std::uint64_t order_ = 0;
  Time now_{Duration{1'000'000'000}};
};

}  // namespace egressd::sim
