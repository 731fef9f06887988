// Who shall hold an egress IP: a pure function, so that every node with the same view comes to the same answer without asking.
//
// 1. A living candidate that holds an IP keeps it.
// 2. An IP without a living holder goes to the candidate that holds fewest; among equals the highest rendezvous hash of (node, IP) wins.
// 3. So the loss of a node moves only what was there, spread over the others.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "egressd/base/address.h"

namespace egressd::placement {

struct Candidate {
  std::string node;
  std::size_t room = SIZE_MAX;
  auto operator<=>(const Candidate&) const = default;
};

// `addresses` in order; `holders` tells the living holder of those that have one (a holder that is not a candidate loses its IP).
// Result: one entry for each address; "" when there is no candidate.
std::map<IpAddress, std::string> Place(const std::vector<IpAddress>& addresses, const std::vector<Candidate>& candidates,
                                       const std::map<IpAddress, std::string>& holders);

}  // namespace egressd::placement
