// What the daemon knows, as the JSON of egressctl(1). Field names are a contract: fields are only ever added.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/census.h"
#include "daemon/core.h"
#include "egressd/control/json.h"
#include "egressd/policy/changes.h"
#include "egressd/policy/finding.h"

namespace egressd::daemon {

// What the kernel has counted.
struct Counts {
  std::shared_ptr<const Tracked> tracked;  // nullptr: it cannot be read
  kernel::CountsByMark sent, received;     // of the egress ids that this node holds

  // Calls `done` when they are there, perhaps at once.
  static void Ask(Core& core, std::function<void(const Counts&)> done);
};
// The named counters of the data path: why packets were dropped, and how many.
std::vector<std::pair<std::string_view, std::uint64_t>> Drops(Core& core);
// What is not as it should be, all of it: of the agent, of the daemon, of the data path.
std::vector<agent::Health> AllHealth(const Core& core, const agent::Status& status, const std::vector<agent::Health>& own_health);
// A node that is drained lives: it answers, forwards, and follows the policy.
bool Lives(const agent::NodeStatus& node);

// `counts`: nothing where nobody asked.
control::Json StatusAnswer(Core& core, const std::vector<agent::Health>& own_health, const Counts& counts);
// Kinds: nodes, gateways, policies, ips, workloads; nullopt = no such kind. With a name, only the object of that name.
std::optional<control::Json> ListAnswer(const Core& core, const std::string& kind, const std::string& name, const Counts& counts);
control::Json ExplainAnswer(const Core& core, const policy::Flow& flow);

// The key file of this node, as it is now.
struct KeyFile {
  std::string path;
  bool has_first = false;  // holds the key that seals
};
control::Json KeysAnswer(const agent::KeyResult& result, const KeyFile& file);

control::Json ToJson(const policy::Finding& finding);
control::Json ToJson(const policy::Change& change);
template <typename T>
control::Json ToJsonList(const std::vector<T>& values) {
  control::Json::Array out;
  for (const T& value : values) out.push_back(ToJson(value));
  return out;
}

}  // namespace egressd::daemon
