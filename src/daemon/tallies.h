// What the daemon has done since its start, counted for the metrics. Pure: the numbers come from core.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "egressd/agent/outputs.h"
#include "egressd/base/error.h"
#include "egressd/base/time.h"
#include "egressd/state/transaction.h"

namespace egressd::daemon {

// How often something took how long: bucket i counts what took at most kBounds[i], and not kBounds[i - 1].
template <std::size_t Size, const std::array<double, Size>& Bounds>
struct Histogram {
  std::array<std::uint64_t, Size + 1> counts{};  // the last one: longer than all bounds
  double sum_seconds = 0;

  void Add(Duration lasted) {
    const double seconds = std::chrono::duration<double>(lasted).count();
    std::size_t bucket = 0;
    while (bucket < Size && seconds > Bounds[bucket]) ++bucket;
    ++counts[bucket];
    sum_seconds += seconds;
  }
};
inline constexpr std::array<double, 9> kReconcileBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5};
inline constexpr std::array<double, 9> kFailoverBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0};

struct Traffic {
  std::uint64_t datagrams = 0, bytes = 0;
  void Add(std::size_t size_bytes) {
    ++datagrams;
    bytes += size_bytes;
  }
};

struct Tallies {
  Traffic sent, received;                                        // gossip
  std::map<std::string_view, std::uint64_t> reconciles{{"changed", 0}, {"expired", 0}, {"failed", 0}, {"unchanged", 0}};
  Histogram<kReconcileBounds.size(), kReconcileBounds> reconcile_durations;
  std::map<std::string_view, std::uint64_t> corrections;         // state::KindOf → objects put back
  std::map<std::pair<std::string, agent::Takeover::Reason>, std::uint64_t> moves;  // gateway and reason → egress IPs taken
  std::map<std::string, Histogram<kFailoverBounds.size(), kFailoverBounds>> failovers;  // gateway → after the death of a node

  void Add(const agent::Takeover& takeover);
  void Add(const Result<state::Transaction>& reconciled, Duration lasted);
  void AddCorrections(const state::Transaction& corrected);
};

}  // namespace egressd::daemon
