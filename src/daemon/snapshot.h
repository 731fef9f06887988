// Everything that the metrics show of this node, at one moment: gathered here, put into words in metrics.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/answers.h"
#include "daemon/containers.h"
#include "daemon/core.h"
#include "daemon/process_usage.h"
#include "daemon/tallies.h"
#include "egressd/net/http_server.h"

namespace egressd::daemon {

// How the last reading of node file and policy file went, the start included.
struct LastReload {
  bool successful = true;
  double succeeded_at = 0;  // seconds since 1970
};

// What only the daemon knows.
struct DaemonFacts {
  std::vector<agent::Health> health;
  std::vector<Containers::Provider> providers;
  std::map<std::string, std::uint64_t> events;     // kind → how many
  std::map<std::string, std::uint64_t> conflicts;  // egress IP → how many
  LastReload reload;
  net::HttpCounts http;
  double started_at = 0;                           // seconds since 1970
  bool ready = false;
};

struct Snapshot {
  struct PoolUse {
    std::string pool;
    Family family = Family::kIpv4;
    std::uint64_t total = 0, used = 0;
  };
  agent::Status status;
  Counts counts;
  Tallies tallies;
  Datapath datapath;
  std::vector<std::pair<std::string_view, std::uint64_t>> drops;
  std::vector<PoolUse> pools;
  std::vector<agent::Health> health;
  std::optional<std::uint32_t> tunnel_mtu_bytes;
  ProcessUsage process;
  DaemonFacts daemon;
};

Snapshot TakeSnapshot(Core& core, const Counts& counts, DaemonFacts facts);

}  // namespace egressd::daemon
