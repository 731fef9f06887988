// What this process uses of the host, for the metrics that every exporter has (process_…).
#pragma once

#include <cstdint>

namespace egressd::daemon {

struct ProcessUsage {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0, virtual_bytes = 0;
  std::uint64_t open_descriptors = 0, most_descriptors = 0;

  // Now. What the host does not tell is 0.
  static ProcessUsage Read();
};

// Seconds since 1970.
double WallSeconds();

}  // namespace egressd::daemon
