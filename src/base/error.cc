#include "egressd/base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace egressd {

Error SystemError(std::string_view what, int error_number) {
  const auto kind =
      error_number == EPERM || error_number == EACCES ? ErrorKind::kPermission : ErrorKind::kSystem;
  return Error{kind, std::string(what) + ": " + std::strerror(error_number)};
}

void AssertionFailed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "egressd: assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace egressd
