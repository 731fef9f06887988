#include "egressd/base/duration.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <format>
#include <limits>

namespace egressd {
namespace {

struct Unit {
  std::string_view name;
  Duration::rep microseconds;
};
// Largest first. `min` is understood, `m` is written.
constexpr std::array kUnits = {Unit{"h", 3'600'000'000}, Unit{"m", 60'000'000}, Unit{"min", 60'000'000},
                               Unit{"s", 1'000'000},     Unit{"ms", 1000},      Unit{"us", 1}};

}  // namespace

Result<Duration> ParseDuration(std::string_view text) {
  const auto wrong = [&] { return Fail(ErrorKind::kInvalid, std::format("`{}` is not a duration such as 100ms, 15s, 2m or 1h", text)); };
  Duration::rep number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto digits = static_cast<std::size_t>(end - text.data());
  if (code != std::errc() || text.starts_with('-') || (digits > 1 && text.starts_with('0'))) return wrong();
  const auto unit = std::ranges::find(kUnits, text.substr(digits), &Unit::name);
  if (unit == kUnits.end()) return wrong();
  if (number > std::numeric_limits<Duration::rep>::max() / unit->microseconds) return wrong();
  return Duration(number * unit->microseconds);
}

std::string FormatDuration(Duration duration) {
  EGRESSD_ASSERT(duration >= Duration::zero());
  if (duration == Duration::zero()) return "0s";
  const auto unit = std::ranges::find_if(kUnits, [&](const Unit& candidate) { return duration.count() % candidate.microseconds == 0; });
  return std::format("{}{}", duration.count() / unit->microseconds, unit->name);
}

}  // namespace egressd
