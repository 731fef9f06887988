#include "egressd/base/duration.h"

#include <doctest/doctest.h>

namespace egressd {
namespace {

using namespace std::chrono_literals;

}  // namespace

TEST_CASE("a duration is a number and a unit") {
  CHECK(ParseDuration("100ms") == 100ms);
  CHECK(ParseDuration("15s") == 15s);
  CHECK(ParseDuration("2m") == 2min);
  CHECK(ParseDuration("2min") == 2min);
  CHECK(ParseDuration("1h") == 1h);
  CHECK(ParseDuration("250us") == 250us);
  CHECK(ParseDuration("0s") == 0s);
}

TEST_CASE("what is no duration is refused") {
  for (const char* text : {"", "s", "15", "15 s", " 15s", "15s ", "-1s", "+1s", "1.5s", "1d", "15S", "1h30m", "010s", "0x10s", "1e3s",
                           "99999999999999999999s", "9223372036854775807h"}) {
    CHECK_MESSAGE(!ParseDuration(text), text);
  }
  CHECK(ParseDuration("1.5s").error().message == "`1.5s` is not a duration such as 100ms, 15s, 2m or 1h");
}

TEST_CASE("a duration is written in the largest unit that leaves a whole number, and reads back as it was") {
  CHECK(FormatDuration(Duration(15s)) == "15s");
  CHECK(FormatDuration(Duration(90s)) == "90s");
  CHECK(FormatDuration(Duration(120s)) == "2m");
  CHECK(FormatDuration(Duration(1500ms)) == "1500ms");
  CHECK(FormatDuration(Duration(1h)) == "1h");
  CHECK(FormatDuration(Duration(7us)) == "7us");
  CHECK(FormatDuration(Duration(0us)) == "0s");
  for (const Duration duration : {Duration(1), Duration(999), Duration(1000), Duration(61s), Duration(7h), Duration(1234567)}) {
    CHECK(ParseDuration(FormatDuration(duration)) == duration);
  }
}

}  // namespace egressd
