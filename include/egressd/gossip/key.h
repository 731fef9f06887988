// Keys of the gossip: 32 random bytes, written as one line of base64. They are named by a fingerprint and never shown.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/base/error.h"

namespace egressd::gossip {

struct Key {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const Key&) const = default;
};

// Names a key without telling anything about it: the beginning of a hash (FingerprintOf, seal.h). Written as 8 hexadecimal digits.
struct Fingerprint {
  std::uint32_t value = 0;
  auto operator<=>(const Fingerprint&) const = default;
};

inline constexpr std::size_t kKeyLimit = 8;  // keys in a ring

// The text of a key file: one base64 key a line; empty lines and lines that start with # are skipped. At least one key, at most
// kKeyLimit, none twice. Errors name the line and never repeat the key.
Result<std::vector<Key>> ParseKeys(std::string_view text);
// Base64, 44 characters.
std::string ToString(const Key& key);
std::string ToString(Fingerprint fingerprint);
// Exactly 8 hexadecimal digits, upper or lower case.
std::optional<Fingerprint> ParseFingerprint(std::string_view text);

}  // namespace egressd::gossip
