#include "egressd/base/bit_rate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <limits>

namespace egressd {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t bits;
};
// Decimal ones first, the largest of them first.
constexpr std::array kUnits = {Unit{"T", 1'000'000'000'000}, Unit{"G", 1'000'000'000}, Unit{"M", 1'000'000},
                               Unit{"k", 1000},              Unit{"", 1},              Unit{"Ki", 1ULL << 10},
                               Unit{"Mi", 1ULL << 20},       Unit{"Gi", 1ULL << 30},   Unit{"Ti", 1ULL << 40}};

}  // namespace

Result<std::uint64_t> ParseBits(std::string_view text) {
  const auto wrong = [&] { return Fail(ErrorKind::kInvalid, std::format("`{}` is not a number of bits such as 800M, 500k or 1G", text)); };
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto digits = static_cast<std::size_t>(end - text.data());
  if (code != std::errc() || (digits > 1 && text.starts_with('0'))) return wrong();
  const auto unit = std::ranges::find(kUnits, text.substr(digits), &Unit::name);
  if (unit == kUnits.end() || number > std::numeric_limits<std::uint64_t>::max() / unit->bits) return wrong();
  return number * unit->bits;
}

std::string FormatBits(std::uint64_t bits) {
  if (bits == 0) return "0";
  const auto unit = std::ranges::find_if(kUnits, [&](const Unit& candidate) { return bits % candidate.bits == 0; });
  return std::format("{}{}", bits / unit->bits, unit->name);
}

}  // namespace egressd
