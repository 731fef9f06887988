// Follows a drop-in directory: which files there say something new.
//
// 1. Only *.yaml, *.yml and *.json; hidden names and what editors leave behind (`x.yaml~`, `#x.yaml#`) are ignored.
// 2. The directory need not exist: the nearest directory above it is watched until it appears, and again when it goes.
// 3. A file is reported when its content differs from what was reported last; a notification that was lost costs a full reading, nothing
// else.
// 4. A file is read when its writer has closed it or renamed it into place, never half-way.
// Called by daemon/workloads.cc; parsing is the caller's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/error.h"
#include "egressd/base/fd.h"

namespace egressd::discover {

struct FileChange {
  std::string name;                     // "erp.yaml"
  std::string path;                     // "/etc/egressd/workloads.d/erp.yaml"
  std::optional<std::string> content;   // unset = the file is gone (or unreadable, see error)
  std::optional<Error> error;           // it is there but cannot be read: what it said last stays
};

class Follower {
 public:
  // Errors: no inotify instance left. A directory that does not exist is none.
  static Result<Follower> Open(std::string directory);

  // Readable when Take has something to do.
  int fd() const { return inotify_.get(); }
  // Reads what the notifications that wait speak of.
  std::vector<FileChange> Take();
  // Reads every file; reports those that differ from what was reported last, and those that are gone.
  std::vector<FileChange> Scan();

 private:
  Follower(std::string directory, Fd inotify) : directory_(std::move(directory)), inotify_(std::move(inotify)) {}
  void Watch();
  std::optional<FileChange> Look(const std::string& name);

  std::string directory_;
  Fd inotify_;
  int watch_ = -1;
  std::string watched_;                             // the directory itself or the nearest one above it
  std::map<std::string, std::uint64_t> reported_;   // name → digest of its content; 0 = it could not be read
};

// Does a file of this name count?
bool IsDropIn(const std::string& name);

}  // namespace egressd::discover
