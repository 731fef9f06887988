// The status line of an HTTP answer (RFC 9112 section 4), as far as a health check needs it. Pure: hostile bytes cost nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "egressd/base/error.h"

namespace egressd::net {

// "HTTP/1.1 200" and the character behind it: so many bytes always decide.
inline constexpr std::size_t kStatusBytes = 13;

// The status, 100-599; nullopt while `bytes` may still become a status line. An error, once given or not, stays so with more bytes.
Result<std::optional<int>> ParseStatus(std::string_view bytes);

}  // namespace egressd::net
