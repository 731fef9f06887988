// Durations as people write and read them: "100ms", "15s", "2m", "1h".
//
// 1. ParseDuration(FormatDuration(d)) == d for every duration of whole microseconds that is not negative.
// 2. A number without a unit does not parse: what it means is up to the key, not to this file.
// Called by the YAML reader, and by whoever shows a duration.
#pragma once

#include <string>
#include <string_view>

#include "egressd/base/error.h"
#include "egressd/base/time.h"

namespace egressd {

// A plain decimal number and one of us, ms, s, m, min, h; no sign, no fraction, no space, no leading zeros.
Result<Duration> ParseDuration(std::string_view text);

// In the largest unit that leaves a whole number: 1500ms, 90s, 2m. `duration` is not negative.
std::string FormatDuration(Duration duration);

}  // namespace egressd
