// Sysctl: values below /proc/sys, and the memory of what they were before egressd wrote them.
//
// 1. The original is on disk (synced, renamed into place) before the first write. It is kept until the value is back.
// 2. What belongs to the tunnel device goes with it and is not remembered.
// 3. conf/all/forwarding changes every device's value along; those that differ from it are remembered and put back with it.
// 4. The memory holds for one boot and one network namespace; in another one it is forgotten.
//
// <state_directory>/sysctls: a line "of=<boot>/<namespace>", then "path=original", and behind it indented what was changed along.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "egressd/base/error.h"
#include "egressd/state/state.h"

namespace egressd::kernel {

// The value without surrounding space; nullopt: there is no such file.
std::optional<std::string> ReadSysctl(const std::string& path);

class Sysctls {
 public:
  // An empty directory: remembered in this object only.
  static Result<Sysctls> Open(const std::string& state_directory, std::string tunnel_device);

  // Fresh values of everything remembered and of `paths`, as far as they exist.
  state::Objects<state::Sysctl> Observe(const std::set<std::string>& paths) const;
  Result<void> Write(const state::Sysctl& sysctl);
  // Back to the original; nothing happens for a path that is not remembered or no longer exists.
  Result<void> Restore(const std::string& path);

 private:
  struct Original {
    std::string value;
    std::map<std::string, std::string> along;
  };
  Sysctls(std::string file, std::string tunnel_device) : file_(std::move(file)), tunnel_device_(std::move(tunnel_device)) {}
  void Load();
  Result<void> Save() const;
  bool GoesWithTunnel(const std::string& path) const;

  std::string file_;  // "" = not on disk
  std::string tunnel_device_;
  std::map<std::string, Original> originals_;
};

}  // namespace egressd::kernel
