// Who is in the cluster, who lives, and what each node says about itself: SWIM with suspicion and refutation, over whole records.
//
//                 no ack, direct or through three others          timing.suspicion
//        alive ─────────────────────────────────────> suspect ────────────────────> dead
//          ^                                             │                            │
//          └───────────── a newer record of the node itself (refutation) ─────────────┘      any ── its record says so ──> left
//
// 1. A node's record is replaced only by a newer one (record.h). Suspicion and death are about one stamp; every newer record ends them.
// 2. Before the first Publish the node asks, but nobody learns of it: its record of its former life, with what it held, stays in force.
// 3. A record that changed goes to every living member at once; whoever missed it learns from the stamps in pings, acks and digests.
// 4. Dead members and join addresses without anybody alive are tried for ever, so that halves of a cut cluster find each other again.
// 5. When the clock jumped (this process was paused), suspicions are prolonged by the pause instead of all running out at once.
// Pure: time comes in, messages go out through TakeOutgoing. Called by the agent.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "egressd/base/random.h"
#include "egressd/base/time.h"
#include "egressd/gossip/message.h"
#include "egressd/gossip/sync.h"
#include "egressd/gossip/timing.h"

namespace egressd::gossip {

struct Outgoing {
  Endpoint to;
  Message message;
  auto operator<=>(const Outgoing&) const = default;
};

struct Member {
  Record record;
  Verdict verdict = Verdict::kAlive;
  Time since{};                       // of the verdict
  Time suspicion_ends = kNever;       // while suspect
  Time told{};                        // when it last heard from us that we doubt it
  std::optional<Duration> round_trip; // of the last direct ping
  bool lives() const { return verdict == Verdict::kAlive || verdict == Verdict::kSuspect; }
};

// A verdict on a member changed.
struct MemberEvent {
  std::string name;
  Verdict verdict = Verdict::kAlive;
};

class Membership {
 public:
  Membership(std::string name, std::uint64_t incarnation, const Timing& timing, std::uint64_t seed, std::set<Endpoint> contacts);

  // Begins to ask. `self` is where this node listens; it is not asked.
  void Begin(Time now, const Endpoint& self);
  // Makes this what the node says of itself; name and stamp are filled in. Does nothing when nothing but these would change.
  void Publish(Time now, Record record);
  void Receive(Time now, const Endpoint& from, const std::string& sender, const Message& message);
  void Advance(Time now);
  Time NextTimer(Time now) const;

  std::vector<Outgoing> TakeOutgoing() { return std::exchange(outgoing_, {}); }
  std::vector<MemberEvent> TakeEvents() { return std::exchange(events_, {}); }
  // Did records or verdicts change since the last call?
  bool TakeChanged() { return std::exchange(changed_, false); }

  // Everybody else who is known.
  const std::map<std::string, Member>& members() const { return members_; }
  // Unset before the first Publish.
  const std::optional<Record>& own() const { return own_; }
  // What others still had of this node's former life when it started.
  const std::optional<Record>& former() const { return former_; }
  const Sync& sync() const { return sync_; }
  bool synced(Time now);
  // Grows when others know a later incarnation than the one this node started with: seal and replay window must follow.
  std::uint64_t incarnation() const { return incarnation_; }
  // When another node was last seen to use this node's name.
  std::optional<Time> duplicate_seen() const { return duplicate_seen_; }
  void DuplicateSeen(Time now) { duplicate_seen_ = now; }

 private:
  struct Probe {
    std::string target;
    std::uint64_t id = 0;
    Time sent{};
    bool asked_others = false;
    bool acknowledged = false;
  };
  struct Relay {
    Endpoint origin;
    std::uint64_t origin_id = 0;
    Time expires{};
  };

  void On(Time now, const Endpoint& from, const std::string& sender, const Ping& ping);
  void On(Time now, const Endpoint& from, const std::string& sender, const Ack& ack);
  void On(Time now, const Endpoint& from, const std::string& sender, const PingRequest& request);
  void On(Time now, const Endpoint& from, const std::string& sender, const IndirectAck& ack);
  void On(Time now, const Endpoint& from, const std::string& sender, const Accusation& accusation);
  void On(Time now, const Endpoint& from, const std::string& sender, const Records& records);
  void On(Time now, const Endpoint& from, const std::string& sender, const Digest& digest);
  void On(Time now, const Endpoint& from, const std::string& sender, const Want& want);
  void On(Time, const Endpoint&, const std::string&, const ChunkRequest&) {}  // replication's
  void On(Time, const Endpoint&, const std::string&, const Chunk&) {}
  void On(Time, const Endpoint&, const std::string&, const Letter&) {}  // the agent's

  void Merge(Time now, const Record& record);
  void MergeOwn(Time now, const Record& record);
  void SetVerdict(Time now, Member& member, Verdict verdict);
  void Suspect(Time now, Member& member);
  void Accuse(const Member& member, Verdict verdict);
  void Doubted(Time now, const Stamp& stamp);
  void RaiseIncarnation(Time now, std::uint64_t seen);
  void PushOwn(Time now);
  void SendOwnTo(const Endpoint& to);
  void Send(const Endpoint& to, Message message) { outgoing_.push_back({.to = to, .message = std::move(message)}); }
  void Ask(const Endpoint& to) { Send(to, DigestOf(true)); }
  Digest DigestOf(bool question) const;
  Stamp KnownStamp(const std::string& name) const;
  void NoteStamp(const Endpoint& from, const std::string& sender, const Stamp& stamp);
  Ping PingFor(const std::string& target, std::uint64_t id) const;
  void AdvanceProbe(Time now);
  void NextProbe(Time now);
  void AdvanceContacts(Time now);
  void ForgivePause(Time now);
  std::vector<const Member*> Living() const;

  std::string name_;
  std::uint64_t incarnation_;
  Timing timing_;
  Random random_;
  std::set<Endpoint> contacts_;
  Endpoint self_;
  Sync sync_;
  std::map<std::string, Member> members_;
  std::optional<Record> own_, former_;
  std::optional<Probe> probe_;
  std::vector<std::string> round_;        // who is still to be probed in this round
  std::vector<Endpoint> dead_round_;
  std::map<std::uint64_t, Relay> relays_;
  std::uint64_t next_id_ = 0;
  Time next_probe_ = kNever, next_push_pull_ = kNever, next_contact_ = kNever, next_dead_ = kNever, repeat_push_ = kNever;
  Time expected_ = kNever;                // when Advance was going to be called next, at the latest
  std::optional<Time> last_raised_;
  std::optional<Time> duplicate_seen_;
  std::vector<Outgoing> outgoing_;
  std::vector<MemberEvent> events_;
  bool changed_ = false;
};

}  // namespace egressd::gossip
