// The container engines of this host: their containers into workloads, an engine that does not answer into a health finding.
//
// 1. Each container is a source of its own: one that starts or stops costs its own elements.
// 2. A few containers in one round of the loop: thousands that come at once do not keep the daemon from its heartbeats.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/discover/engine.h"
#include "egressd/policy/node_config.h"

namespace egressd::daemon {

class Containers {
 public:
  // Errors: kSystem.
  static Result<Containers> Open(const policy::NodeConfig& config);

  // What to wait for; OnReady when one of them is readable.
  std::vector<int> fds() const;
  void OnReady();
  void OnTimer();
  Time NextTimer() const;
  // Waits until every engine that is there has told what it has, at most so long.
  void Await(Duration at_most);

  // What the agent is to be told next; has_changes says whether there is more.
  std::vector<agent::WorkloadsChanged> Take();
  bool has_changes() const;
  std::vector<agent::Health> health() const;
  // The engines that are there, or should be.
  struct Provider {
    std::string name;
    bool up = false;
    std::size_t workloads = 0;
  };
  std::vector<Provider> providers() const;

 private:
  struct Followed {
    std::string name;          // "docker"
    discover::Engine engine;
    std::string told;          // what the log says about it last
  };
  void Tell();

  std::vector<Followed> engines_;
};

}  // namespace egressd::daemon
