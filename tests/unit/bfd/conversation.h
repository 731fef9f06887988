// A session under test and the words of a peer that the test speaks itself.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <vector>

#include "egressd/bfd/session.h"

namespace egressd::bfd {

inline constexpr Time kBegin{Duration{1'000'000'000}};
inline constexpr std::uint32_t kOurs = 7, kTheirs = 70;
constexpr Duration Milliseconds(std::int64_t count) { return Duration(count * 1000); }

// What a peer with the default timers says while it is in `state`.
inline Packet Says(State state) {
  return {.state = state,
          .multiplier = 3,
          .my_discriminator = kTheirs,
          .your_discriminator = kOurs,
          .desired_min_tx = state == State::kUp ? Milliseconds(100) : Milliseconds(1000),
          .required_min_rx = Milliseconds(100)};
}
inline Packet Polls(Packet packet) {
  packet.poll = true;
  return packet;
}
inline Packet Answers(Packet packet) {
  packet.final = true;
  return packet;
}

inline Session Fresh(const Timers& timers = {}, std::uint64_t seed = 1) { return Session(kBegin, kOurs, timers, seed); }

// Up at kBegin, its poll answered and settled, nothing outgoing.
inline Session Up(const Timers& timers = {}, std::uint64_t seed = 1) {
  Session session = Fresh(timers, seed);
  session.Advance(kBegin);
  session.Receive(kBegin, Says(State::kDown));
  session.Receive(kBegin, Says(State::kInit));
  session.Receive(kBegin, Answers(Says(State::kUp)));
  session.Receive(kBegin, Says(State::kUp));
  session.TakeOutgoing();
  REQUIRE(session.state() == State::kUp);
  return session;
}

// The only packet that it has to send.
inline Packet Only(Session& session) {
  const auto outgoing = session.TakeOutgoing();
  REQUIRE(outgoing.size() == 1);
  return outgoing.front();
}

// The next packet that it sends by itself, and when. `now` becomes that time.
inline Packet Next(Session& session, Time& now) {
  now = session.NextTimer();
  REQUIRE(now != kNever);
  session.Advance(now);
  return Only(session);
}

}  // namespace egressd::bfd
