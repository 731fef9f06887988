// "10s", "500ms", "2m", "1h" on the command line.
#pragma once

#include <chrono>
#include <string_view>

#include "egressd/base/error.h"

namespace egressd::ctl {

// A number alone means seconds.
Result<std::chrono::milliseconds> ParseDuration(std::string_view text);

}  // namespace egressd::ctl
