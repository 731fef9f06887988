// Who shall hold an egress IP: pure functions, so that every node with the same view comes to the same answer without asking.
//
// 1. A living candidate that holds an IP keeps it.
// 2. IPs without a living holder (but for those of 5) are spread so that in the end the loads of all candidates are as even as rule 1 and
//    their room allow; which IP goes where is decided by the rendezvous hash of (node, IP), the highest one first.
// 3. So the loss of a node moves only what was there, spread over the others.
// 4. The order of addresses and candidates does not matter, nor who is quicker: after some of the placed IPs have been taken, the rest is
//    placed as before.
// 5. Addresses that belong apart (the egress IPs of one policy) go to different nodes, evenly if there are more of them than candidates.
//    They are placed first, by rendezvous hash alone, so that 4 holds for them too; only where all room is elsewhere they share a node.
// Called by the agent.
#pragma once

#include <compare>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "egressd/base/address.h"

namespace egressd::placement {

inline constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

struct Candidate {
  std::string node;
  std::size_t room = kNoLimit;  // how many IPs it may take, beside what it holds
  auto operator<=>(const Candidate&) const = default;
};

// Addresses that belong apart, group by group; an address may be in several.
using Apart = std::vector<std::vector<IpAddress>>;

// `holders` tells the living holder of those that have one (a holder that is not a candidate loses its IP); whatever else it tells counts
// as load. Result: one entry for each address; "" when no candidate has room.
std::map<IpAddress, std::string> Place(const std::vector<IpAddress>& addresses, const std::vector<Candidate>& candidates,
                                       const std::map<IpAddress, std::string>& holders, const Apart& apart = {});

// `failback: true`: where each IP belongs when living holders may hand over what they have. An IP's home is where Place would put it if
// nobody held anything, and a node's share is the number of its homes. The result reaches the shares with the fewest moves, those to a home
// first: after a loss and the return of the node everything is back where it was, and with as many IPs as there were nothing else moves.
//
// 1. No candidate has more than its share: as even as possible, at most ceil(IPs / candidates) where there is room and nothing belongs
//    apart.
// 2. The moves may be carried out one by one, in any order: after some of them the rest is the same.
//
// `room` is the whole limit here (max_ips_per_node), as if nobody held anything; of `holders` only `addresses` count. One entry for each
// address: where it shall be; "" when nobody has room. What is there already, or is above all limits and has nowhere to go, stays.
std::map<IpAddress, std::string> Balance(const std::vector<IpAddress>& addresses, const std::vector<Candidate>& candidates,
                                         const std::map<IpAddress, std::string>& holders, const Apart& apart = {});

}  // namespace egressd::placement
