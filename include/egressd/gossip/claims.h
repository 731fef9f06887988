// Who holds an egress IP when several say so: a total order, so that everybody who heard the same claims names the same holder.
//
// 1. The higher term wins; equal terms go to the larger node name.
// 2. Who takes an IP uses the highest term ever seen for it, plus one. Terms of dead nodes count for that, their claims do not.
// Called by the agent with the records of its view.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "egressd/gossip/record.h"

namespace egressd::gossip {

struct Hold {
  std::uint64_t term = 0;
  std::string node;
  auto operator<=>(const Hold&) const = default;  // invariant 1
};

class Claims {
 public:
  // Of a node that lives: its claims count.
  void AddLiving(const std::string& node, const std::vector<Claim>& claims);
  // Of a node that is dead: its terms count, and it is the last holder.
  void AddDead(const std::string& node, const std::vector<Claim>& claims);
  // Of a node that has left: only its terms count.
  void AddGone(const std::vector<Claim>& claims);

  // nullptr = nobody who lives.
  const Hold* HolderOf(const IpAddress& address) const;
  // Who had it, as far as a dead node said so; nullptr = nobody.
  const Hold* LastHolderOf(const IpAddress& address) const;
  // Did anybody who is known ever hold it?
  bool EverHeld(const IpAddress& address) const;
  // More than one living node claims it.
  bool Contested(const IpAddress& address) const;
  // A term that was seen earlier, in whatever record.
  void AddSeen(const IpAddress& address, std::uint64_t term);
  // For a node that takes it now.
  std::uint64_t NextTerm(const IpAddress& address) const;

 private:
  struct Entry {
    Hold best;                      // empty node = nobody
    Hold last;                      // of the dead
    int living = 0;
    std::uint64_t highest_term = 0;
  };
  std::map<IpAddress, Entry> entries_;
};

}  // namespace egressd::gossip
