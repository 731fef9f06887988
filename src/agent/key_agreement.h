// One key ring on all nodes, changed without a moment in which two of them cannot talk.
//
// A new ring S with first key s is put into force only when every node X (ring R, seals with Q) has said, within this order, that
//     Q is in S        whoever has S already can open what X still seals, and
//     s is in R        X can open what they seal.
// So it does not matter in which order the nodes come to S, nor who is restarted or cut off on the way: old with old, old with new and new
// with new can talk. `install`, `use` and `remove` are each such a step; what they make of a ring is in key_ring.h.
//
//   order:  ask every living node ──all answered──> [remove: wait, ask again] ──no objection──> new ring here ──> tell every living node
//                    └── somebody is dead, silent or objects: nothing changes ──┘           each acknowledges; told until it does
//
// 1. One order at a time in the whole cluster: asking for a change takes a lock on every node, for LockTime, longer than an order may
//    take to come to its new ring. An order that stood still for longer (this process was paused) gives up.
// 2. The larger version wins on every node. Whoever hears of a lower one tells the ring; whoever hears of a higher one asks for it.
// 3. Before a key goes, what was sealed with it must have arrived: kInFlight passes between two rounds in which nobody seals with it.
// 4. Somebody who seals with another key of the ring may be a node that was away and does not have the first one. It is answered with the
//    key that it uses until it is known to have the first one, and is asked until then; that key counts as one that this node seals with.
// 5. A starting node waits with its first record until it has compared rings with one living node (caught_up).
// 6. `force` leaves out dead nodes, and contacts where no member is. They may be cut off, until the operator gives them the key file.
// Everything is bounded: peers, exceptions, waiting orders, the time of an order. Pure. Called by keys.cc.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/key_letter.h"
#include "agent/key_ring.h"
#include "egressd/agent/agent.h"
#include "egressd/base/time.h"
#include "egressd/gossip/channel.h"
#include "egressd/gossip/membership.h"
#include "egressd/gossip/timing.h"

namespace egressd::agent {

class KeyAgreement {
 public:
  using Members = std::map<std::string, gossip::Member>;
  struct Start {
    std::string name;
    std::uint64_t incarnation = 0;
    gossip::Timing timing;
    std::vector<gossip::Key> file;   // of the key file, not empty
    std::string_view stored;         // what Store last gave
    std::set<Endpoint> contacts;     // join addresses and former peers
  };
  explicit KeyAgreement(const Start& start);

  void Take(KeyOrder order);
  // Of every datagram that was opened, our own included.
  void Heard(Time now, const Endpoint& from, const gossip::Received& received);
  void Receive(Time now, const Endpoint& from, const gossip::Received& received, const KeyLetter& letter);
  // A member that was away, or a new one.
  void MetAgain(Time now, const std::string& member);
  void Advance(Time now, const Members& members, const Endpoint& self);
  // Ends every order.
  void Abandon(const Members& members, const std::string& why);
  Time NextTimer() const;

  const KeyRing& ring() const { return ring_; }
  bool caught_up() const { return caught_up_; }
  // There is nobody to compare rings with, or nobody answered.
  void CaughtUp() { caught_up_ = true; }
  // The key for a datagram to this node, if it is not the first one (invariant 4).
  std::optional<gossip::Fingerprint> SealFor(const Endpoint& to) const;

  std::vector<gossip::Outgoing> TakeOutgoing() { return std::exchange(outgoing_, {}); }
  std::vector<KeyResult> TakeResults() { return std::exchange(results_, {}); }
  std::vector<Note> TakeNotes() { return std::exchange(notes_, {}); }
  // The ring changed since the last call.
  bool TakeChanged() { return std::exchange(changed_, false); }
  // What is to be on disk before anything is sent; once after each change.
  std::optional<std::string> TakeStore();

