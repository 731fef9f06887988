// A host of the universe: its daemon, which may be dead, its disk, its kernel, its clock, and what it has said so far.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/yaml/yaml.h"
#include "support/fake_kernel.h"

namespace egressd::sim {

inline IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

inline Duration Seconds(double seconds) { return Duration{static_cast<std::int64_t>(seconds * 1e6)}; }

inline agent::PolicyParser Parser() {
  return [](std::string_view text) -> std::expected<policy::PolicySet, std::vector<policy::Finding>> {
    auto parsed = yaml::ParsePolicy(text, "policy.yaml");
    if (!parsed.ok()) return std::unexpected(std::move(parsed.findings));
    return std::move(parsed.value);
  };
}

struct Node {
  std::string name;
  policy::NodeConfig config;
  state::Host host;
  std::vector<gossip::Key> keys;
  std::unique_ptr<agent::Agent> agent;     // none: the daemon is dead
  std::string disk, key_disk;
  std::uint64_t incarnation = 0;
  test::FakeKernel kernel;                 // stays when the daemon dies
  bool kernel_refuses = false;
  bool refused = false;                    // its last commit was
  double rate = 1;                         // of its clock
  std::optional<Duration> stall;           // the process stands still for so long between its next decision and the commit
  plan::TunnelIdentity identity;           // the last one
  bool gone = false;                       // the whole host is dead: its kernel forwards nothing
  Time paused_until{};
  Time wake_at = kNever;
  bool committed = false;                  // since the last start
  std::vector<agent::ApplyResult> results;
  std::vector<agent::KeyResult> key_results;
  std::uint64_t wrong_keys = 0;            // datagrams sealed with an unknown key, since the last start
  std::vector<agent::Announcement> announced;
  std::size_t rechecks = 0;
  std::set<IpAddress> Held() const {
    std::set<IpAddress> held;
    for (const auto& [key, address] : kernel.state.egress_addresses) held.insert(key.address);
    return held;
  }
};

}  // namespace egressd::sim
