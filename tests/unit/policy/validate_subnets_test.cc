#include "egressd/policy/limits.h"
#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;

namespace {

Prefix Router(std::string_view address, int length) { return {.address = A(address), .length = static_cast<std::uint8_t>(length)}; }

PolicySet Apart() {
  PolicySet set = Sound();
  set.pools["public"].subnet = Subnet{.ipv4 = Router("203.0.113.1", 24), .ipv6 = Router("2001:db8:1::1", 64), .vlan = 100};
  return set;
}

}  // namespace

TEST_CASE("a pool in a subnet of its own has no finding") {
  CHECK(Seen(Apart()) == Texts{});
  PolicySet set = Apart();
  set.pools["public"].subnet->ipv6 = Router("fe80::1", 64);
  CHECK(Seen(set) == Texts{});
}

TEST_CASE("E118: what cannot be a router, or a VLAN") {
  for (const char* address : {"127.0.0.1", "224.0.0.1", "0.0.0.0", "169.254.0.1"}) {
    PolicySet set = Apart();
    set.pools["public"].subnet->ipv4 = Router(address, 24);
    CHECK_MESSAGE(Seen(set) == Texts{"E118 pools.public.subnet.gateway"}, address);
  }
  PolicySet set = Apart();
  set.pools["public"].subnet->vlan = 4095;
  CHECK(Seen(set) == Texts{"E118 pools.public.subnet.vlan"});
}

TEST_CASE("E250: the addresses of a pool are in its subnet") {
  PolicySet set = Apart();
  set.pools["public"].subnet->ipv4 = Router("203.0.113.1", 29);
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E250 pools.public.ipv4[0]"});
  CHECK(findings[0].message == "203.0.113.10-203.0.113.13 is not in the pool's subnet 203.0.113.0/29");
}

TEST_CASE("E251: every family of the pool has a router, and no router is for nothing") {
  PolicySet set = Apart();
  set.pools["public"].subnet->ipv6.reset();
  CHECK(Seen(set) == Texts{"E251 pools.public.subnet.gateway"});
  set.pools["public"].ipv6.clear();
  CHECK(Seen(set) == Texts{});
  set.pools["public"].subnet->ipv6 = Router("2001:db8:1::1", 64);
  CHECK(Seen(set) == Texts{"E251 pools.public.subnet.gateway"});
}

TEST_CASE("E252: the router is no egress IP") {
  PolicySet set = Apart();
  set.pools["public"].subnet->ipv4 = Router("203.0.113.11", 24);
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E252 pools.public.subnet.gateway"});
  CHECK(findings[0].hint == "exclude: [203.0.113.11]");
}

TEST_CASE("E253: a node has room for so many subnets; pools in one and the same count once") {
  PolicySet set = Sound();
  const auto add = [&](int number, std::uint16_t vlan) {
    const std::string name = "p" + std::to_string(number), net = "198.51." + std::to_string(number) + ".";
    Add(set, Pool{.name = name, .ipv4 = {R(net + "10")}});
    set.pools[name].subnet = Subnet{.ipv4 = Router("198.51." + std::to_string(number) + ".1", 24), .vlan = vlan};
    set.gateways["edge"].pools.push_back(name);
  };
  for (int i = 0; i < static_cast<int>(kMostSubnets); ++i) add(i, 0);
  CHECK(Seen(set) == Texts{});
  add(99, 0);
  CHECK(Seen(set) == Texts{"E253 pools.p99.subnet"});
  set.pools["p99"] = {.name = "p99", .ipv4 = {R("198.51.0.20")}, .subnet = set.pools["p0"].subnet};
  CHECK(Seen(set) == Texts{});
}

}  // namespace egressd::policy
