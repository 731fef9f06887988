// What happened lately: a ring of events, and those who follow it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/control/json.h"
#include "egressd/control/server.h"

namespace egressd::daemon {

class Journal {
 public:
  explicit Journal(std::string node) : node_(std::move(node)) {}

  // Logs it, keeps it, tells the followers.
  void Add(const agent::Note& note);
  // How many of each kind since the start, and of conflicts about each egress IP.
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }
  const std::map<std::string, std::uint64_t>& conflicts() const { return conflicts_; }
  // Answers `Events`: once, or again with each new event while the caller stays.
  void Serve(std::shared_ptr<control::Call> call);

 private:
  std::string node_;
  std::deque<control::Json> events_;
  std::map<std::string, std::uint64_t> counts_, conflicts_;
  std::vector<std::shared_ptr<control::Call>> followers_;
};

// "2026-11-21T06:10:03.123Z"
std::string WallClock();

}  // namespace egressd::daemon
