// Who is in the cluster, who lives, and what each node says about itself: SWIM with suspicion and refutation, over whole records, with
// what Lifeguard adds: a node that misses answers itself is slow to accuse, several accusers are faster than one, the accused is told.
//
//                 no ack, direct or through three others          SuspicionWindow, and no ack to a last probe of our own
//        alive ─────────────────────────────────────> suspect ────────────────────────────────────────────────────────> dead
//          ^                                             │                            │                                  │
//          └───────────── a newer record of the node itself (refutation) ─────────────┘      any ── its record says so ──> left
//                                                                    dead ── somebody else lives at its address now ──> left
//
// 1. A node's record is replaced only by a newer one (record.h). Suspicion and death are about one stamp; every newer record ends them.
//    So a node that was paused for long is believed only after it has heard what it is accused of and has said something newer.
// 2. Before the first Publish the node asks, but nobody learns of it: its record of its former life, with what it held, stays in force.
// 3. A record in which more changed than labels and policy goes to every living member at once, as does a death. All other changes go
//    to kDirect members; their stamps ride on pings and acks (News), and who lacks the record asks for it. What is lost all the same
//    is found by comparing hashes with a random member.
// 4. Dead members and join addresses without anybody alive are tried for ever, so that halves of a cut cluster find each other again.
// 5. When this process was paused, what it waited for is prolonged by the pause instead of running out at once.
// 6. Two hosts with one name: the one that was there stays, a newcomer is silent while somebody answers at the address of its former
//    record. When both have spoken (in separate halves), the one with the smaller endpoint stays. Both report it.
// 7. What it sends in answer to others is bounded by kAnswerBytesPerSecond, whatever they ask.
// Pure. Called by the agent.
#pragma once

#include <deque>
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

inline constexpr std::int64_t kAnswerBytesPerSecond = 512 << 10;  // and as much again at once
inline constexpr std::size_t kDirect = 32;

struct Outgoing {
  Endpoint to;
  Message message;
  auto operator<=>(const Outgoing&) const = default;
};

struct Member {
  Record record;
  Verdict verdict = Verdict::kAlive;
  Time since{};                       // of the verdict
  std::optional<Duration> round_trip; // of the last direct ping
  Time heard{};                       // when it, or the agent's failure detector on its behalf, last spoke to us
  Time suspected = kNever;            // since when it is suspect, less our own pauses
  std::set<std::string> accusers;     // while suspect: who does not reach it, as far as we know; this node too
  Time told{};                        // when it last heard from us that we doubt it
  std::uint64_t position = 0;         // on the ring: hash of the name
  int times_to_tell = 0;              // so often its report still rides on pings and acks
  bool lives() const { return verdict == Verdict::kAlive || verdict == Verdict::kSuspect; }
};

struct MemberEvent {                  // a verdict changed
  std::string name;
  Verdict verdict = Verdict::kAlive;
};

class Membership {
 public:
  Membership(std::string name, std::uint64_t incarnation, const Timing& timing, std::uint64_t seed, std::set<Endpoint> contacts);

  // Begins to ask. `self` is where this node listens; it is not asked.
  void Begin(Time now, const Endpoint& self);
  // Makes this what the node says of itself; name and stamp are filled in. Does nothing when nothing but these would change, or while
  // silent().
  void Publish(Time now, Record record);
  // `sender` may be this node's own name when another host uses it; the caller leaves out what this process itself has sent.
  void Receive(Time now, const Endpoint& from, const std::string& sender, const Message& message);
  void Advance(Time now);
  Time NextTimer(Time now) const;
  // The agent's failure detector knows better: it is dead, and everybody is told at once. A newer record refutes it as ever.
  void DeclareDead(Time now, const std::string& name);
  // It hears it in this moment: we do not suspect it. Ends no suspicion and no death.
  void Vouch(Time now, const std::string& name);

  std::vector<Outgoing> TakeOutgoing() { return std::exchange(outgoing_, {}); }
  std::vector<MemberEvent> TakeEvents() { return std::exchange(events_, {}); }
  // Did records (more than a stamp) or verdicts change since the last call?
  bool TakeChanged() { return std::exchange(changed_, false); }

  // Everybody else who is known.
  const std::map<std::string, Member>& members() const { return members_; }
  // Unset before the first Publish and while silent().
  const std::optional<Record>& own() const { return own_; }
  // What others still had of this node's former life when it started.
  const std::optional<Record>& former() const { return former_; }
  const Sync& sync() const { return sync_; }
  bool synced(Time now);
  // Grows when others know a later incarnation than the one this node started with: seal and replay window must follow.
  std::uint64_t incarnation() const { return incarnation_; }
  // When another node was last seen to use this node's name.
  std::optional<Time> duplicate_seen() const { return duplicate_seen_; }
  // Asks every living member for everything: this node has stood still for long.
  void AskEverybody();
  // Another node that uses this name is in charge: this one must hold nothing. Ends when that one is not heard for rejoin_interval.
  bool silent() const { return !own_ && silenced_ != kNever; }

 private:
  enum class Reach : std::uint8_t { kSome, kEverybody };  // kDirect of the living, or all of them
  struct Probe {
    std::string target;
    Stamp stamp;                    // of the target then
    std::uint64_t id = 0;
    Time sent{}, asks_others{}, ends{};
    std::size_t helpers = 0;
    std::set<std::string> silent_to;  // helpers that did not reach it either
  };
  struct Relay {
    Endpoint origin;
    std::uint64_t origin_id = 0;
    Time expires{};
  };
  using Repeat = std::pair<Time, Reach>;
  // What follows from the set of members and their verdicts; made anew when that has changed.
  struct Overview {
    std::vector<const Member*> living;  // in order of position
    std::vector<const Member*> dead;
    std::array<std::uint64_t, kBuckets> hashes{};
  };

