// Pieces of nft's language that rule.cc and rule_connection.cc both say.
#pragma once

#include <cstdint>
#include <format>
#include <string>
#include <string_view>

#include "egressd/base/address.h"

namespace egressd::plan {

inline std::string_view Ip(Family family) { return family == Family::kIpv4 ? "ip" : "ip6"; }
inline std::string Hexadecimal(std::uint32_t mark) { return std::format("{:#010x}", mark); }
inline std::string Masked(std::uint32_t mask) { return mask == 0xffffffff ? std::string() : " & " + Hexadecimal(mask); }

}  // namespace egressd::plan
