// What policies refer to: pools and their subnets, gateways, namespaces.
#include <doctest/doctest.h>

#include "expect.h"

namespace egressd::yaml {
namespace {

TEST_CASE("a subnet: a router and a length for each family, and a VLAN") {
  const auto parsed = ParsePolicy(
      "version: 1\npools:\n  a: {ipv4: [203.0.113.9], ipv6: [\"2001:db8::9\"], subnet: {gateway: {ipv4: 203.0.113.1, ipv6: "
      "\"2001:db8::1\"}, prefix: {ipv4: 24, ipv6: 64}, vlan: 100}}\n  b: {ipv6: [\"2001:db8:1::9\"], subnet: {gateway: \"fe80::1\", "
      "prefix: 64}}\n  c: {ipv4: [192.0.2.1]}\n",
      "");
  CHECK(parsed.ok());
  const policy::Subnet expected{.ipv4 = Prefix{.address = *IpAddress::Parse("203.0.113.1"), .length = 24},
                                .ipv6 = Prefix{.address = *IpAddress::Parse("2001:db8::1"), .length = 64},
                                .vlan = 100};
  CHECK(parsed.value.pools.at("a").subnet == expected);
  CHECK(parsed.value.pools.at("b").subnet->ipv6 == Prefix{.address = *IpAddress::Parse("fe80::1"), .length = 64});
  CHECK_FALSE(parsed.value.pools.at("c").subnet.has_value());
}

TEST_CASE("pools and gateways") {
  const auto pool = [](std::string_view body) { return PolicyPlaces(std::format("version: 1\npools:\n  a: {}\n", body)); };
  CHECK(pool("{ipv4: [\"2001:db8::1\"]}") == Places{"3:14 E150"});
  CHECK(pool("{ipv6: [203.0.113.1]}") == Places{"3:14 E150"});
  CHECK(pool("{ipv4: [203.0.113.9-203.0.113.1]}") == Places{"3:14 E150"});
  CHECK(pool("{ipv4: 203.0.113.1}").empty());
  CHECK(pool("{ipv4: [203.0.113.1], pair: maybe}") == Places{"3:34 E152"});
  CHECK(pool("[203.0.113.1]") == Places{"3:3 E007"});
  const auto subnet = [&](std::string_view body) { return pool(std::format("{{ipv4: [203.0.113.9], subnet: {}}}", body)); };
  CHECK(subnet("{gateway: 203.0.113.1, prefix: 24}").empty());
  CHECK(subnet("{gateway: 203.0.113.1, prefix: 24, vlan: 4094}").empty());
  CHECK(subnet("{gateway: {ipv4: 203.0.113.1}, prefix: {ipv4: 24}}").empty());
  CHECK(subnet("203.0.113.1/24") == Places{"3:36 E007"});
  CHECK(subnet("{gateway: 203.0.113.1}") == Places{"3:28 E013"});
  CHECK(subnet("{prefix: 24}") == Places{"3:28 E013"});
  CHECK(subnet("{gateway: 203.0.113.1, prefix: 33}") == Places{"3:67 E151"});
  CHECK(subnet("{gateway: 203.0.113.1, prefix: 24, vlan: 4095}") == Places{"3:77 E151"});
  CHECK(subnet("{gateway: 203.0.113.1, prefix: 24, vlan: 0}") == Places{"3:77 E151"});
  CHECK(subnet("{gateway: 203.0.113.1, prefix: {ipv4: 24, ipv6: 64}}") == Places{"3:84 E013"});
  CHECK(subnet("{gateway: 203.0.113.1, prefix: 24, router: 1}") == Places{"3:71 E008"});
  const std::string both =
      "{ipv4: [203.0.113.9], ipv6: [\"2001:db8::9\"], subnet: {gateway: {ipv4: 203.0.113.1, ipv6: \"2001:db8::1\"}, prefix: ";
  CHECK(pool(both + "{ipv4: 24, ipv6: 64}}}").empty());
  CHECK(pool(both + "24}}").front().ends_with(" E007"));
  CHECK(pool(both + "{ipv4: 24}}}").front().ends_with(" E013"));
  const auto gateway = [](std::string_view body) {
    return PolicyPlaces(std::format("version: 1\ngateways:\n  a: {{nodes: [gw1], {}}}\n", body));
  };
  CHECK(gateway("announce: l3") == Places{"3:31 E152"});
  CHECK(gateway("announce: bgp") == Places{});
  CHECK(gateway("pool: {a: b}") == Places{"3:21 E007"});
  CHECK(gateway("default_ip: 203.0.113.1").empty());
  CHECK(PolicyPlaces("version: 1\ngateways:\n  self: {nodes: [a]}\n") == Places{"3:3 E155"});
  CHECK(PolicyPlaces("version: 1\ngateways:\n  a: {nodes: {names: [a]}}\n") == Places{"3:15 E008"});
  CHECK(PolicyPlaces("version: 1\ngateways:\n  a: {nodes: {labels: {}}}\n") == Places{"3:15 E014"});
  CHECK(PolicyPlaces("version: 1\ngateways:\n  a: {nodes: [no]}\n") == Places{"3:15 E012"});
}

TEST_CASE("namespaces have labels and a gateway") {
  const std::string text = "version: 1\nnamespaces: {shop: {labels: {env: prod}, gateway: edge}, bare: {}}\n";
  const policy::PolicySet set = ParsePolicy(text, "policy.yaml").value;
  CHECK(set.namespaces.at("shop").labels == policy::Labels{{"env", "prod"}});
  CHECK(set.namespaces.at("shop").gateway == "edge");
  CHECK(set.namespaces.at("bare") == policy::Namespace{.name = "bare", .labels = {}, .gateway = {}});
  CHECK(ParsePolicy(text, "policy.yaml").findings.front().code == "E202");
  CHECK(PolicyPlaces("version: 1\nnamespaces: {shop: {gatewy: edge}}\n") == Places{"2:21 E008"});
}

}  // namespace
}  // namespace egressd::yaml
