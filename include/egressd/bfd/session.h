// One BFD session in asynchronous mode (RFC 5880 sections 6.1, 6.2 and 6.8), single hop (RFC 5881). Pure: time and randomness come in, packets
// go out. Owned and driven by the agent; one for each peer.
//
//              Down received                        Init or Up received
//      Down ─────────────────> Init ──────────────────────────────────> Up
//       ^  └── Init received ──────────────────────────────────────────> │
//       └────────────── AdminDown or Down received, or detection time ───┘
//
// 1. While not Up it sends once a second at most (6.8.3) and never more often than the peer's Required Min RX Interval; a peer that says
//    zero gets nothing.
// 2. Each interval is shortened by a random 0-25 % (10-25 % with a multiplier of 1), section 6.8.7.
// 3. Detection time = the peer's multiplier times the larger of our Required Min RX and its Desired Min TX (6.8.4). NextTimer never lies
//    behind it.
// 4. Changed timers take effect with a poll sequence where section 6.8.3 asks for one.
// 5. After a detection time without any packet the peer's discriminator is forgotten (6.8.1).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "egressd/base/random.h"
#include "egressd/base/time.h"
#include "egressd/bfd/packet.h"

namespace egressd::bfd {

struct Timers {
  Duration min_tx{100'000};
  Duration min_rx{100'000};
  std::uint8_t multiplier = 3;  // 1-255
  auto operator<=>(const Timers&) const = default;
};

class Session {
 public:
  // `discriminator` is not zero and unique on this node.
  Session(Time now, std::uint32_t discriminator, const Timers& timers, std::uint64_t seed);

  // A packet for this session: Your Discriminator is ours, or zero and it came from this session's peer.
  void Receive(Time now, const Packet& packet);
  // Sends what is due and ends the session when the detection time is over.
  void Advance(Time now);
  Time NextTimer() const;
  void Change(Time now, const Timers& timers);
  // The node says goodbye: AdminDown is told at once, and from then on.
  void Disable(Time now);

  std::vector<Packet> TakeOutgoing();
  State state() const;
  Diagnostic diagnostic() const;
  std::uint32_t discriminator() const;
  // Of the peer as far as it is known, for status.
  State remote_state() const;
  // kNever before anything was received.
  Duration detection_time() const;
  std::optional<Time> last_received() const;
};

}  // namespace egressd::bfd
