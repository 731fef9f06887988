// Stable hashes: the same on every node, every build and for ever, so that nodes that never spoke agree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace egressd {

// FNV-1a with a final avalanche (splitmix64). Not for hostile input, where collisions would matter.
std::uint64_t StableHash(std::string_view bytes, std::uint64_t seed = 0);

// 16 lower-case hexadecimal digits.
std::string Hex(std::uint64_t value);

}  // namespace egressd
