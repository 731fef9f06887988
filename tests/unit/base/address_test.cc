#include "egressd/base/address.h"

#include <doctest/doctest.h>

using namespace egressd;

namespace {
IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }
Prefix Net(std::string_view text) { return Prefix::Parse(text).value(); }
}  // namespace

TEST_CASE("an address parses, prints and keeps its family") {
  CHECK(Ip("192.0.2.1").ToString() == "192.0.2.1");
  CHECK(Ip("2001:DB8::1").ToString() == "2001:db8::1");
  CHECK(Ip("192.0.2.1").family() == Family::kIpv4);
  CHECK(Ip("::").family() == Family::kIpv6);
  CHECK(Ip("192.0.2.1").ipv4_host_order() == 0xc0000201);
}

TEST_CASE("what is not an address is refused by name") {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "::ffff:192.0.2.1", "fe80::1%eth0",
                           " 1.2.3.4", "1.2.3.4 ", "g::"}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::Parse(text));
  }
  CHECK_FALSE(IpAddress::Parse(std::string_view("1.2.3.4\0x", 9)));
}

TEST_CASE("IPv4 sorts before IPv6, then by value") {
  CHECK(Ip("255.255.255.255") < Ip("::"));
  CHECK(Ip("9.0.0.0") < Ip("10.0.0.0"));
}

TEST_CASE("addresses count on over byte borders and stop at the end") {
  CHECK(Ip("192.0.2.255").Next() == Ip("192.0.3.0"));
  CHECK(Ip("192.0.3.0").Previous() == Ip("192.0.2.255"));
  CHECK(Ip("2001:db8::ffff:ffff").Plus(2) == Ip("2001:db8::1:0:1"));
  CHECK(Ip("255.255.255.255").Next() == std::nullopt);
  CHECK(Ip("0.0.0.0").Previous() == std::nullopt);
  CHECK(Ip("0.0.0.0").Plus(0x100000000) == std::nullopt);
}

TEST_CASE("a prefix refuses host bits and names the right one") {
  CHECK(Net("10.0.0.0/8").ToString() == "10.0.0.0/8");
  CHECK(Net("10.1.2.3").ToString() == "10.1.2.3/32");
  CHECK(Prefix::Parse("10.0.0.1/8").error().message.contains("did you mean 10.0.0.0/8?"));
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "::/129"}) CHECK_FALSE(Prefix::Parse(text));
}

TEST_CASE("prefixes contain and overlap") {
  CHECK(Net("10.0.0.0/8").Contains(Ip("10.255.0.1")));
  CHECK_FALSE(Net("10.0.0.0/8").Contains(Ip("11.0.0.0")));
  CHECK_FALSE(Net("0.0.0.0/0").Contains(Ip("::1")));
  CHECK(Net("10.0.0.0/8").Overlaps(Net("10.1.0.0/16")));
  CHECK(Net("10.1.0.0/16").Overlaps(Net("10.0.0.0/8")));
  CHECK_FALSE(Net("10.1.0.0/16").Overlaps(Net("10.2.0.0/16")));
  CHECK(Net("2001:db8::/33").Last() == Ip("2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"));
}

TEST_CASE("ranges parse in three spellings and count") {
  CHECK(AddressRange::Parse("203.0.113.10-203.0.113.19").value().Count() == 10);
  CHECK(AddressRange::Parse("203.0.113.32/29").value().Count() == 8);
  CHECK(AddressRange::Parse("203.0.113.50").value().Count() == 1);
  CHECK(AddressRange::Parse("::/0").value().Count() == UINT64_MAX);
  CHECK(AddressRange::Parse("2001:db8::/64").value().Count() == UINT64_MAX);
  CHECK(AddressRange::Parse("10.0.0.9-10.0.0.1").error().message.contains("ends before it starts"));
  CHECK(AddressRange::Parse("10.0.0.1-2001:db8::1").error().message.contains("mixes"));
}

TEST_CASE("MAC addresses go both ways") {
  CHECK(MacAddress::Parse("02:00:5e:10:00:FF").value().ToString() == "02:00:5e:10:00:ff");
  for (const char* text : {"", "02:00:5e:10:00", "02-00-5e-10-00-ff", "0g:00:5e:10:00:ff"}) CHECK_FALSE(MacAddress::Parse(text));
}

TEST_CASE("endpoints take a default port and brackets") {
  CHECK(Endpoint::Parse("192.0.2.1", 7947).value().ToString() == "192.0.2.1:7947");
  CHECK(Endpoint::Parse("192.0.2.1:80", 7947).value().port == 80);
  CHECK(Endpoint::Parse("[2001:db8::3]:81", 7947).value().ToString() == "[2001:db8::3]:81");
  CHECK(Endpoint::Parse("2001:db8::3", 7947).value().port == 7947);
  for (const char* text : {"", ":80", "192.0.2.1:0", "192.0.2.1:", "[2001:db8::3", "[2001:db8::3]80", "[2001:db8::3]:",
                           "192.0.2.1:65536", "host:80"}) {
    CAPTURE(text);
    CHECK_FALSE(Endpoint::Parse(text, 7947));
  }
  CHECK_FALSE(Endpoint::Parse("192.0.2.1", 0));
}
