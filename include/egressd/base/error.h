// The one error type of egressd, and Result<T>, what every function that operator, peer or kernel can make fail returns.
//
// A message names the object and says what was found; it starts in lower case and ends without a full stop. Context is
// added on the way up, outermost first ("commit: route 198.19.0.7/32: no such device"), and logged once, at the top.
// Mistakes that only we can make are EGRESSD_ASSERT, which stays on in release builds.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace egressd {

enum class ErrorKind : std::uint8_t {
  kInvalid,      // the input is wrong; trying again does not help
  kNotFound,     // the named object does not exist
  kPermission,   // not allowed
  kSystem,       // the kernel or the C library refused; the message carries its words
  kStale,        // somebody else changed the state in between; observe and try again
  kTimeout,      // no answer in time
  kUnavailable,  // the other side is not there (daemon down, socket absent)
  kExpired,      // a time limit had passed, so nothing was done
};

struct Error {
  ErrorKind kind = ErrorKind::kInvalid;
  std::string message;

  // The same error with "context: " in front of the message.
  [[nodiscard]] Error In(std::string_view context) && {
    message.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
  bool operator==(const Error&) const = default;
};

template <typename T>
using Result = std::expected<T, Error>;

// Fail(kind, message): `return Fail(ErrorKind::kInvalid, "…");` from any function that returns a Result.
[[nodiscard]] inline std::unexpected<Error> Fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error{kind, std::move(message)});
}

// An error from errno: "<what>: <strerror>". `error_number` is positive.
[[nodiscard]] Error SystemError(std::string_view what, int error_number);

[[noreturn]] void AssertionFailed(const char* expression, const char* file, int line);

}  // namespace egressd

#define EGRESSD_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::egressd::AssertionFailed(#expression, __FILE__, __LINE__))
