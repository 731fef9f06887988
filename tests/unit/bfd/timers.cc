#include <algorithm>

#include "egressd/bfd/session.h"
#include "unit/bfd/conversation.h"

namespace egressd::bfd {
namespace {

struct Intervals {
  Duration least = Duration::max(), most{}, sum{};
};

// The gaps between `count` packets to a peer that keeps the session up by itself.
Intervals Measure(Session& session, int count) {
  Intervals seen;
  Time last = kBegin, now = kBegin;
  session.Receive(now, Says(State::kUp));
  for (int i = 0; i < count; ++i) {
    Next(session, now);
    const Duration gap = now - last;
    last = now;
    if (i == 0) continue;  // counted from before the test
    seen.least = std::min(seen.least, gap);
    seen.most = std::max(seen.most, gap);
    seen.sum += gap;
    session.Receive(now, Says(State::kUp));
  }
  return seen;
}

}  // namespace

TEST_CASE("100,000 intervals are shortened by 0 to 25 %, by an eighth on average") {
  Session session = Up();
  const Intervals seen = Measure(session, 100'001);
  CHECK(seen.least >= Milliseconds(75));
  CHECK(seen.most <= Milliseconds(100));
  CHECK(seen.least < Duration(75'100));
  CHECK(seen.most > Duration(99'900));
  CHECK(seen.sum / 100'000 > Duration(87'300));
  CHECK(seen.sum / 100'000 < Duration(87'700));
}

TEST_CASE("with a multiplier of 1 they are shortened by 10 to 25 %") {
  Session session = Up({.multiplier = 1});
  const Intervals seen = Measure(session, 100'001);
  CHECK(seen.least >= Milliseconds(75));
  CHECK(seen.most <= Milliseconds(90));
  CHECK(seen.least < Duration(75'100));
  CHECK(seen.most > Duration(89'900));
}

TEST_CASE("the smallest interval is never no interval") {
  Session session = Up({.min_tx = Duration(1), .min_rx = Duration(1), .multiplier = 1});
  Packet eager = Says(State::kUp);
  eager.required_min_rx = Duration(1);
  session.Receive(kBegin, eager);
  Time now = kBegin;
  for (int i = 0; i < 100; ++i) {
    session.Advance(now);
    CHECK(session.NextTimer() > now);
    now = session.NextTimer();
  }
}

TEST_CASE("while not up it sends once a second at most") {
  Session session = Fresh({.min_tx = Milliseconds(10)});
  Time now = kBegin, last = kBegin;
  CHECK(Next(session, now).desired_min_tx == Milliseconds(1000));
  for (int i = 0; i < 1000; ++i) {
    CHECK(Next(session, now).state == State::kDown);
    CHECK(now - last >= Milliseconds(750));
    CHECK(now - last <= Milliseconds(1000));
    last = now;
  }
}

TEST_CASE("a slow wish stays slow while not up") {
  Session session = Fresh({.min_tx = Milliseconds(4000)});
  Time now = kBegin;
  CHECK(Next(session, now).desired_min_tx == Milliseconds(4000));
  CHECK(session.transmit_interval() == Milliseconds(4000));
}

TEST_CASE("the slower side decides how fast we send, and a faster wish is followed at once") {
  Session session = Up({.min_tx = Milliseconds(50)});
  Packet slower = Says(State::kUp);
  slower.required_min_rx = Milliseconds(400);
  session.Receive(kBegin, slower);
  CHECK(session.transmit_interval() == Milliseconds(400));
  CHECK(session.NextTimer() >= kBegin + Milliseconds(300));
  Packet faster = slower;
  faster.required_min_rx = Milliseconds(20);
  session.Receive(kBegin + Milliseconds(200), faster);
  CHECK(session.transmit_interval() == Milliseconds(50));
  CHECK(session.NextTimer() == kBegin + Milliseconds(200));  // overdue already
}

TEST_CASE("a peer that wants no packets gets none but answers, until it wants some again") {
  Session session = Up();
  Packet quiet = Says(State::kUp);
  quiet.required_min_rx = Duration::zero();
  session.Receive(kBegin, quiet);
  CHECK_FALSE(session.transmit_interval());
  Time now = kBegin;
  for (int i = 0; i < 100; ++i) {
    now += Milliseconds(100);
    session.Receive(now, quiet);
    session.Advance(now);
    CHECK(session.TakeOutgoing().empty());
  }
  session.Receive(now, Polls(quiet));
  CHECK(Only(session).final);
  quiet.state = State::kDown;
  session.Receive(now, quiet);
  CHECK(session.state() == State::kDown);
  CHECK(session.TakeOutgoing().empty());
  session.Receive(now, Says(State::kDown));
  CHECK(Only(session).state == State::kInit);
}

TEST_CASE("a silent peer is noticed when the detection time is over, not before") {
  Session session = Up({.min_rx = Milliseconds(200)});
  Packet last = Says(State::kUp);
  last.multiplier = 4;
  last.desired_min_tx = Milliseconds(150);
  session.Receive(kBegin, last);
  CHECK(session.detection_time() == Milliseconds(800));
  const Time deadline = kBegin + Milliseconds(800);
  Time now = kBegin;
  while (session.NextTimer() < deadline) {
    now = session.NextTimer();
    session.Advance(now);
  }
  CHECK(session.NextTimer() == deadline);
  session.Advance(deadline - Duration(1));
  CHECK(session.state() == State::kUp);
  session.TakeOutgoing();
  session.Advance(deadline);
  CHECK(session.state() == State::kDown);
  CHECK(session.diagnostic() == Diagnostic::kDetectionTimeExpired);
  // Told at once and to that peer; then it is forgotten.
  const Packet told = Only(session);
  CHECK(told.state == State::kDown);
  CHECK(told.diagnostic == Diagnostic::kDetectionTimeExpired);
  CHECK(told.your_discriminator == kTheirs);
  CHECK(session.remote_discriminator() == 0);
  CHECK(session.remote_state() == State::kDown);
  CHECK(session.detection_time() == Duration::max());
  CHECK(session.last_received() == kBegin);
  const Packet next = Next(session, now);
  CHECK(next.your_discriminator == 0);
  CHECK(now >= deadline + Milliseconds(750));
}

TEST_CASE("the larger of our Required Min RX and their Desired Min TX counts") {
  Session session = Up({.min_rx = Milliseconds(30)});
  session.Receive(kBegin, Says(State::kUp));
  CHECK(session.detection_time() == 3 * Milliseconds(100));
}

TEST_CASE("a session that gets no further than init falls back to down, and one that is down forgets as well") {
  Session session = Fresh();
  session.Advance(kBegin);
  session.Receive(kBegin, Says(State::kDown));
  REQUIRE(session.state() == State::kInit);
  CHECK(session.detection_time() == Milliseconds(3000));
  session.Advance(kBegin + Milliseconds(3000));
  CHECK(session.state() == State::kDown);
  CHECK(session.diagnostic() == Diagnostic::kDetectionTimeExpired);

  session.Receive(kBegin + Milliseconds(4000), Says(State::kAdminDown));
  CHECK(session.remote_discriminator() == kTheirs);
  session.Advance(kBegin + Milliseconds(6999));
  CHECK(session.remote_discriminator() == kTheirs);
  session.Advance(kBegin + Milliseconds(7000));
  CHECK(session.remote_discriminator() == 0);
}

TEST_CASE("a packet that waited while this process stood still keeps the session up") {
  Session session = Up();
  const Time late = kBegin + Milliseconds(5000);
  session.Receive(late, Says(State::kUp));
  session.Advance(late);
  CHECK(session.state() == State::kUp);
  CHECK(session.TakeOutgoing().size() == 1);  // and nothing is made up for
}

TEST_CASE("a peer that was silent and had wanted no packets is spoken to again") {
  Session session = Up();
  Packet quiet = Says(State::kUp);
  quiet.required_min_rx = Duration::zero();
  session.Receive(kBegin, quiet);
  session.Advance(kBegin + Milliseconds(300));
  REQUIRE(session.state() == State::kDown);
  CHECK(session.transmit_interval() == Milliseconds(1000));
  CHECK(session.NextTimer() <= kBegin + Milliseconds(1300));
}

TEST_CASE("a session is the same for the same seed") {
  Session a = Up({}, 42), b = Up({}, 42), c = Up({}, 43);
  Time at = kBegin, bt = kBegin, ct = kBegin;
  bool differs = false;
  for (int i = 0; i < 3; ++i) {
    Next(a, at);
    Next(b, bt);
    Next(c, ct);
    CHECK(at == bt);
    differs = differs || at != ct;
  }
  CHECK(differs);
}

}  // namespace egressd::bfd
