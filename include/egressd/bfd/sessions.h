// The BFD sessions of a node, one for each peer address: what arrives finds its session, what is due is sent. Pure, like session.h.
//
// 1. A step costs what is due in it, whatever the number of sessions (and the logarithm of that). Same seed and inputs, same outputs.
// 2. A packet finds its session by Your Discriminator; without one by the address that it came from (RFC 5880 section 6.8.6). Everything
//    else is discarded and counted, first of all what a router has touched (GTSM, RFC 5881 section 5).
// 3. Discriminators are random, not zero and unique; each session has a source port of its own, 49152-65535 (RFC 5881 section 4).
// 4. A session that Set ends says AdminDown at once and lives on unseen for a detection time (6.8.1, 6.8.16), at most kFarewell; a new
//    session with the same peer ends that at once.
//
// The agent owns it: after every call it takes what is outgoing and what changed, and calls Advance at NextTimer.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/random.h"
#include "egressd/base/time.h"
#include "egressd/bfd/packet.h"
#include "egressd/bfd/session.h"

namespace egressd::bfd {

inline constexpr std::uint16_t kFirstSourcePort = 49152;
inline constexpr std::size_t kSourcePorts = 65536 - kFirstSourcePort;  // no more sessions than that; who comes later gets none
inline constexpr Duration kFarewell{60'000'000};

class Sessions {
 public:
  explicit Sessions(std::uint64_t seed);

  // These peers and no others; what stays takes over changed timers. The first packet to a new peer goes out at once. O(peers).
  void Set(Time now, const std::map<IpAddress, Timers>& peers);
  // What came to port 3784.
  void Receive(Time now, const IpAddress& from, std::uint8_t time_to_live, std::span<const std::uint8_t> bytes);
  // This process stood still for so long before `now`; what waits in its socket was not read yet.
  void Forgive(Time now, Duration late);
  void Advance(Time now);
  Time NextTimer() const;

  struct Outgoing {
    IpAddress to;
    std::uint16_t source_port = 0;
    PacketBytes bytes{};
    bool operator==(const Outgoing&) const = default;
  };
  std::vector<Outgoing> TakeOutgoing();
  // In the order in which they happened; nothing of sessions that Set ended.
  struct Change {
    IpAddress peer;
    State from = State::kDown;
    State to = State::kDown;
    Diagnostic diagnostic = Diagnostic::kNone;  // why, as we see it
    State remote = State::kDown;                // AdminDown: the peer went on purpose
    bool operator==(const Change&) const = default;
  };
  std::vector<Change> TakeChanges();

  // nullptr: no session with this peer. Valid until the next call that is not const.
  const Session* Find(const IpAddress& peer) const;
  std::size_t size() const { return current_.size(); }
  std::uint64_t discarded(Discard reason) const { return discarded_.at(static_cast<std::size_t>(reason)); }

 private:
  struct Entry {
    IpAddress peer;
    std::uint16_t source_port = 0;
    Session session;
    Time due = kNever;           // its place in due_
    std::optional<Time> ending;  // ended by Set: forgotten then
  };
  using Entries = std::map<std::uint32_t, Entry>;  // by our discriminator

  void Add(Time now, const IpAddress& peer, const Timers& timers);
  void End(Time now, Entry& entry);
  void Erase(Entries::iterator at);
  // Moves what `entry` has to say to our own lists, and its place in due_.
  void Collect(Entry& entry, State before);
  void Schedule(Entry& entry, Time due);
  Entry* For(const Packet& packet, const IpAddress& from);

  Random random_;
  Entries entries_;
  std::map<IpAddress, std::uint32_t> current_;  // peer → discriminator
  std::map<IpAddress, std::uint32_t> ended_;
  std::set<std::pair<Time, std::uint32_t>> due_;
  std::bitset<kSourcePorts> ports_;             // in use
  std::vector<Outgoing> outgoing_;
  std::vector<Change> changes_;
  std::array<std::uint64_t, kDiscards> discarded_{};
};

}  // namespace egressd::bfd
