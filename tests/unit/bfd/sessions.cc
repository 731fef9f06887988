#include "egressd/bfd/sessions.h"

#include <algorithm>
#include <map>
#include <ranges>
#include <set>
#include <utility>
#include <vector>

#include "unit/bfd/conversation.h"

namespace egressd::bfd {
namespace {

const IpAddress kA = IpAddress::Ipv4(0x0a000001), kB = IpAddress::Ipv4(0x0a000002), kStranger = IpAddress::Ipv4(0x0a000009);
const IpAddress kSix = IpAddress::Parse("fd00::1").value();

// Nodes with these addresses that speak to each other over a perfect wire.
class Wire {
 public:
  Sessions& Node(const IpAddress& address) { return nodes_.try_emplace(address, nodes_.size() + 1).first->second; }
  bool cut = false;

  void Run(Time until) {
    Carry();
    for (;;) {
      const Time next = std::ranges::min(nodes_ | std::views::transform([](const auto& node) { return node.second.NextTimer(); }));
      if (next > until) break;
      now = std::max(now, next);
      for (auto& [address, node] : nodes_) node.Advance(now);
      Carry();
    }
    now = until;
  }
  Time now = kBegin;

 private:
  void Carry() {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& [from, node] : nodes_) {
        for (const auto& packet : node.TakeOutgoing()) {
          moved = true;
          const auto to = nodes_.find(packet.to);
          if (!cut && to != nodes_.end()) to->second.Receive(now, from, kFullTimeToLive, packet.bytes);
        }
      }
    }
  }
  std::map<IpAddress, Sessions> nodes_;
};

State StateOf(const Sessions& sessions, const IpAddress& peer) {
  const Session* session = sessions.Find(peer);
  REQUIRE(session != nullptr);
  return session->state();
}

Packet Read(const Sessions::Outgoing& outgoing) {
  const auto packet = Decode(outgoing.bytes);
  REQUIRE(packet);
  return *packet;
}

void Hear(Sessions& sessions, const IpAddress& from, const Packet& packet, Time now = kBegin) {
  sessions.Receive(now, from, kFullTimeToLive, Encode(packet));
}

}  // namespace

