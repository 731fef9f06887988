// Keys of the gossip: 32 random bytes, written as one line of base64.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/base/error.h"

namespace egressd::gossip {

struct Key {
  std::array<std::uint8_t, 32> bytes{};
  auto operator<=>(const Key&) const = default;
};

// The text of a key file: one base64 key a line; empty lines and lines that start with # are skipped. At least one key, none twice.
// Errors name the line and never repeat the key.
Result<std::vector<Key>> ParseKeys(std::string_view text);
// Base64, 44 characters.
std::string ToString(const Key& key);

}  // namespace egressd::gossip
