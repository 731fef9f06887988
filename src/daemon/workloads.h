// The drop-in directory: files into workloads, broken files into health findings.
//
// 1. A file that cannot be read or has errors changes nothing: what it said last stays in force.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/discover/follower.h"

namespace egressd::daemon {

class Workloads {
 public:
  explicit Workloads(discover::Follower follower) : follower_(std::move(follower)) {}

  int fd() const { return follower_.fd(); }
  // What the agent is to be told, after a notification, or after a full reading.
  std::vector<agent::WorkloadsChanged> Take() { return Read(follower_.Take()); }
  std::vector<agent::WorkloadsChanged> Scan() { return Read(follower_.Scan()); }
  std::vector<agent::Health> health() const;

 private:
  std::vector<agent::WorkloadsChanged> Read(std::vector<discover::FileChange> changes);

  discover::Follower follower_;
  std::map<std::string, std::string> broken_;  // file → what is wrong with it
};

}  // namespace egressd::daemon
