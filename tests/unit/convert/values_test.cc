#include "convert/values.h"

#include <doctest/doctest.h>

#include <string>

namespace egressd::convert {
namespace {

std::vector<AddressRange> Ranges(std::initializer_list<const char*> texts) {
  std::vector<AddressRange> ranges;
  for (const char* text : texts) ranges.push_back(AddressRange::Parse(text).value());
  return ranges;
}
std::string Text(const std::vector<AddressRange>& ranges) {
  std::string text;
  for (const AddressRange& range : ranges) text += range.ToString() + " ";
  return text;
}

TEST_CASE("every address once, in the order of the list") {
  CHECK(Text(Once(Ranges({"10.0.0.5-10.0.0.9", "10.0.0.1-10.0.0.20", "10.0.0.7"}))) ==
        "10.0.0.5-10.0.0.9 10.0.0.1-10.0.0.4 10.0.0.10-10.0.0.20 ");
  CHECK(Text(Once(Ranges({"10.0.0.0/8", "fd00::/64", "0.0.0.0/0"}))) ==
        "10.0.0.0-10.255.255.255 fd00::-fd00::ffff:ffff:ffff:ffff 0.0.0.0-9.255.255.255 11.0.0.0-255.255.255.255 ");
  CHECK(Text(Once(Ranges({"255.255.255.255", "::", "0.0.0.0/0"}))) == "255.255.255.255 :: 0.0.0.0-255.255.255.254 ");
}

TEST_CASE("ranges without holes") {
  CHECK(Text(Without(Ranges({"10.0.0.0/29"}), Ranges({"10.0.0.0", "10.0.0.7", "10.0.0.3-10.0.0.4"}))) ==
        "10.0.0.1-10.0.0.2 10.0.0.5-10.0.0.6 ");
  CHECK(Text(Without(Ranges({"10.0.0.1"}), Ranges({"10.0.0.0/8"}))) == "");
  CHECK(Text(Without(Ranges({"10.0.0.1", "fd00::1"}), Ranges({"fd00::/64", "fd00::/32"}))) == "10.0.0.1 ");
}

TEST_CASE("the address at the same place of the other list") {
  const auto ipv4 = Ranges({"10.0.0.1-10.0.0.3", "10.0.0.9"});
  const auto ipv6 = Ranges({"fd00::1", "fd00::5-fd00::ffff:ffff:ffff:ffff"});
  const auto opposite = [&](const char* address) {
    const auto found = Opposite(ipv4, ipv6, IpAddress::Parse(address).value());
    return found ? found->ToString() : "";
  };
  CHECK(opposite("10.0.0.1") == "fd00::1");
  CHECK(opposite("10.0.0.2") == "fd00::5");
  CHECK(opposite("10.0.0.9") == "fd00::7");
  CHECK(opposite("10.0.0.4") == "");
  CHECK(Opposite(ipv6, ipv4, IpAddress::Parse("fd00::6").value())->ToString() == "10.0.0.3");
  CHECK(!Opposite(ipv6, ipv4, IpAddress::Parse("fd00::ffff").value()));
  CHECK(CountOf(Ranges({"::/0", "10.0.0.1"})) == UINT64_MAX);
}

TEST_CASE("quantities as Kubernetes writes them") {
  CHECK(ParseQuantity("100") == 100);
  CHECK(ParseQuantity("800M") == 800'000'000);
  CHECK(ParseQuantity("1.5G") == 1'500'000'000);
  CHECK(ParseQuantity(".5k") == 500);
  CHECK(ParseQuantity("2Ki") == 2048);
  CHECK(ParseQuantity("1.5Ki") == 1536);
  CHECK(ParseQuantity("1e9") == 1'000'000'000);
  CHECK(ParseQuantity("1E+3") == 1000);
  CHECK(ParseQuantity("1E") == 1'000'000'000'000'000'000);
  CHECK(ParseQuantity("1500m") == 2);
  CHECK(ParseQuantity("5e-1") == 1);
  CHECK(ParseQuantity("18E") == 18'000'000'000'000'000'000U);
  for (const char* wrong : {"", "M", "-1", "1.2.3", "1 M", "1KB", "20E", "1e19", "999999999999999999999", "1e", "1e+", "16Ei"}) {
    CAPTURE(wrong);
    CHECK(!ParseQuantity(wrong));
  }
}

}  // namespace
}  // namespace egressd::convert
