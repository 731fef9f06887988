// What a plain scalar looks like to the YAML parsers of this world, which do not agree with each other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace egressd::yaml {

enum class Looks : std::uint8_t {
  kText,
  kInteger,      // 0, 25, 7946
  kSigned,       // -1, +5
  kOctal,        // 010, 0o17: 8 or 10, depending on the parser
  kHex,          // 0x10, and 0b10
  kFloat,        // 1.5, 1e3, .inf
  kSexagesimal,  // 12:34:56: a number to base 60 in YAML 1.1
  kUnderscores,  // 1_000
  kBoolean,      // true, false
  kOldBoolean,   // yes, no, on, off, and True, FALSE: a boolean in YAML 1.1, text in YAML 1.2
};

Looks LooksLike(std::string_view text);

// What to say about a scalar of that look where something else is expected: "looks like an octal number".
std::string_view Words(Looks looks);

// Whether parsers disagree about it, so that it must be quoted to be a name.
constexpr bool IsAmbiguous(Looks looks) { return looks != Looks::kText && looks != Looks::kInteger; }

}  // namespace egressd::yaml
