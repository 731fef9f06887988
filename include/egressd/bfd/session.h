// One BFD session in asynchronous mode (RFC 5880 sections 6.1, 6.2 and 6.8), single hop (RFC 5881). Pure: time and randomness come in,
// packets go out. Owned and driven by Sessions (sessions.h); one for each peer.
//
//              Down received                        Init or Up received
//      Down ─────────────────> Init ──────────────────────────────────> Up
//       ^  └── Init received ──────────────────────────────────────────> │
//       └────────────── AdminDown or Down received, or detection time ───┘
//
// 1. While not Up it sends once a second at most (6.8.3) and never more often than the peer's Required Min RX Interval; a peer that says
//    zero gets nothing but answers to its polls. A change of state is told at once.
// 2. Each interval is shortened by a random 0-25 % (10-25 % with a multiplier of 1), section 6.8.7.
// 3. Detection time = the peer's multiplier times the larger of our Required Min RX and its Desired Min TX (6.8.4). NextTimer never lies
//    behind it.
// 4. Changed timers take effect with a poll sequence where section 6.8.3 asks for one: one at a time, and the next begins only after a
//    packet without Final, so that no Final is taken for the answer to a later poll.
// 5. After a detection time without any packet the peer's discriminator is forgotten (6.8.1), and with it everything that the peer said:
//    whoever comes next is new.
// 6. A peer in demand mode gets periodic packets only during a poll sequence (6.6); we never ask for demand mode ourselves.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "egressd/base/random.h"
#include "egressd/base/time.h"
#include "egressd/bfd/packet.h"

namespace egressd::bfd {

struct Timers {
  Duration min_tx{100'000};     // > 0
  Duration min_rx{100'000};     // > 0
  std::uint8_t multiplier = 3;  // 1-255
  auto operator<=>(const Timers&) const = default;
};

class Session {
 public:
  // `discriminator` is not zero and unique on this node. The first packet is due at once.
  Session(Time now, std::uint32_t discriminator, const Timers& timers, std::uint64_t seed);

  // A packet for this session: Your Discriminator is ours, or zero and it came from this session's peer. A packet that waited while this
  // process stood still counts from now: who was stopped reads what has arrived, and then calls Advance.
  void Receive(Time now, const Packet& packet);
  // This process could not hear for so long before `now`: the silence does not count.
  void Forgive(Time now, Duration late);
  // Sends what is due and ends the session when the detection time is over.
  void Advance(Time now);
  // Later than the `now` of the last Advance.
  Time NextTimer() const;
  void Change(Time now, const Timers& timers);
  // The node says goodbye: AdminDown is told at once, and from then on.
  void Disable(Time now);

  std::vector<Packet> TakeOutgoing();
  State state() const { return state_; }
  Diagnostic diagnostic() const { return diagnostic_; }
  std::uint32_t discriminator() const { return discriminator_; }
  // Of the peer as far as it is known, for status: Down, none and zero when it is not.
  State remote_state() const { return remote_.state; }
  Diagnostic remote_diagnostic() const { return remote_.diagnostic; }
  std::uint32_t remote_discriminator() const { return remote_.discriminator; }
  // Duration::max() before anything was received, and after the peer was forgotten.
  Duration detection_time() const;
  // Between our packets, before jitter; nullopt: the peer wants none.
  std::optional<Duration> transmit_interval() const;
  std::optional<Time> last_received() const { return last_received_; }

 private:
  // What bfd.Remote… stands for in section 6.8.1, with its initial values.
  struct Remote {
    State state = State::kDown;
    Diagnostic diagnostic = Diagnostic::kNone;
    std::uint32_t discriminator = 0;
    std::uint8_t multiplier = 0;
    bool demand = false;
    Duration desired_min_tx{};
    Duration required_min_rx{1};
  };
  enum class Poll : std::uint8_t {
    kIdle,
    kWanted,    // the next packet begins it
    kRunning,   // P is set until F comes
    kSettling,  // F came; a packet without F has to come before the next poll
  };

  Time Deadline() const;
  Duration Jittered(Duration interval);
  Packet Content() const;
  void Send(Time now);
  void SendFinal();
  // Moves the next transmission when the interval is another one than that it was planned with.
  void Replan(Time now);
  // Without sending.
  void Enter(State state, Diagnostic diagnostic);
  void Follow(const Packet& packet);
  void ApplyTimers();
  void AskForPoll();
  void EndPoll();
  void Settle();

  Random random_;
  std::uint32_t discriminator_;
  Timers timers_;
  std::optional<Timers> waiting_timers_;  // a Change that came during a poll sequence
  State state_ = State::kDown;
  Diagnostic diagnostic_ = Diagnostic::kNone;
  Remote remote_;
  bool heard_ = false;                    // the detection time runs
  std::optional<Time> last_received_;

  // What we say, and what we go by until the peer has confirmed it (6.8.3).
  Duration desired_min_tx_{};
  Duration required_min_rx_{};
  Duration min_tx_in_use_{};
  Duration min_rx_in_use_{};
  Poll poll_ = Poll::kIdle;
  bool poll_again_ = false;               // something changed that the poll under way does not cover

  Time last_sent_;
  std::optional<Duration> planned_with_;
  Time next_send_;
  std::vector<Packet> outgoing_;
};

}  // namespace egressd::bfd
