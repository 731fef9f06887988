// Every rule that a policy set must keep, checked at once. Pure: the same set gives the same findings in the same order.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "egressd/policy/finding.h"
#include "egressd/policy/node_config.h"
#include "egressd/policy/policy_set.h"

namespace egressd::policy {

// What is known about the world the policy will run in. Everything is optional: `egressctl validate` knows none of it.
struct Surroundings {
  std::vector<IpAddress> node_addresses;        // every address of every known node
  std::vector<Prefix> routes;                   // real networks that this node has a route to (not the default route)
  std::optional<NodeConfig::Tunnel> tunnel;     // to find pools and workloads inside the tunnel networks
  std::optional<std::size_t> nodes;             // how many nodes the cluster has, this one included: those it knows, or join and itself
};

std::vector<Finding> Validate(const PolicySet& set, const Surroundings& surroundings = {});
// Rules of the node file that need more than one key (tunnel networks, tables, masks, join without a key, …).
std::vector<Finding> Validate(const NodeConfig& config, const Surroundings& surroundings = {});

}  // namespace egressd::policy
