// Any answer at all: a verdict within thirteen bytes, and never another one with more of them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "egressd/base/error.h"
#include "net/http_status.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto whole = egressd::net::ParseStatus(text);
  EGRESSD_ASSERT(size < egressd::net::kStatusBytes || !whole || whole->has_value());
  EGRESSD_ASSERT(!whole || !*whole || (**whole >= 100 && **whole <= 599));
  for (std::size_t length = 0; length < size && length <= egressd::net::kStatusBytes; ++length) {
    const auto part = egressd::net::ParseStatus(text.substr(0, length));
    if (!part) {
      EGRESSD_ASSERT(!whole);
    } else if (*part) {
      EGRESSD_ASSERT(whole && *whole == *part);
    }
  }
  return 0;
}
