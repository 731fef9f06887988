// Why a flow goes where it goes, from the same data that Build uses. Never sends a packet.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "egressd/plan/plan.h"

namespace egressd::plan {

struct Rejected {
  std::string policy;
  std::string reason;  // "wants app=postfix", "198.51.100.7 is listed in except", "already decided by mailer (priority 10)"
};

// One of several egress IPs, of a policy that gives them to new connections in turn.
struct Choice {
  EgressId id;
  std::optional<IpAddress> egress_ip;
  std::string node;                         // who translates; empty = nobody
  double share = 0;                         // of all new connections
};

struct Explanation {
  std::string policy;                       // empty = none: goes out as without egressd
  std::string action;                       // "snat", "route", "direct", "drop", "none"
  std::string gateway;
  std::optional<EgressId> id;               // unset, as are egress IP and node, where it is one of `choices`
  std::optional<IpAddress> egress_ip;
  std::string node;                         // who translates; empty = nobody
  std::vector<Choice> choices;              // in order of id; empty = the flow always gets the same egress IP
  std::vector<std::string> path;            // the packet's way, a line a hop
  std::vector<Rejected> rejected;           // every other enabled policy, in deciding order
};

Explanation Explain(const Inputs& inputs, const policy::Flow& flow, const std::string& self_name);

}  // namespace egressd::plan
