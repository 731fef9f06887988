// How long this node may hold an egress IP: the leases in its kernel, and for `takeover: strict` the consent of a majority (votes.h).
// The steps are in leases.cc.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/votes.h"
#include "egressd/base/address.h"
#include "egressd/base/time.h"
#include "egressd/policy/node_config.h"

namespace egressd::agent {

// All nodes whose consent counts, as this node sees them.
struct Electorate {
  std::size_t size = 1;
  std::uint64_t digest = 0;
  std::vector<Endpoint> unknown;                         // join addresses and former peers where nobody is known
};

LeaseTiming LeaseTimingOf(policy::Profile profile);

struct LeaseState {
  LeaseState(Time start, policy::Profile profile, std::uint64_t incarnation, std::set<Endpoint> former_peers)
      : timing(LeaseTimingOf(profile)), voter(start, timing), asker(timing, incarnation << 16U), former(std::move(former_peers)) {}

  LeaseTiming timing;
  Voter voter;
  Asker asker;
  // Peers of an earlier start count until they are met, or until most of those who are known do not count them: some nodes that start again
  // together, cut off from the others, are no cluster of their own.
  std::set<Endpoint> former;
  std::set<std::string> without_former;                  // say so, of an electorate with this digest
  std::uint64_t digest_without_former = 0;
  std::map<IpAddress, std::uint64_t> wanted;             // strict: claimed as soon as a majority consents
  std::set<IpAddress> asked;                             // in this round
  std::map<IpAddress, Time> consent;                     // strict: until when it may be held without a new grant
  std::set<IpAddress> unconfirmed;                       // strict, held before this start: the kernel's lease of then still stands
  Time first_round_at = kNever, next_round = kNever, next_renewal = kNever;
  Time ends = kNever;                                    // of the leases that this node prolongs alone
  Time fenced_until = Time::min();                       // nothing is held before
  bool round_opened = false;                             // the kernel is awake for this round, and for nothing else
  bool round_used = false;                               // the kernel takes one batch of leases a round
  bool commit_waits = false;                             // for a round that consents to everything in it
};

}  // namespace egressd::agent
