// The host's own processes as the agent is to know them: the cgroups of units, the numbers of users.
#pragma once

#include <optional>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/base/error.h"
#include "egressd/discover/processes.h"

namespace egressd::daemon {

class Processes {
 public:
  // Errors: no inotify instance left. A host without cgroups of version 2 has no units.
  static Result<Processes> Open();

  std::vector<int> fds() const;
  // What the agent is to be told after a notification, or after a full reading.
  std::optional<agent::ProcessesChanged> Take();
  agent::ProcessesChanged Scan();

 private:
  Processes(std::optional<discover::UnitFollower> units, discover::UserFollower users)
      : units_(std::move(units)), users_(std::move(users)) {}

  std::optional<discover::UnitFollower> units_;
  discover::UserFollower users_;
};

}  // namespace egressd::daemon
