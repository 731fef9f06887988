// The metrics of a node: their names and what each shows. Pure. egressd-metrics(7) describes every one of them, and a test compares.
//
// 1. No series that nothing feeds: what this node does not know it leaves out.
// 2. A label never has a value of a workload, so the number of series follows policies, egress IPs and nodes.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "daemon/exposition.h"
#include "daemon/snapshot.h"

namespace egressd::daemon {

struct Metric {
  std::string_view name;
  MetricType type;
  std::string_view help;
  void (*fill)(const Snapshot& snapshot, Samples& samples);
};

// All there are, in the order in which they are told.
std::span<const Metric> Metrics();
std::string MetricsText(const Snapshot& snapshot, Exposition exposition);

}  // namespace egressd::daemon
