#include "egressd/bfd/session.h"
#include "unit/bfd/conversation.h"

namespace egressd::bfd {

TEST_CASE("a session that comes up polls, in packets that are due anyway, until the answer") {
  Session session = Fresh();
  session.Advance(kBegin);
  session.Receive(kBegin, Says(State::kDown));
  session.TakeOutgoing();
  session.Receive(kBegin, Says(State::kInit));
  Packet packet = Only(session);
  CHECK(packet.state == State::kUp);
  CHECK(packet.poll);
  CHECK(packet.desired_min_tx == Milliseconds(100));
  CHECK(session.transmit_interval() == Milliseconds(100));  // faster needs no confirmation
  Time now = kBegin;
  packet = Next(session, now);
  CHECK(packet.poll);
  CHECK(now >= kBegin + Milliseconds(75));
  session.Receive(now, Answers(Says(State::kUp)));
  CHECK(session.TakeOutgoing().empty());
  CHECK_FALSE(Next(session, now).poll);
}

TEST_CASE("an answer that nobody asked for changes nothing") {
  Session session = Up();
  session.Change(kBegin, {.min_tx = Milliseconds(300)});
  session.Receive(kBegin, Answers(Says(State::kUp)));  // before the first poll was sent
  CHECK(session.transmit_interval() == Milliseconds(100));
  Time now = kBegin;
  CHECK(Next(session, now).poll);
}

TEST_CASE("slower sending waits for the end of the poll") {
  Session session = Up();
  session.Change(kBegin, {.min_tx = Milliseconds(400)});
  CHECK(session.transmit_interval() == Milliseconds(100));
  Time now = kBegin;
  Packet packet = Next(session, now);
  CHECK(packet.poll);
  CHECK(packet.desired_min_tx == Milliseconds(400));
  CHECK(now <= kBegin + Milliseconds(100));
  session.Receive(now, Says(State::kUp));
  CHECK(session.transmit_interval() == Milliseconds(100));
  session.Receive(now, Answers(Says(State::kUp)));
  CHECK(session.transmit_interval() == Milliseconds(400));
  CHECK(session.NextTimer() >= now + Milliseconds(300));
}

TEST_CASE("faster sending does not wait") {
  Session session = Up({.min_tx = Milliseconds(500)});
  Packet eager = Says(State::kUp);
  eager.required_min_rx = Milliseconds(10);
  session.Receive(kBegin, eager);
  CHECK(session.transmit_interval() == Milliseconds(500));
  session.Change(kBegin, {.min_tx = Milliseconds(20)});
  CHECK(session.transmit_interval() == Milliseconds(20));
  CHECK(session.NextTimer() <= kBegin + Milliseconds(20));
  Time now = kBegin;
  CHECK(Next(session, now).poll);
}

TEST_CASE("earlier detection waits for the end of the poll, later detection does not") {
  Session session = Up({.min_rx = Milliseconds(400)});
  CHECK(session.detection_time() == Milliseconds(1200));
  session.Change(kBegin, {.min_rx = Milliseconds(200)});
  CHECK(session.detection_time() == Milliseconds(1200));
  Time now = kBegin;
  const Packet packet = Next(session, now);
  CHECK(packet.poll);
  CHECK(packet.required_min_rx == Milliseconds(200));
  session.Receive(now, Answers(Says(State::kUp)));
  CHECK(session.detection_time() == Milliseconds(600));

  session.Receive(now, Says(State::kUp));
  session.Change(now, {.min_rx = Milliseconds(500)});
  CHECK(session.detection_time() == Milliseconds(1500));
}

TEST_CASE("a change during a poll waits for its end and for a packet without Final, and then has a poll of its own") {
  Session session = Up();
  Time now = kBegin;
  session.Change(now, {.min_tx = Milliseconds(200)});
  REQUIRE(Next(session, now).poll);
  session.Change(now, {.min_tx = Milliseconds(300)});
  session.Change(now, {.min_tx = Milliseconds(400), .min_rx = Milliseconds(150)});
  CHECK(Next(session, now).desired_min_tx == Milliseconds(200));
  session.Receive(now, Answers(Says(State::kUp)));
  CHECK(session.transmit_interval() == Milliseconds(200));
  session.Receive(now, Answers(Says(State::kUp)));  // to the second packet of that poll: says nothing about the next
  Packet packet = Next(session, now);
  CHECK_FALSE(packet.poll);
  CHECK(packet.desired_min_tx == Milliseconds(200));
  session.Receive(now, Says(State::kUp));
  packet = Next(session, now);
  CHECK(packet.poll);
  CHECK(packet.desired_min_tx == Milliseconds(400));
  CHECK(packet.required_min_rx == Milliseconds(150));
  CHECK(session.transmit_interval() == Milliseconds(200));
  session.Receive(now, Answers(Says(State::kUp)));
  CHECK(session.transmit_interval() == Milliseconds(400));
}

TEST_CASE("what waits for a poll is in force when the session is down") {
  Session session = Up({.min_rx = Milliseconds(4000)});
  Time now = kBegin;
  session.Change(now, {.min_tx = Milliseconds(2000), .min_rx = Milliseconds(100)});
  REQUIRE(Next(session, now).poll);
  session.Change(now, {.min_tx = Milliseconds(3000), .min_rx = Milliseconds(50), .multiplier = 9});
  session.Receive(now, Says(State::kDown));
  const Packet packet = Only(session);
  CHECK(packet.state == State::kDown);
  CHECK(packet.desired_min_tx == Milliseconds(3000));
  CHECK(packet.required_min_rx == Milliseconds(50));
  CHECK(packet.multiplier == 9);
  CHECK(session.transmit_interval() == Milliseconds(3000));
  CHECK(session.detection_time() == 3 * Milliseconds(1000));
}

TEST_CASE("a change of state during a poll has a poll of its own afterwards") {
  Session session = Up();
  Time now = kBegin;
  session.Change(now, {.min_tx = Milliseconds(400)});
  REQUIRE(Next(session, now).poll);
  session.Receive(now, Says(State::kDown));
  CHECK(Only(session).desired_min_tx == Milliseconds(1000));
  session.Receive(now, Answers(Says(State::kDown)));
  CHECK_FALSE(Only(session).poll);  // init now
  session.Receive(now, Says(State::kDown));
  CHECK(Next(session, now).poll);
  session.Receive(now, Answers(Says(State::kDown)));
  session.Receive(now, Says(State::kDown));
  CHECK_FALSE(Next(session, now).poll);
}

TEST_CASE("a new multiplier needs no poll") {
  Session session = Up();
  session.Change(kBegin, {.multiplier = 7});
  Time now = kBegin;
  const Packet packet = Next(session, now);
  CHECK(packet.multiplier == 7);
  CHECK_FALSE(packet.poll);
}

TEST_CASE("the same timers again change nothing") {
  Session session = Up();
  const Time due = session.NextTimer();
  session.Change(kBegin, {});
  CHECK(session.NextTimer() == due);
  Time now = kBegin;
  CHECK_FALSE(Next(session, now).poll);
}

TEST_CASE("a peer in demand mode gets no periodic packets while both are up") {
  Session session = Up();
  Packet demand = Says(State::kUp);
  demand.demand = true;
  session.Receive(kBegin, demand);
  CHECK_FALSE(session.transmit_interval());
  CHECK(session.NextTimer() == kBegin + session.detection_time());  // it goes on sending, and we listen
  Time now = kBegin;
  for (int i = 0; i < 50; ++i) {
    now += Milliseconds(100);
    session.Receive(now, demand);
    session.Advance(now);
    CHECK(session.TakeOutgoing().empty());
  }
  session.Receive(now, Polls(demand));
  CHECK(Only(session).final);

  SUBCASE("but our polls, also for a multiplier") {
    session.Change(now, {.multiplier = 5});
    Packet packet = Next(session, now);
    CHECK(packet.poll);
    CHECK(packet.multiplier == 5);
    session.Receive(now, demand);
    CHECK(Next(session, now).poll);
    session.Receive(now, Answers(demand));
    CHECK_FALSE(session.transmit_interval());
  }
  SUBCASE("until it leaves demand mode") {
    session.Receive(now, Says(State::kUp));
    CHECK(session.transmit_interval() == Milliseconds(100));
    CHECK(session.NextTimer() <= now + Milliseconds(100));
  }
  SUBCASE("until the session is down") {
    demand.state = State::kDown;
    session.Receive(now, demand);
    CHECK(Only(session).state == State::kDown);
    CHECK(session.transmit_interval() == Milliseconds(1000));
  }
}

TEST_CASE("a peer in demand mode that thinks the session is up gets packets while we do not") {
  Session session = Fresh();
  Packet demand = Says(State::kUp);
  demand.demand = true;
  session.Receive(kBegin, demand);
  REQUIRE(session.state() == State::kDown);
  CHECK(session.transmit_interval() == Milliseconds(1000));
}

TEST_CASE("no packet has both Poll and Final") {
  Session session = Up();
  session.Change(kBegin, {.min_tx = Milliseconds(50)});
  session.Receive(kBegin, Polls(Says(State::kUp)));
  const Packet answer = Only(session);
  CHECK(answer.final);
  CHECK_FALSE(answer.poll);
  CHECK(answer.desired_min_tx == Milliseconds(50));
  Time now = kBegin;
  CHECK(Next(session, now).poll);  // the answer was not the poll
}

}  // namespace egressd::bfd
