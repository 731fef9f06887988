// Does the other node of a gateway live? Two questions, asked many times a second:
//
//   BFD packets     come while its daemon lives
//   echo replies    come through the tunnel while its kernel and the underlay do
//
//                 detection time over, echo answered                  echo silent
//      kUp ──────────────────────────────────────> kDaemonSilent ───────────────> kSilent
//       │ ──────── detection time over, echo silent ───────────────────────────────> │
//       <───────────────────────── BFD is up again ───────────────────────────────────┘
//
// One echo request a second is enough while BFD packets come in time; as soon as one is late (the peer is in doubt) there are many: when
// the detection time is over, a path that loses a third of all packets has answered several of them, and a dead host none.
//
// 1. kSilent and kDaemonSilent are said only of a peer whose session was up since it is watched (or since it was last silent).
// 2. A process that stood still itself (Advance comes late) blames nobody: what waited in its sockets is read first, and silence counts
//    from then on.
// Pure. Owned by the agent; the peers are the nodes that share a gateway with this one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/bfd/sessions.h"

namespace egressd::agent {

enum class Liveness : std::uint8_t { kUnknown, kUp, kDaemonSilent, kSilent };

struct WatchedPeer {
  IpAddress underlay;
  IpAddress tunnel;        // where its kernel answers echo requests
  bfd::Timers timers;
  auto operator<=>(const WatchedPeer&) const = default;
};

class Watch {
 public:
  explicit Watch(std::uint64_t seed) : sessions_(seed) {}

  void Set(Time now, const std::map<std::string, WatchedPeer>& peers);
  void Receive(Time now, const BfdPacket& packet);
  void Receive(Time now, const EchoReply& reply);
  void Advance(Time now);
  Time NextTimer() const;
  // Tells every peer AdminDown.
  void Stop(Time now);

  std::vector<OutgoingBfd> TakeBfd();
  std::vector<OutgoingEcho> TakeEchoes() { return std::exchange(echoes_, {}); }
  struct Change {
    std::string peer;
    Liveness liveness = Liveness::kUnknown;
  };
  std::vector<Change> TakeChanges() { return std::exchange(changes_, {}); }

  Liveness liveness(const std::string& peer) const;
  // Is kDaemonSilent said of anybody?
  bool AnyDaemonSilent() const;
  // Between two BFD packets of it, at the most; 0 when it is not watched.
  Duration PacketInterval(const std::string& peer) const;
  // When a BFD packet of it last came; nullopt = none, or it is not watched.
  std::optional<Time> heard(const std::string& peer) const;
  // Its kernel has answered through the tunnel a moment ago, as far as it was asked.
  bool PathAnswers(const std::string& name, Time now) const;
  // BFD is up and has been, and yet the kernel does not answer through the tunnel.
  bool PathBroken(const std::string& name, Time now) const;
  // State of the session: "up", "init", "down", "admindown"; "" when the peer is not watched.
  std::string Describe(const std::string& peer) const;
  // After so long a silence the session is down; nullopt = it is not up.
  std::optional<Duration> DetectionTime(const std::string& peer) const;
  const bfd::Sessions& sessions() const { return sessions_; }

 private:
  static constexpr std::size_t kRemembered = 128;
  struct Peer {
    WatchedPeer config;
    Liveness liveness = Liveness::kUnknown;
    Time said{};                            // when that became so
    std::uint16_t sequence = 0;
    Time next_echo{};
    std::array<Time, kRemembered> sent{};   // by sequence number: when
    std::optional<Time> answered;           // last echo reply
    Time late = kNever;                     // when it comes into doubt, as of the last Advance
    Time doubted = kNever;                  // since when it is; kNever = it is not
  };
  // When the next BFD packet is late, or the session has been down; kNever = there is nothing to doubt.
  Time DoubtFrom(const Peer& peer) const;
  Duration EchoInterval(const Peer& peer) const;
  Time SilentFrom(const Peer& peer) const;
  Duration Patience(const Peer& peer) const;
  void Judge(Time now, const std::string& name, Peer& peer);
  void Say(Time now, const std::string& name, Peer& peer, Liveness liveness);

  bfd::Sessions sessions_;
  std::map<std::string, Peer> peers_;
  std::map<IpAddress, std::string> by_tunnel_;
  Time expected_ = kNever;          // when Advance was to be called at the latest
  std::vector<OutgoingEcho> echoes_;
  std::vector<Change> changes_;
};

}  // namespace egressd::agent
