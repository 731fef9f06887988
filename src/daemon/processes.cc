#include "daemon/processes.h"

#include <utility>

#include "daemon/log.h"
#include "egressd/control/files.h"

namespace egressd::daemon {

Result<Processes> Processes::Open() {
  std::optional<discover::UnitFollower> units;
  const auto mounts = control::ReadFile("/proc/self/mountinfo");
  if (const auto root = mounts ? discover::CgroupRootIn(*mounts) : std::nullopt) {
    auto opened = discover::UnitFollower::Open(*root);
    if (!opened) return std::unexpected(std::move(opened.error()).In("cgroups"));
    units = std::move(*opened);
  } else {
    Debug("no tree of cgroups (version 2) is mounted: no policy can select units here");
  }
  auto users = discover::UserFollower::Open("/etc/passwd");
  if (!users) return std::unexpected(std::move(users.error()).In("users"));
  return Processes(std::move(units), std::move(*users));
}

std::vector<int> Processes::fds() const {
  std::vector<int> fds{users_.fd()};
  if (units_) fds.push_back(units_->fd());
  return fds;
}

std::optional<agent::ProcessesChanged> Processes::Take() {
  agent::ProcessesChanged change;
  if (units_) change.cgroups = units_->Take();
  change.users = users_.Take();
  if (!change.cgroups && !change.users) return std::nullopt;
  return change;
}

agent::ProcessesChanged Processes::Scan() {
  agent::ProcessesChanged change{.cgroups = std::nullopt, .users = users_.Scan()};
  if (units_) change.cgroups = units_->Scan();
  return change;
}

}  // namespace egressd::daemon
