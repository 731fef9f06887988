#include "egressd/bfd/session.h"

#include <utility>

#include "unit/bfd/conversation.h"

namespace egressd::bfd {
namespace {

// A session brought into `state`.
Session In(State state) {
  if (state == State::kUp) return Up();
  Session session = Fresh();
  session.Advance(kBegin);
  if (state == State::kInit) session.Receive(kBegin, Says(State::kDown));
  if (state == State::kAdminDown) session.Disable(kBegin);
  session.TakeOutgoing();
  REQUIRE(session.state() == state);
  return session;
}

}  // namespace

TEST_CASE("the state machine of section 6.2, every state with every word of the peer") {
  using enum State;
  struct Row {
    State state, received, next;
    Diagnostic diagnostic = Diagnostic::kNone;
  };
  const Row table[] = {
      {kDown, kAdminDown, kDown},
      {kDown, kDown, kInit},
      {kDown, kInit, kUp},
      {kDown, kUp, kDown},
      {kInit, kAdminDown, kDown, Diagnostic::kNeighborDown},
      {kInit, kDown, kInit},
      {kInit, kInit, kUp},
      {kInit, kUp, kUp},
      {kUp, kAdminDown, kDown, Diagnostic::kNeighborDown},
      {kUp, kDown, kDown, Diagnostic::kNeighborDown},
      {kUp, kInit, kUp},
      {kUp, kUp, kUp},
      {kAdminDown, kAdminDown, kAdminDown, Diagnostic::kAdministrativelyDown},
      {kAdminDown, kDown, kAdminDown, Diagnostic::kAdministrativelyDown},
      {kAdminDown, kInit, kAdminDown, Diagnostic::kAdministrativelyDown},
      {kAdminDown, kUp, kAdminDown, Diagnostic::kAdministrativelyDown},
  };
  for (const Row& row : table) {
    CAPTURE(ToString(row.state));
    CAPTURE(ToString(row.received));
    Session session = In(row.state);
    session.Receive(kBegin, Says(row.received));
    CHECK(session.state() == row.next);
    CHECK(session.diagnostic() == row.diagnostic);
    CHECK(session.remote_state() == row.received);
    CHECK(session.remote_discriminator() == kTheirs);
    const auto outgoing = session.TakeOutgoing();
    if (row.next == row.state) {
      CHECK(outgoing.empty());
      continue;
    }
    // A change is told at once.
    REQUIRE(outgoing.size() == 1);
    CHECK(outgoing[0].state == row.next);
    CHECK(outgoing[0].diagnostic == row.diagnostic);
    CHECK(outgoing[0].your_discriminator == kTheirs);
  }
}

TEST_CASE("the first packet is due at once and knows nobody") {
  Session session = Fresh({.min_tx = Milliseconds(50), .min_rx = Milliseconds(60), .multiplier = 5});
  CHECK(session.NextTimer() == kBegin);
  CHECK(session.TakeOutgoing().empty());
  session.Advance(kBegin);
  CHECK(Only(session) == Packet{.state = State::kDown,
                                .multiplier = 5,
                                .my_discriminator = kOurs,
                                .desired_min_tx = Milliseconds(1000),
                                .required_min_rx = Milliseconds(60)});
  CHECK(session.detection_time() == Duration::max());
  CHECK_FALSE(session.last_received());
}

TEST_CASE("two sessions that talk to each other come up, in three packets after the first") {
  Session a(kBegin, 1, {}, 1), b(kBegin, 2, {.min_tx = Milliseconds(20), .min_rx = Milliseconds(30), .multiplier = 2}, 2);
  a.Advance(kBegin);
  int packets = 0;
  std::vector<Packet> to_b = a.TakeOutgoing(), to_a;
  while (!to_a.empty() || !to_b.empty()) {
    for (const Packet& packet : std::exchange(to_b, {})) b.Receive(kBegin, packet);
    to_a = b.TakeOutgoing();
    for (const Packet& packet : std::exchange(to_a, {})) a.Receive(kBegin, packet);
    to_b = a.TakeOutgoing();
    packets += static_cast<int>(to_b.size());
    REQUIRE(packets < 10);
  }
  CHECK(a.state() == State::kUp);
  CHECK(b.state() == State::kUp);
  CHECK(a.remote_discriminator() == 2);
  CHECK(b.remote_discriminator() == 1);
  CHECK(a.detection_time() == 2 * Milliseconds(100));
  CHECK(b.detection_time() == 3 * Milliseconds(100));
  CHECK(a.transmit_interval() == Milliseconds(100));
  CHECK(b.transmit_interval() == Milliseconds(100));
}

TEST_CASE("a poll is answered at once with the state that follows from it, and moves no timer") {
  Session session = Up();
  const Time due = session.NextTimer();
  session.Receive(kBegin + Milliseconds(1), Polls(Says(State::kUp)));
  Packet answer = Only(session);
  CHECK(answer.final);
  CHECK_FALSE(answer.poll);
  CHECK(session.NextTimer() == due);
  // One packet, although the state changed as well.
  session.Receive(kBegin + Milliseconds(2), Polls(Says(State::kDown)));
  answer = Only(session);
  CHECK(answer.final);
  CHECK(answer.state == State::kDown);
  CHECK(answer.diagnostic == Diagnostic::kNeighborDown);
}

TEST_CASE("a peer that restarts, and so knows us no more, ends the session and begins a new one") {
  Session session = Up();
  Packet anew = Says(State::kDown);
  anew.my_discriminator = 71;
  anew.your_discriminator = 0;
  session.Receive(kBegin + Milliseconds(50), anew);
  CHECK(session.state() == State::kDown);
  CHECK(Only(session).your_discriminator == 71);
  session.Receive(kBegin + Milliseconds(60), anew);
  CHECK(session.state() == State::kInit);
}

TEST_CASE("what is said on purpose reaches the other side, and the session comes back without a restart there") {
  Session session = Up();
  session.Receive(kBegin, Says(State::kAdminDown));
  CHECK(session.state() == State::kDown);
  CHECK(session.remote_state() == State::kAdminDown);
  session.Receive(kBegin, Says(State::kAdminDown));
  CHECK(session.state() == State::kDown);
  session.Receive(kBegin, Says(State::kDown));
  session.Receive(kBegin, Says(State::kInit));
  CHECK(session.state() == State::kUp);
  CHECK(session.diagnostic() == Diagnostic::kNone);
}

TEST_CASE("a disabled session says so at once and slowly from then on, and answers nothing") {
  Session session = Up();
  session.Disable(kBegin);
  Packet packet = Only(session);
  CHECK(packet.state == State::kAdminDown);
  CHECK(packet.diagnostic == Diagnostic::kAdministrativelyDown);
  CHECK(packet.desired_min_tx == Milliseconds(1000));
  session.Disable(kBegin);
  session.Receive(kBegin + Milliseconds(1), Polls(Says(State::kUp)));
  CHECK(session.TakeOutgoing().empty());
  CHECK(session.state() == State::kAdminDown);
  CHECK(session.last_received() == kBegin);  // discarded, so not received
  // The detection time ends in between, and nothing comes of it.
  Time now = kBegin;
  while (session.TakeOutgoing().empty()) {
    now = session.NextTimer();
    REQUIRE(now <= kBegin + Milliseconds(1000));
    session.Advance(now);
  }
  CHECK(now >= kBegin + Milliseconds(750));
  CHECK(session.state() == State::kAdminDown);
  CHECK(session.detection_time() == Duration::max());
}

}  // namespace egressd::bfd
