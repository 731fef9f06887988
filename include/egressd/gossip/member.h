// What a node knows of another one: its record, and whether it lives. Kept by Membership, read by the agent.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "egressd/base/time.h"
#include "egressd/gossip/message.h"
#include "egressd/gossip/record.h"

namespace egressd::gossip {

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

}  // namespace egressd::gossip
