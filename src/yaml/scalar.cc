#include "yaml/scalar.h"

#include <algorithm>
#include <array>
#include <ranges>

namespace egressd::yaml {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool AreDigits(std::string_view text) { return !text.empty() && std::ranges::all_of(text, IsDigit); }

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, {}, [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
}

// digits[.digits][e[+-]digits] with a point or an exponent; `text` has no sign.
bool IsFloat(std::string_view text) {
  if (EqualsIgnoringCase(text, ".inf") || EqualsIgnoringCase(text, ".nan")) return true;
  const std::size_t exponent = text.find_first_of("eE");
  const std::string_view mantissa = text.substr(0, exponent);
  const std::size_t point = mantissa.find('.');
  const std::string_view whole = mantissa.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? std::string_view() : mantissa.substr(point + 1);
  if ((!whole.empty() && !AreDigits(whole)) || (!fraction.empty() && !AreDigits(fraction))) return false;
  if (whole.empty() && fraction.empty()) return false;
  if (exponent == std::string_view::npos) return point != std::string_view::npos;
  std::string_view power = text.substr(exponent + 1);
  if (power.starts_with('+') || power.starts_with('-')) power.remove_prefix(1);
  return AreDigits(power);
}

bool IsSexagesimal(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !AreDigits(text.substr(0, colon))) return false;
  return std::ranges::all_of(std::views::split(text.substr(colon + 1), ':'), [](auto part) {
    const std::string_view group(part);
    return AreDigits(group) && (group.size() == 1 || (group.size() == 2 && group[0] < '6'));
  });
}

}  // namespace

Looks LooksLike(std::string_view text) {
  if (text == "true" || text == "false") return Looks::kBoolean;
  for (const std::string_view word : {"true", "false", "yes", "no", "on", "off"}) {
    if (EqualsIgnoringCase(text, word)) return Looks::kOldBoolean;
  }
  const bool has_sign = text.starts_with('-') || text.starts_with('+');
  const std::string_view rest = has_sign ? text.substr(1) : text;
  if (rest.empty() || !(IsDigit(rest[0]) || rest[0] == '.')) return Looks::kText;
  if (AreDigits(rest)) {
    if (rest.size() > 1 && rest[0] == '0') return Looks::kOctal;
    return has_sign ? Looks::kSigned : Looks::kInteger;
  }
  if (rest.size() > 2 && rest[0] == '0') {
    const std::string_view digits = rest.substr(2);
    const auto is_hex = [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '_'; };
    if ((rest[1] == 'x' || rest[1] == 'X') && std::ranges::all_of(digits, is_hex)) return Looks::kHex;
    if (rest[1] == 'b' && std::ranges::all_of(digits, [](char c) { return c == '0' || c == '1'; })) return Looks::kHex;
    if (rest[1] == 'o' && AreDigits(digits)) return Looks::kOctal;
  }
  if (IsFloat(rest)) return Looks::kFloat;
  if (IsSexagesimal(rest)) return Looks::kSexagesimal;
  if (std::ranges::all_of(rest, [](char c) { return IsDigit(c) || c == '_'; })) return Looks::kUnderscores;
  return Looks::kText;
}

std::string_view Words(Looks looks) {
  switch (looks) {
    case Looks::kText:
      return "is text";
    case Looks::kInteger:
      return "is a number";
    case Looks::kSigned:
      return "is a number with a sign";
    case Looks::kOctal:
      return "looks like an octal number";
    case Looks::kHex:
      return "looks like a hexadecimal number";
    case Looks::kFloat:
      return "looks like a floating-point number";
    case Looks::kSexagesimal:
      return "looks like a number to base 60";
    case Looks::kUnderscores:
      return "looks like a number with underscores";
    case Looks::kBoolean:
      return "is a boolean";
    case Looks::kOldBoolean:
      return "looks like a boolean";
  }
  return {};
}

}  // namespace egressd::yaml
