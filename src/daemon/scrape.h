// The text of the metrics for whoever asks, over HTTP or the control socket: made at most a few times a second, however often it is asked
// for.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "daemon/core.h"
#include "daemon/exposition.h"
#include "daemon/snapshot.h"

namespace egressd::daemon {

class Scrape {
 public:
  using Done = std::function<void(const std::string& text)>;
  // `core` outlives this; `facts` is called whenever a text is made.
  Scrape(Core& core, std::function<DaemonFacts()> facts) : core_(&core), facts_(std::move(facts)) {}

  // Calls `done` at once, or when the connections are counted.
  void Ask(Exposition exposition, Done done);

 private:
  struct Text {
    Time made_at{};
    std::string text;
  };
  Core* core_;
  std::function<DaemonFacts()> facts_;
  std::map<Exposition, Text> texts_;
};

}  // namespace egressd::daemon
