// Whose are the networks of workloads that keep their address? Two nodes may have the same one (every Docker host has 172.17.0.0/16), and
// a reply can only go to one of them.
//
// 1. Granted networks of different nodes are disjoint, on every node that knows the same records the same ones.
// 2. The smaller term wins, then the earlier name. Who tells of a network takes a larger term than all that it overlaps: so the later one
//    is refused, and takes over by itself when the earlier one has gone.
// 3. Who is silent keeps its networks, for its kernel may go on, unless a living node has the same.
// 4. A node tells again after a restart what it told before (stored.h), until it has had time to find its workloads.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/holding.h"
#include "egressd/base/address.h"
#include "egressd/gossip/record.h"

namespace egressd::agent {

struct NetworkRefusal {
  std::string node;      // whose it is not
  Prefix network;
  std::string holder;    // whose it is, as far as they overlap
  Prefix held;
  auto operator<=>(const NetworkRefusal&) const = default;
};

struct Grants {
  std::map<std::string, std::vector<Prefix>> networks;  // by node, in order
  std::vector<NetworkRefusal> refusals;
};

Grants GrantNetworks(const std::vector<NodeView>& nodes);

// What `self` says of these networks (in order): those that it has told of keep their term.
std::vector<gossip::Network> TellNetworks(const std::vector<Prefix>& wanted, const std::vector<gossip::Network>& told,
                                          const std::vector<NodeView>& nodes, const std::string& self);

}  // namespace egressd::agent
