// Which egress IPs this node holds, takes and gives up: a pure function of what it knows.
//
//   keep      it is bound by the policy in force, this node is one of its gateways and has an uplink for it, and nobody who lives has
//             a better claim
//   give up   any of these ended
//   take      nobody who lives claims it, and placement names this node; or its holder offers it to this node and is silent
//
// 1. Two nodes with the same view never both take an IP. With different views both may, until they hear of each other: then one gives up.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "egressd/gossip/claims.h"
#include "egressd/gossip/record.h"
#include "egressd/placement/place.h"
#include "egressd/policy/policy_set.h"

namespace egressd::agent {

// A node as this node sees it, itself included.
struct NodeView {
  const gossip::Record* record = nullptr;
  bool lives = false;      // what it claims is held: alive, suspect, or a dead daemon on a node that goes on alone for a while
  bool alive = false;      // may be given more
};

struct HoldingView {
  std::string self;
  std::vector<NodeView> nodes;                          // self is among them, with the claims it has now
  const policy::PolicySet* set = nullptr;
  std::map<IpAddress, std::string> gateway_of;          // every bound egress IP → its gateway
  placement::Apart apart;                               // those of one policy, which belong on different nodes
  bool may_take = false;                                // synced, settled, kernel in sync
  std::map<IpAddress, std::uint64_t> seen_terms;        // the highest ever seen: a later holder goes above it
  std::set<IpAddress> offered;                          // to this node by their holders, which are silent: take them
};

struct GivenUp {
  IpAddress address;
  std::string reason;      // "held by gw2 (term 7)", "no policy uses it", …
};

struct Holding {
  std::set<IpAddress> new_to_everybody;                 // of those taken: nobody who is known ever held them
  std::vector<gossip::Claim> claims;                    // from now on, in order
  std::vector<IpAddress> taken;
  std::vector<GivenUp> given_up;
  std::vector<IpAddress> contested;                     // kept although somebody else claims them: that one will give up
};

Holding Decide(const HoldingView& view);

// May this node be given the egress IP now? It lives, is ready and not drained, belongs to the gateway and has an uplink for it.
bool CanTake(const HoldingView& view, const std::string& node, const IpAddress& address);
// For placement: the node with the room that `max_ips_per_node` of the gateway leaves it.
placement::Candidate CandidateFor(const HoldingView& view, const std::string& node, const std::string& gateway,
                                  const std::map<IpAddress, std::string>& holders);

// The claims of everybody in the view.
gossip::Claims ClaimsOf(const std::vector<NodeView>& nodes);

}  // namespace egressd::agent
