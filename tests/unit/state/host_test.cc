#include <doctest/doctest.h>

#include "egressd/state/host.h"

namespace egressd::state {
namespace {

IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }

Host Sample() {
  Host host;
  host.devices = {{.name = "eth0", .addresses = {{Ip("fe80::1"), 64}, {Ip("192.0.2.1"), 24}, {Ip("2001:db8::1"), 64}}},
                  {.name = "eth1", .addresses = {{Ip("192.0.2.129"), 25}}},
                  {.name = "lo", .loopback = true, .addresses = {{Ip("127.0.0.1"), 8}, {Ip("192.0.2.200"), 32}}}};
  const Prefix any = Prefix::Parse("0.0.0.0/0").value();
  host.routes = {{.destination = any, .device = "eth1", .metric = 100}, {.destination = any, .device = "eth0", .metric = 10}};
  return host;
}

}  // namespace

TEST_CASE("the default route with the lowest metric counts, per family") {
  const Host host = Sample();
  REQUIRE(host.DefaultRoute(Family::kIpv4) != nullptr);
  CHECK(host.DefaultRoute(Family::kIpv4)->device == "eth0");
  CHECK(host.DefaultRoute(Family::kIpv6) == nullptr);
}

TEST_CASE("an address faces the device with the longest connected prefix, never the loopback") {
  const Host host = Sample();
  CHECK(host.DeviceFacing(Ip("192.0.2.5"))->name == "eth0");
  CHECK(host.DeviceFacing(Ip("192.0.2.200"))->name == "eth1");
  CHECK(host.DeviceFacing(Ip("2001:db8::9"))->name == "eth0");
  CHECK(host.DeviceFacing(Ip("198.51.100.1")) == nullptr);
}

TEST_CASE("the first address of a device that others can use, link-local ones left out") {
  const Host host = Sample();
  CHECK(host.AddressOn("eth0", Family::kIpv6) == Ip("2001:db8::1"));
  CHECK(host.AddressOn("eth0", Family::kIpv4) == Ip("192.0.2.1"));
  CHECK_FALSE(host.AddressOn("eth1", Family::kIpv6).has_value());
  CHECK_FALSE(host.AddressOn("eth9", Family::kIpv4).has_value());
  CHECK(host.Device("eth9") == nullptr);
}

}  // namespace egressd::state