TEST_CASE("sessions come up, are told, and end when the wire is cut") {
  Wire wire;
  Sessions& a = wire.Node(kA);
  Sessions& b = wire.Node(kB);
  a.Set(kBegin, {{kB, {}}});
  b.Set(kBegin, {{kA, {}}});
  wire.Run(kBegin + Milliseconds(1500));
  CHECK(StateOf(a, kB) == State::kUp);
  CHECK(StateOf(b, kA) == State::kUp);
  auto changes = a.TakeChanges();
  REQUIRE_FALSE(changes.empty());
  CHECK(changes.back().peer == kB);
  CHECK(changes.back().to == State::kUp);
  wire.Run(wire.now + Milliseconds(60'000));
  CHECK(a.TakeChanges().empty());
  wire.cut = true;
  wire.Run(wire.now + Milliseconds(300));
  CHECK(a.TakeChanges() == std::vector{Sessions::Change{.peer = kB,
                                                         .from = State::kUp,
                                                         .to = State::kDown,
                                                         .diagnostic = Diagnostic::kDetectionTimeExpired,
                                                         .remote = State::kDown}});
  wire.cut = false;
  wire.Run(wire.now + Milliseconds(1100));
  CHECK(StateOf(a, kB) == State::kUp);
  for (std::size_t i = 0; i < kDiscards; ++i) CHECK(a.discarded(static_cast<Discard>(i)) == 0);
}

TEST_CASE("every reason to discard has its counter, and nothing that is discarded counts as heard") {
  Sessions sessions(1);
  sessions.Set(kBegin, {{kA, {}}});
  const Session* session = sessions.Find(kA);
  REQUIRE(session != nullptr);
  const std::uint32_t ours = session->discriminator();
  Packet good = Says(State::kDown);
  good.your_discriminator = ours;
  struct Case {
    Discard reason;
    std::uint8_t time_to_live = kFullTimeToLive;
    std::size_t at = 0;
    std::uint8_t value = 0;
    std::size_t size = kPacketBytes;
  };
  const Case cases[] = {
      {.reason = Discard::kVersion, .at = 0, .value = 0x60},
      {.reason = Discard::kLength, .at = 3, .value = 200},
      {.reason = Discard::kLength, .at = 3, .value = kPacketBytes, .size = 23},
      {.reason = Discard::kMultiplier, .at = 2, .value = 0},
      {.reason = Discard::kMultipoint, .at = 1, .value = 0x41},
      {.reason = Discard::kDiscriminator, .at = 7, .value = 0},
      {.reason = Discard::kAuthentication, .at = 1, .value = 0x44, .size = 26},
      {.reason = Discard::kTimeToLive, .time_to_live = 254, .at = 3, .value = kPacketBytes},
      {.reason = Discard::kNoSession, .at = 11, .value = static_cast<std::uint8_t>(~ours)},
  };
  std::map<Discard, std::uint64_t> expected;
  for (const Case& one : cases) {
    CAPTURE(ToString(one.reason));
    const auto encoded = Encode(good);
    std::vector<std::uint8_t> bytes(encoded.begin(), encoded.end());
    bytes.resize(one.size);
    bytes[one.at] = one.value;
    if (one.size > kPacketBytes) bytes[3] = static_cast<std::uint8_t>(one.size);
    sessions.Receive(kBegin, kA, one.time_to_live, bytes);
    CHECK(sessions.discarded(one.reason) == ++expected[one.reason]);
  }
  CHECK(expected.size() == kDiscards);
  // By address, without a discriminator: not of a stranger, and not in a state in which the peer would know us.
  Packet first = Says(State::kDown);
  first.your_discriminator = 0;
  Hear(sessions, kStranger, first);
  CHECK(sessions.discarded(Discard::kNoSession) == 2);
  first.state = State::kUp;
  Hear(sessions, kA, first);
  CHECK(sessions.discarded(Discard::kNoSession) == 3);
  CHECK_FALSE(sessions.Find(kA)->last_received());
  CHECK(sessions.TakeChanges().empty());
  Hear(sessions, kA, good);
  CHECK(sessions.Find(kA)->last_received() == kBegin);
}

TEST_CASE("a packet finds its session by our discriminator, wherever it comes from, and else by its source") {
  Sessions sessions(1);
  sessions.Set(kBegin, {{kA, {}}, {kB, {}}, {kSix, {}}});
  Packet packet = Says(State::kDown);
  packet.your_discriminator = sessions.Find(kB)->discriminator();
  Hear(sessions, kStranger, packet);
  CHECK(StateOf(sessions, kB) == State::kInit);
  CHECK(StateOf(sessions, kA) == State::kDown);
  packet.your_discriminator = 0;
  Hear(sessions, kSix, packet);
  CHECK(StateOf(sessions, kSix) == State::kInit);
  CHECK(StateOf(sessions, kA) == State::kDown);
}

TEST_CASE("each session has a discriminator and a source port of its own, and keeps both") {
  Sessions sessions(7);
  std::map<IpAddress, Timers> peers;
  for (std::uint32_t i = 1; i <= 2000; ++i) peers[IpAddress::Ipv4(i)] = {};
  sessions.Set(kBegin, peers);
  std::map<IpAddress, std::uint16_t> ports;
  std::set<std::uint16_t> distinct;
  std::set<std::uint32_t> discriminators;
  for (const auto& outgoing : sessions.TakeOutgoing()) {
    CHECK(outgoing.source_port >= 49152);
    ports[outgoing.to] = outgoing.source_port;
    distinct.insert(outgoing.source_port);
    discriminators.insert(Read(outgoing).my_discriminator);
  }
  CHECK(ports.size() == 2000);
  CHECK(distinct.size() == 2000);
  CHECK(discriminators.size() == 2000);
  CHECK_FALSE(discriminators.contains(0));
  sessions.Advance(kBegin + Milliseconds(1000));
  for (const auto& outgoing : sessions.TakeOutgoing()) CHECK(outgoing.source_port == ports.at(outgoing.to));
}

TEST_CASE("there are as many sessions as source ports, and a port that is free again is used again") {
  Sessions sessions(7);
  std::map<IpAddress, Timers> peers;
  for (std::uint32_t i = 1; i <= kSourcePorts + 1; ++i) peers[IpAddress::Ipv4(i)] = {};
  sessions.Set(kBegin, peers);
  CHECK(sessions.size() == kSourcePorts);
  const IpAddress last = IpAddress::Ipv4(kSourcePorts + 1);
  CHECK(sessions.Find(last) == nullptr);
  peers.erase(IpAddress::Ipv4(1));
  sessions.Set(kBegin, peers);
  sessions.Advance(kBegin);
  sessions.Set(kBegin, peers);
  CHECK(sessions.Find(last) != nullptr);
}

TEST_CASE("a session that is ended says so once, is not seen any more and is soon forgotten") {
  Wire wire;
  Sessions& a = wire.Node(kA);
  Sessions& b = wire.Node(kB);
  a.Set(kBegin, {{kB, {}}});
  b.Set(kBegin, {{kA, {}}});
  wire.Run(kBegin + Milliseconds(3000));
  REQUIRE(StateOf(a, kB) == State::kUp);
  a.TakeChanges();
  b.TakeChanges();
  a.Set(wire.now, {});
  CHECK(a.Find(kB) == nullptr);
  CHECK(a.size() == 0);
  auto outgoing = a.TakeOutgoing();
  REQUIRE(outgoing.size() == 1);
  CHECK(Read(outgoing[0]).state == State::kAdminDown);
  b.Receive(wire.now, kA, kFullTimeToLive, outgoing[0].bytes);
  const auto changes = b.TakeChanges();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].to == State::kDown);
  CHECK(changes[0].diagnostic == Diagnostic::kNeighborDown);
  CHECK(changes[0].remote == State::kAdminDown);
  // What b still says finds the ended session for a detection time, and is not counted as a stranger's.
  wire.Run(wire.now + Milliseconds(250));
  CHECK(a.discarded(Discard::kNoSession) == 0);
  CHECK(a.TakeChanges().empty());
  wire.Run(wire.now + Milliseconds(1500));
  CHECK(a.discarded(Discard::kNoSession) > 0);
  CHECK(a.NextTimer() == kNever);
}