  // membership.cc: what comes in
  void On(Time now, const Endpoint& from, const std::string& sender, const Ping& ping);
  void On(Time now, const Endpoint& from, const std::string& sender, const Ack& ack);
  void On(Time now, const Endpoint& from, const std::string& sender, const PingRequest& request);
  void On(Time now, const Endpoint& from, const std::string& sender, const IndirectAck& ack);
  void On(Time now, const Endpoint& from, const std::string& sender, const Accusation& accusation);
  void On(Time now, const Endpoint& from, const std::string& sender, const Records& records);
  void On(Time now, const Endpoint& from, const std::string& sender, const Summary& summary);
  void On(Time now, const Endpoint& from, const std::string& sender, const Digest& digest);
  void On(Time now, const Endpoint& from, const std::string& sender, const Want& want);
  void On(Time, const Endpoint&, const std::string&, const auto&) {}  // replication's or the agent's
  // How far a report is believed when it is about the very record that we have.
  enum class Source : std::uint8_t { kAccuser, kNews, kDigest };
  void Read(Time now, const Endpoint& from, const std::string& sender, const Report& report, Source source, Want& want);
  void ReadNews(Time now, const Endpoint& from, const std::string& sender, const Stamp& own, const News& news);
  void Merge(Time now, const Record& record, bool dead);
  void MergeOwn(Time now, const Record& record);
  void Doubted(Time now, const Stamp& stamp, const Endpoint& by);
  void RaiseIncarnation(Time now, std::uint64_t seen);
  void SetVerdict(Time now, Member& member, Verdict verdict);
  void Suspect(Time now, Member& member, const std::string& accuser);
  void Heard(Time now, Member& member);
  Stamp KnownStamp(const std::string& name) const;
  // duplicate.cc: another host with our name
  void OnOwnName(Time now, const Endpoint& from, const Message& message);
  void Greet();
  void Yield(Time now, const Record& to);
  // telling.cc: what goes out, and to how many
  void Send(const Endpoint& to, Message message) { outgoing_.push_back({.to = to, .message = std::move(message)}); }
  void RefillAnswers(Time now);
  void Answer(const Endpoint& to, Message message);
  void Ask(const Endpoint& to) { Send(to, SummaryOf(true)); }
  void SendRecords(const Endpoint& to, const std::set<std::string>& names);
  void SendDigests(const Endpoint& to, BucketSet buckets, bool question);
  void SendOwnTo(const Endpoint& to);
  void PushOwn(Time now, Reach reach);
  void Accuse(Time now, const Member& member, Reach reach);
  void Tell(const std::string& name, Reach reach);
  std::vector<const Member*> Audience(Reach reach);
  void Spread(Member& member);
  News TakeNews();
  Summary SummaryOf(bool question) const;
  Ping PingFor(const Report& target, std::uint64_t id);
  const Overview& overview() const;
  // probing.cc: what the node does by itself
  void ForgiveLateness(Time now);
  void AdvanceProbes(Time now);
  void AskOthers(Probe& probe);
  void Fail(Time now, const Probe& probe);
  void Strain(int change);
  Duration Slowed(Duration duration) const { return duration * (1 + strain_); }
  void StartProbes(Time now);
  void StartProbe(Time now, const Member& member);
  const Member* NextOnRing() const;
  const Member* NextInRound();
  void PingDead();
  Time DiesAt(const Member& member) const;
  void AdvanceSuspects(Time now);
  void AdvanceRelaysAndRepeats(Time now);
  void AdvanceContacts(Time now);
  void AskContacts();
  void Forget(Time now);

  std::string name_;
  std::uint64_t position_;
  std::uint64_t incarnation_;
  Timing timing_;
  Random random_;
  std::set<Endpoint> contacts_;
  Endpoint self_;
  Sync sync_;
  std::map<std::string, Member> members_;
  std::optional<Record> own_, former_;
  mutable std::optional<Overview> overview_;  // unset: to be made anew
  std::set<std::string> suspects_;
  std::deque<std::string> news_;              // names with times_to_tell > 0, the next one first
  std::vector<Probe> probes_;
  std::vector<std::string> round_;            // who is still to be probed in this round
  std::map<std::uint64_t, Relay> relays_;
  std::map<std::string, Repeat> repeats_;     // what goes out once more, and when: own record, deaths
  int strain_ = 0;                            // Lifeguard's local health: 0 = well, up to kStrainLimit
  std::uint64_t next_id_ = 0;
  Time next_probe_ = kNever, next_push_pull_ = kNever, next_contact_ = kNever;
  Time expected_ = kNever;                    // when Advance was going to be called next, at the latest
  std::int64_t answer_bytes_ = kAnswerBytesPerSecond;  // what may still be sent in answer
  Time answers_counted_{}, exchanges_counted_{};
  int exchanges_ = 0;                         // digests asked for since then
  std::optional<Time> last_raised_, duplicate_seen_;
  Time silenced_ = kNever;                    // when the node in charge of our name was last heard
  Time greeting_ends_{};                      // until then its answer is waited for
  std::vector<Outgoing> outgoing_;
  std::vector<MemberEvent> events_;
  bool changed_ = false;
};

}  // namespace egressd::gossip
