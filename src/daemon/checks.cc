#include "daemon/checks.h"

#include <utility>

#include "daemon/log.h"

namespace egressd::daemon {

Checks::Checks(policy::NodeConfig::Node self) : self_(std::move(self)) {
  auto checker = net::HealthChecker::Open();
  if (checker) {
    checker_ = std::move(*checker);
  } else {
    Warn("health checks: " + checker.error().message);
  }
}

void Checks::Follow(Time now, const policy::Selection* selection) {
  if (!checker_) return;
  std::vector<net::GatewayChecks> gateways;
  if (selection != nullptr) {
    for (const auto& [name, gateway] : selection->set().gateways) {
      if (gateway.health.empty() || !policy::Matches(gateway.nodes, self_.name, self_.labels)) continue;
      gateways.push_back({.gateway = name, .device = gateway.interface ? gateway.interface : self_.interface, .checks = gateway.health});
    }
  }
  if (gateways == followed_) return;
  checker_->Watch(now, gateways);
  followed_ = std::move(gateways);
}

void Checks::Take(Time now, const std::function<void(const agent::Input&)>& feed) {
  if (!checker_) return;
  checker_->OnReady();
  if (checker_->NextTimer() <= now) checker_->OnTimer(now);
  for (const net::GatewayHealth& health : checker_->Take()) {
    feed(agent::HealthVerdict{.gateway = health.gateway, .healthy = health.healthy, .text = health.text});
  }
}

}  // namespace egressd::daemon