 private:
  // What is known of a node in its present life.
  struct Peer {
    std::uint64_t incarnation = 0;
    std::optional<RingVersion> version;
    std::vector<gossip::Fingerprint> has;
  };
  // A node that may lack the first key (invariant 4).
  struct Exception {
    std::string name;
    gossip::Fingerprint key;
    Time heard{};
    Time ask_at{};
    Duration interval{};
  };
  // A member whose ring is not known to be this one.
  struct Ask {
    Time at{};
    Duration interval{};
  };
  struct Lock {
    std::string holder;
    std::uint64_t round = 0;         // of the holder; they grow
    Time until{};
  };
  struct Reply {
    std::uint64_t incarnation = 0;
    KeyAnswer answer;
  };
  enum class Phase : std::uint8_t { kAsk, kWait, kAskAgain, kTell };
  struct Job {
    KeyOrder order;
    Phase phase = Phase::kAsk;
    std::uint64_t round = 0;
    Time began{};                    // the round
    Time deadline{};                 // of asking, waiting or telling
    Time send_at{};
    RingVersion version;             // in force when the round began
    std::map<std::string, Reply> replies;
  };

  // key_agreement.cc
  void On(Time now, const Endpoint& from, const std::string& sender, const gossip::Received& received, const KeyQuestion& question);
  void On(Time now, const Endpoint& from, const std::string& sender, const gossip::Received& received, const KeyAnswer& answer);
  void On(Time now, const Endpoint& from, const std::string& sender, const gossip::Received& received, const KeyTell& tell);
  Peer& PeerOf(const gossip::Received& received);
  void Learn(const gossip::Received& received, const RingVersion& version, const std::vector<gossip::Fingerprint>& ring);
  void ForgetException(const std::string& name);
  void PutInForce(KeyRing ring, const std::string& from);
  void Release(const std::string& holder, std::uint64_t round);
  void AskFor(Time now, const std::string& member);
  void AdvanceExceptions(Time now, const Members& members);
  void AdvanceAsks(Time now, const Members& members);
  bool IsCurrent(const RingVersion& version) const;
  std::vector<gossip::Fingerprint> Sealing() const;
  KeyAnswer AnswerOf(std::uint64_t round, std::string changing) const;
  void Send(const Endpoint& to, const KeyLetter& letter);

  // key_orders.cc
  void AdvanceOrders(Time now, const Members& members, const Endpoint& self);
  void AdvanceAsking(Time now, const Members& members, const Endpoint& self);
  void AdvanceTelling(Time now, const Members& members, const Endpoint& self);
  void BeginRound(Time now, Phase phase);
  // The ring that the order asks for; nullopt: the present one is.
  Result<std::optional<KeyRing>> Next(const KeyOrder& order) const;
  std::optional<Error> Objection(const KeyRing& next, const Members& members) const;
  bool Answered(const std::string& name, const gossip::Member& member) const;
  std::vector<std::string> Silent(const Members& members) const;
  bool Delays(const KeyAnswer& answer) const;
  std::set<Endpoint> Unmet(const Members& members, const Endpoint& self) const;
  std::optional<Error> Missing(const Members& members, const Endpoint& self) const;
  void PutNextInForce(Time now, const Members& members, const Endpoint& self);
  void Finish(const Members& members, const Endpoint& self, std::optional<Error> error);
  KeyResult ResultOf(const Members& members, const Endpoint& self) const;
  Duration Patience() const { return 10 * timing_.probe_interval; }
  Duration LockTime() const { return 2 * Patience(); }

  std::string name_;
  gossip::Timing timing_;
  std::vector<gossip::Fingerprint> file_;
  std::set<Endpoint> contacts_;
  std::map<Endpoint, std::string> met_;         // contacts that spoke, and who it was
  KeyRing ring_;
  RingVersion version_;                         // of ring_
  std::vector<gossip::Fingerprint> names_;      // of ring_
  bool caught_up_ = false, changed_ = false, store_ = false;
  std::map<std::string, Peer> peers_;
  std::map<Endpoint, Exception> exceptions_;
  std::map<std::string, Ask> asks_;
  Time next_asks_{};
  std::optional<Lock> lock_;
  std::uint64_t round_;
  std::optional<Job> job_;
  std::deque<KeyOrder> waiting_;
  std::vector<gossip::Outgoing> outgoing_;
  std::vector<KeyResult> results_;
  std::vector<Note> notes_;
};

}  // namespace egressd::agent
