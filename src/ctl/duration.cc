#include "ctl/duration.h"

#include <charconv>
#include <cstdint>
#include <format>

namespace egressd::ctl {

Result<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  std::int64_t milliseconds = 0;
  if (unit.empty() || unit == "s") milliseconds = 1000;
  if (unit == "ms") milliseconds = 1;
  if (unit == "m" || unit == "min") milliseconds = 60'000;
  if (unit == "h") milliseconds = 3'600'000;
  if (error != std::errc() || milliseconds == 0)
    return Fail(ErrorKind::kInvalid, std::format("'{}' is not a duration such as 500ms, 10s, 2m or 1h", text));
  return std::chrono::milliseconds(milliseconds * number);
}

}  // namespace egressd::ctl
