// Leases of `takeover: strict`: an egress IP is held only with the consent of a majority of all nodes, and only until that consent ends.
//
//   holder                                    every node (a voter, the holder among them)
//   round: opens the kernel for `awake`       promises each address to at most one node, until `promise` after the request came;
//          asks everybody          ─────>     an address that is promised to somebody else is not granted
//          majority granted        <─────
//          lease of `lease` in the kernel
//
// 1. The kernel's lease ends at most awake + lease after the request was sent; a promise lasts 1.25 times as long after it came. So as
// long as
//    no clock runs more than a tenth faster than another, a promise outlives the lease that it allowed, and two majorities share a voter.
// 2. A voter that has just started promises nothing for as long as it may have promised before.
// 3. Voter and asker must see the same electorate: every node that is known and has not left, and every join address and every peer of
//    an earlier start where nobody is known. So whoever starts again counts the others, unless it has lost its state directory and no join
//    address names them.
// 4. A round that no longer asks for an address gives the promise back (the asker's kernel has let go of it before).
// Pure. Owned by the agent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/letter.h"
#include "egressd/base/time.h"

namespace egressd::agent {

struct LeaseTiming {
  Duration round{200'000};    // how often consent is renewed
  Duration awake{400'000};    // how long after the beginning of a round the kernel accepts its result
  Duration lease{800'000};    // in the kernel
  Duration Promise() const { return (awake + lease) * 5 / 4; }
};

class Voter {
 public:
  Voter(Time started, const LeaseTiming& timing) : silent_until_(started + timing.Promise()), timing_(timing) {}
  // Answers a request; `electorate` is the digest that this node has.
  LeaseGrant Answer(Time now, const std::string& from, const LeaseRequest& request, std::uint64_t electorate);

 private:
  struct Promise {
    std::string node;
    Time until{};
  };
  Time silent_until_;
  LeaseTiming timing_;
  std::map<IpAddress, Promise> promises_;
  std::map<std::string, std::uint64_t> rounds_;  // the last one of each node: an older request says nothing any more
};

class Asker {
 public:
  // `first_round` is larger than any that an earlier start of this node used.
  Asker(const LeaseTiming& timing, std::uint64_t first_round) : timing_(timing), round_(first_round) {}

  // Begins a round for these addresses. `voters` is the size of the electorate.
  LeaseRequest Begin(Time now, std::vector<gossip::Claim> addresses, std::uint64_t electorate, std::size_t voters);
  void Receive(const std::string& from, const LeaseGrant& grant);
  // Addresses that have a majority in this round, as long as its result may still be used.
  std::vector<IpAddress> Granted(Time now) const;
  Time begun() const { return begun_; }

 private:
  LeaseTiming timing_;
  std::uint64_t round_;
  std::uint64_t electorate_ = 0;
  std::size_t majority_ = 1;
  Time begun_{};
  std::map<IpAddress, std::set<std::string>> grants_;
};

}  // namespace egressd::agent
