// Two nodes, a and b, that watch each other every 100 ms over a wire that the test cuts, and whose kernels answer echo requests.
#include "agent/watch.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

namespace egressd::agent {
namespace {

constexpr Duration Milliseconds(std::int64_t count) { return Duration(count * 1000); }
const IpAddress kUnderlayA = IpAddress::Ipv4(0x0a000001), kUnderlayB = IpAddress::Ipv4(0x0a000002);
const IpAddress kTunnelA = IpAddress::Ipv4(0xc6130001), kTunnelB = IpAddress::Ipv4(0xc6130002);

struct Pair {
  Watch a{1}, b{2};
  Time now{Duration{1'000'000'000}};
  bool daemon_a = true, daemon_b = true;     // stopped daemons neither send nor read
  bool kernel_b = true;                      // answers a's echo requests
  std::function<bool()> lost = [] { return false; };
  std::size_t requests = 0;                  // echo requests of a
  std::vector<std::pair<Time, Liveness>> said;  // by a, of b

  Pair() {
    a.Set(now, {{"b", {.underlay = kUnderlayB, .tunnel = kTunnelB, .timers = {}}}});
    b.Set(now, {{"a", {.underlay = kUnderlayA, .tunnel = kTunnelA, .timers = {}}}});
    After(Milliseconds(5000));
    REQUIRE(a.liveness("b") == Liveness::kUp);
    said.clear();
    requests = 0;
  }
  void After(Duration wait) {
    for (const Time end = now + wait;;) {
      const Time next = std::min(daemon_a ? a.NextTimer() : kNever, daemon_b ? b.NextTimer() : kNever);
      if (next > end) {
        now = end;
        return;
      }
      now = std::max(now, next);
      if (daemon_a) Turn(a);
      if (daemon_b) Turn(b);
    }
  }

 private:
  void Turn(Watch& one) {
    one.Advance(now);
    Carry();
    for (const Watch::Change& change : a.TakeChanges()) said.emplace_back(now, change.liveness);
    b.TakeChanges();
  }
  void Carry() {
    for (bool moved = true; moved;) {
      moved = false;
      moved |= Carry(a, daemon_b ? &b : nullptr, kUnderlayA);
      moved |= Carry(b, daemon_a ? &a : nullptr, kUnderlayB);
    }
  }
  bool Carry(Watch& from, Watch* to, const IpAddress& sender) {
    bool moved = false;
    for (const OutgoingBfd& packet : from.TakeBfd()) {
      moved = true;
      if (to != nullptr && !lost()) {
        to->Receive(now, BfdPacket{.from = sender, .from_port = packet.from_port, .time_to_live = 255, .bytes = packet.bytes});
      }
    }
    for (const OutgoingEcho& echo : from.TakeEchoes()) {
      if (&from == &a) ++requests;
      if ((&from == &b || kernel_b) && !lost() && !lost()) from.Receive(now, EchoReply{.from = echo.to, .sequence = echo.sequence});
    }
    return moved;
  }
};

}  // namespace

TEST_CASE("while BFD packets come in time, one echo request a second is enough to see the path") {
  Pair pair;
  pair.After(Milliseconds(60'000));
  CHECK(pair.said.empty());
  CHECK(pair.requests >= 58);
  CHECK(pair.requests <= 62);
  CHECK(pair.a.PathAnswers("b", pair.now));
  CHECK_FALSE(pair.a.PathBroken("b", pair.now));
}

TEST_CASE("a peer whose daemon and kernel are gone is silent when the detection time is over, and not before") {
  Pair pair;
  const Time death = pair.now;
  pair.daemon_b = pair.kernel_b = false;
  pair.After(Milliseconds(1000));
  REQUIRE(pair.said.size() == 2);
  CHECK(pair.said[0].second == Liveness::kDaemonSilent);
  CHECK(pair.said[1].second == Liveness::kSilent);
  CHECK(pair.said[1].first == pair.said[0].first);  // nothing waits for the echo
  CHECK(pair.said[1].first - death >= Milliseconds(200));
  CHECK(pair.said[1].first - death <= Milliseconds(301));
  CHECK(pair.requests >= 20);
  CHECK_FALSE(pair.a.PathAnswers("b", pair.now));
}

TEST_CASE("a peer whose kernel answers is restarting, for as long as it does") {
  Pair pair;
  pair.daemon_b = false;
  pair.After(Milliseconds(5000));
  REQUIRE(pair.said.size() == 1);
  CHECK(pair.said[0].second == Liveness::kDaemonSilent);
  CHECK(pair.a.AnyDaemonSilent());
  CHECK(pair.a.PathAnswers("b", pair.now));
  const Time power = pair.now;
  pair.kernel_b = false;
  pair.After(Milliseconds(1000));
  REQUIRE(pair.said.size() == 2);
  CHECK(pair.said[1].second == Liveness::kSilent);
  CHECK(pair.said[1].first - power <= Milliseconds(151));
}

TEST_CASE("a peer that says that it hears nothing is asked before anything is said of its kernel") {
  Pair pair;
  pair.daemon_a = false;  // to b this looks like a death
  pair.After(Milliseconds(310));
  pair.daemon_a = true;
  pair.After(Milliseconds(2000));
  CHECK(std::ranges::none_of(pair.said, [](const auto& one) { return one.second == Liveness::kSilent; }));
  CHECK(pair.a.liveness("b") == Liveness::kUp);
}

TEST_CASE("a lost third of all packets kills nobody") {
  Pair pair;
  std::uint32_t state = 1;
  pair.lost = [&] {
    state = state * 1'664'525 + 1'013'904'223;
    return (state >> 16) % 3 == 0;
  };
  pair.After(Milliseconds(600'000));
  CHECK(!pair.said.empty());  // sessions go down: three BFD packets in a row are lost now and then
  CHECK(std::ranges::none_of(pair.said, [](const auto& one) { return one.second == Liveness::kSilent; }));
}

TEST_CASE("a process that stood still blames nobody") {
  Pair pair;
  // Both at once, as when the whole machine is stopped: nothing was sent meanwhile, nothing waits in the sockets.
  for (int n = 0; n < 20; ++n) {
    pair.now += Milliseconds(500 + 37 * n);
    pair.After(Milliseconds(1000));
  }
  CHECK(pair.said.empty());
  CHECK(pair.a.liveness("b") == Liveness::kUp);
}

TEST_CASE("a path that is shut while BFD comes is seen, and does not make a node dead") {
  Pair pair;
  pair.kernel_b = false;
  pair.After(Milliseconds(2000));
  CHECK_FALSE(pair.a.PathBroken("b", pair.now));
  pair.After(Milliseconds(3000));
  CHECK(pair.a.PathBroken("b", pair.now));
  CHECK_FALSE(pair.a.PathAnswers("b", pair.now));
  CHECK(pair.said.empty());
  pair.kernel_b = true;
  pair.After(Milliseconds(1100));
  CHECK_FALSE(pair.a.PathBroken("b", pair.now));
}

TEST_CASE("the interval that a lease may be older than is that of the timers in use") {
  Pair pair;
  CHECK(pair.a.PacketInterval("b") == Milliseconds(100));
  CHECK(pair.a.PacketInterval("nobody") == Duration{0});
}

}  // namespace egressd::agent
