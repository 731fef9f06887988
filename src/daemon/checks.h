// The health checks of the gateways that this node belongs to, between the agent and the network.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/net/health.h"

namespace egressd::daemon {

class Checks {
 public:
  explicit Checks(policy::NodeConfig::Node self);

  // -1: none can be made.
  int fd() const { return checker_ ? checker_->fd() : -1; }
  // What the policy in force asks for on this node; nothing happens when it is what it was.
  void Follow(Time now, const policy::Selection* selection);
  void Take(Time now, const std::function<void(const agent::Input&)>& feed);
  Time NextTimer() const { return checker_ ? checker_->NextTimer() : kNever; }

 private:
  policy::NodeConfig::Node self_;
  std::optional<net::HealthChecker> checker_;
  std::vector<net::GatewayChecks> followed_;
};

}  // namespace egressd::daemon
