// What the daemon is started with.
#pragma once

#include <cstdint>
#include <string>

#include "egressd/base/error.h"

namespace egressd::daemon {

struct Options {
  enum class Task : std::uint8_t { kServe, kReleaseAfterCrash, kCleanup, kVersion, kHelp };
  Task task = Task::kServe;
  std::string config = "/etc/egressd/egressd.yaml";
  bool config_given = false;  // then the file must exist
  std::string state_directory = "/var/lib/egressd";
  std::string run_directory = "/run/egressd";
  std::string log_level = "info";
};

// Errors are for people: "unknown option --confg; did you mean --config?".
Result<Options> ParseOptions(int argument_count, char** arguments);
const char* Usage();

}  // namespace egressd::daemon
