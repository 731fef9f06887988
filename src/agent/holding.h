// Which egress IPs this node holds, takes and gives up: a pure function of what it knows.
//
//   keep      it is bound by the policy in force, this node is one of its gateways and has an uplink for it, and nobody who lives has
//             a better claim
//   give up   any of these ended
//   take      nobody who lives claims it, and placement names this node
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
#include "egressd/policy/policy_set.h"

namespace egressd::agent {

// A node as this node sees it, itself included.
struct NodeView {
  const gossip::Record* record = nullptr;
  bool lives = false;      // alive or suspect: what it holds is held
  bool alive = false;      // may be given more
};

struct HoldingView {
  std::string self;
  std::vector<NodeView> nodes;                          // self is among them, with the claims it has now
  const policy::PolicySet* set = nullptr;
  std::map<IpAddress, std::string> gateway_of;          // every bound egress IP → its gateway
  bool may_take = false;                                // synced, settled, kernel in sync
};

struct GivenUp {
  IpAddress address;
  std::string reason;      // "held by gw2 (term 7)", "no policy uses it", …
};

struct Holding {
  std::vector<gossip::Claim> claims;                    // from now on, in order
  std::vector<IpAddress> taken;
  std::vector<GivenUp> given_up;
  std::vector<IpAddress> contested;                     // kept although somebody else claims them: that one will give up
};

Holding Decide(const HoldingView& view);

// The claims of everybody in the view.
gossip::Claims ClaimsOf(const std::vector<NodeView>& nodes);

}  // namespace egressd::agent
