// Follows what a host knows of its own processes: the cgroups of systemd's units, and the numbers of its users.
//
// 1. Nobody is asked: the tree of cgroups and /etc/passwd are watched (inotify). systemd makes the cgroup of a unit before it starts the
//    first process of it, so a unit is known some milliseconds before it can send.
// 2. Only units are followed: slices and the managers of users are looked into, what services and containers make inside of theirs is not.
// 3. A notification that was lost costs a full reading, nothing else.
// Called by daemon/processes.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/base/error.h"
#include "egressd/base/fd.h"
#include "egressd/policy/selection.h"

namespace egressd::discover {

// Where the whole tree of cgroups (version 2) is mounted, out of /proc/self/mountinfo; nullopt = nowhere.
std::optional<std::string> CgroupRootIn(std::string_view mountinfo);

class UnitFollower {
 public:
  // `root` as CgroupRootIn says. Errors: no inotify instance left.
  static Result<UnitFollower> Open(std::string root);

  int fd() const { return inotify_.get(); }
  // Reads what the notifications that wait speak of: everything that is there now, if that has changed.
  std::optional<std::vector<policy::Cgroup>> Take();
  // Reads the whole tree.
  std::vector<policy::Cgroup> Scan();

 private:
  UnitFollower(std::string root, Fd inotify) : root_(std::move(root)), inotify_(std::move(inotify)) {}
  void Enter(const std::string& path);
  bool Look(const std::string& path);
  void Forget(const std::string& path);
  std::vector<policy::Cgroup> Everything() const;

  std::string root_;
  Fd inotify_;
  std::map<int, std::string> watches_;            // → path below the root
  std::map<std::string, std::uint64_t> cgroups_;  // path → id
};

// name → number.
using Users = std::map<std::string, std::uint32_t>;
// Lines of passwd(5); what is none is left out.
Users UsersIn(std::string_view passwd);

class UserFollower {
 public:
  // Errors: no inotify instance left. A file that does not exist has no users.
  static Result<UserFollower> Open(std::string path);

  int fd() const { return inotify_.get(); }
  // The users, if the file was touched.
  std::optional<Users> Take();
  Users Scan() const;

 private:
  UserFollower(std::string path, Fd inotify) : path_(std::move(path)), inotify_(std::move(inotify)) {}

  std::string path_;
  Fd inotify_;
};

}  // namespace egressd::discover
