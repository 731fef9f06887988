// Numbers of bits, and of bits in a second, as people write and read them: "800M", "500k", "2500000".
//
// 1. ParseBits(FormatBits(n)) == n for every n.
// 2. k, M, G and T are decimal, as everywhere where networks are measured; Ki, Mi, Gi and Ti are powers of 1024.
// Called by the YAML reader, and by whoever shows a limit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "egressd/base/error.h"

namespace egressd {

// A plain decimal number and perhaps one of the units; no sign, no fraction, no space, no leading zeros.
Result<std::uint64_t> ParseBits(std::string_view text);

// In the largest decimal unit that leaves a whole number: 800M, 1500k, 12345.
std::string FormatBits(std::uint64_t bits);

}  // namespace egressd