TEST_CASE("a goodbye to a slow peer is repeated for a detection time, at most for a minute") {
  Sessions sessions(1);
  sessions.Set(kBegin, {{kA, {}}});
  Packet slow = Says(State::kDown);
  slow.your_discriminator = 0;
  slow.desired_min_tx = Duration(0xffffffffLL);
  slow.multiplier = 255;
  Hear(sessions, kA, slow);
  sessions.TakeOutgoing();
  sessions.Set(kBegin, {});
  int goodbyes = 0;
  Time last = kBegin;
  for (Time now = kBegin; now != kNever; now = sessions.NextTimer()) {
    sessions.Advance(now);
    last = now;
    for (const auto& outgoing : sessions.TakeOutgoing()) goodbyes += Read(outgoing).state == State::kAdminDown ? 1 : 0;
  }
  CHECK(goodbyes > 60);
  CHECK(last == kBegin + kFarewell);
}

TEST_CASE("a peer that comes back gets a new session at once") {
  Sessions sessions(1);
  sessions.Set(kBegin, {{kA, {}}});
  const std::uint32_t before = sessions.Find(kA)->discriminator();
  Packet packet = Says(State::kDown);
  packet.your_discriminator = before;
  Hear(sessions, kA, packet);
  sessions.Set(kBegin, {});
  sessions.Set(kBegin, {{kA, {}}});
  sessions.TakeOutgoing();
  CHECK(sessions.Find(kA)->discriminator() != before);
  Hear(sessions, kA, packet);
  CHECK(sessions.discarded(Discard::kNoSession) == 1);
  // Nothing of the old one is left.
  for (Time now = kBegin; now < kBegin + Milliseconds(10'000); now = sessions.NextTimer()) {
    sessions.Advance(now);
    for (const auto& outgoing : sessions.TakeOutgoing()) CHECK(Read(outgoing).state == State::kDown);
  }
}

TEST_CASE("Set changes the timers of a session that stays") {
  Sessions sessions(1);
  sessions.Set(kBegin, {{kA, {}}});
  const std::uint32_t discriminator = sessions.Find(kA)->discriminator();
  sessions.TakeOutgoing();
  sessions.Set(kBegin, {{kA, {.min_rx = Milliseconds(30), .multiplier = 9}}, {kB, {}}});
  CHECK(sessions.Find(kA)->discriminator() == discriminator);
  sessions.TakeOutgoing();
  sessions.Advance(kBegin + Milliseconds(1000));
  for (const auto& outgoing : sessions.TakeOutgoing()) {
    if (outgoing.to != kA) continue;
    CHECK(Read(outgoing).multiplier == 9);
    CHECK(Read(outgoing).required_min_rx == Milliseconds(30));
    CHECK(Read(outgoing).poll);
  }
}

TEST_CASE("same seed, same packets at the same times") {
  const auto transcript = [](std::uint64_t seed) {
    Sessions sessions(seed);
    sessions.Set(kBegin, {{kA, {}}, {kB, {}}});
    std::vector<std::pair<Time, Sessions::Outgoing>> all;
    for (Time now = kBegin; now < kBegin + Milliseconds(10'000); now = sessions.NextTimer()) {
      sessions.Advance(now);
      for (auto& outgoing : sessions.TakeOutgoing()) all.emplace_back(now, std::move(outgoing));
    }
    return all;
  };
  const auto first = transcript(5);
  CHECK(first.size() > 20);
  CHECK(first == transcript(5));
  CHECK(first != transcript(6));
}

}  // namespace egressd::bfd
