#include <doctest/doctest.h>

#include "ctl/command_line.h"
#include "ctl/duration.h"
#include "ctl/flow.h"
#include "ctl/table.h"

using namespace egressd;

TEST_CASE("a flow's end is an address with an optional port and protocol") {
  CHECK(ctl::ParseFlowEnd("192.0.2.44") == ctl::FlowEnd{.address = *IpAddress::Parse("192.0.2.44")});
  CHECK(ctl::ParseFlowEnd("192.0.2.44:443") == ctl::FlowEnd{.address = *IpAddress::Parse("192.0.2.44"), .port = 443});
  CHECK(ctl::ParseFlowEnd("192.0.2.44:53/udp") == ctl::FlowEnd{.address = *IpAddress::Parse("192.0.2.44"), .port = 53, .protocol = 17});
  CHECK(ctl::ParseFlowEnd("2001:db8::1") == ctl::FlowEnd{.address = *IpAddress::Parse("2001:db8::1")});
  CHECK(ctl::ParseFlowEnd("[2001:db8::1]:25") == ctl::FlowEnd{.address = *IpAddress::Parse("2001:db8::1"), .port = 25});
  CHECK(ctl::ParseFlowEnd("2001:db8::1/icmp") == ctl::FlowEnd{.address = *IpAddress::Parse("2001:db8::1"), .protocol = 58});
}

TEST_CASE("what is no flow's end is refused with what was expected") {
  for (const char* text : {"example.net:443", "192.0.2.44:0", "192.0.2.44:70000", "192.0.2.44/foo", "[2001:db8::1", "[2001:db8::1]x", ""}) {
    CHECK_FALSE(ctl::ParseFlowEnd(text));
  }
  CHECK(ctl::ParseFlowEnd("example.net:443").error().message == "example.net:443: an address is needed here (names are not looked up)");
}

TEST_CASE("durations have a unit, or are seconds") {
  using std::chrono::milliseconds;
  CHECK(ctl::ParseDuration("10s") == milliseconds(10'000));
  CHECK(ctl::ParseDuration("500ms") == milliseconds(500));
  CHECK(ctl::ParseDuration("2m") == milliseconds(120'000));
  CHECK(ctl::ParseDuration("0") == milliseconds(0));
  for (const char* text : {"", "s", "-1s", "10 s", "10x"}) CHECK_FALSE(ctl::ParseDuration(text));
}

TEST_CASE("columns are as wide as their widest cell, without blanks at the end and without counting colours") {
  CHECK(ctl::Columns({{"NAME", "STATE", "X"}, {"gateway-1", "\x1b[32mheld\x1b[0m", "1"}, {"ü", "-", ""}}) ==
        "NAME       STATE  X\ngateway-1  \x1b[32mheld\x1b[0m   1\nü          -\n");
}

TEST_CASE("a mistyped word leads to the nearest one, a strange one to none") {
  const std::vector<std::string> verbs{"validate", "diff", "apply", "status"};
  CHECK(ctl::Nearest("aply", verbs) == "apply");
  CHECK(ctl::Nearest("stat", verbs) == "status");
  CHECK(ctl::Nearest("frobnicate", verbs).empty());
}
