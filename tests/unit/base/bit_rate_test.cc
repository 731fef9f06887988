#include "egressd/base/bit_rate.h"

#include <doctest/doctest.h>

#include <limits>

namespace egressd {

TEST_CASE("a number of bits has a decimal or binary unit, or none") {
  CHECK(ParseBits("800M") == 800'000'000);
  CHECK(ParseBits("1G") == 1'000'000'000);
  CHECK(ParseBits("500k") == 500'000);
  CHECK(ParseBits("1T") == 1'000'000'000'000);
  CHECK(ParseBits("12345") == 12345);
  CHECK(ParseBits("0") == 0);
  CHECK(ParseBits("1Ki") == 1024);
  CHECK(ParseBits("2Mi") == 2 * 1024 * 1024);
  CHECK(ParseBits("3Gi") == 3ULL * 1024 * 1024 * 1024);
}

TEST_CASE("what is no number of bits is refused") {
  for (const char* text : {"", "M", "1.5G", "-1M", "+1M", " 1M", "1 M", "1M ", "1m", "1K", "1g", "1Mbit", "1MB", "010M", "0x10", "1e3",
                           "99999999999999999999", "18446744073709551615k"}) {
    CHECK_MESSAGE(!ParseBits(text), text);
  }
  CHECK(ParseBits("1.5G").error().message == "`1.5G` is not a number of bits such as 800M, 500k or 1G");
}

TEST_CASE("bits are written in the largest decimal unit that leaves a whole number, and read back as they were") {
  CHECK(FormatBits(800'000'000) == "800M");
  CHECK(FormatBits(1'500'000'000) == "1500M");
  CHECK(FormatBits(2'000'000'000) == "2G");
  CHECK(FormatBits(1'000) == "1k");
  CHECK(FormatBits(1'024) == "1024");
  CHECK(FormatBits(0) == "0");
  constexpr std::uint64_t kSome[] = {1, 999, 1001, 1'000'000'000'000, std::numeric_limits<std::uint64_t>::max()};
  for (const std::uint64_t bits : kSome) {
    CHECK(ParseBits(FormatBits(bits)) == bits);
  }
}

}  // namespace egressd
