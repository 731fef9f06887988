#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;

TEST_CASE("a sound set has no finding") { CHECK(Seen(Sound()) == Texts{}); }

TEST_CASE("an empty set has no finding") { CHECK(Seen(PolicySet{}) == Texts{}); }

TEST_CASE("every finding has a code, a message and a severity that fits the code") {
  PolicySet set = Sound();
  set.gateways["edge"].pools = {"publik"};
  set.pools["spare"] = {.name = "spare"};
  for (const Finding& finding : Validate(set)) {
    CHECK(finding.code.size() == 4);
    CHECK(!finding.message.empty());
    CHECK((finding.severity == Severity::kWarning) == finding.code.starts_with('W'));
  }
}

TEST_CASE("E101: the name of a pool is lower case") {
  PolicySet set = Sound();
  set.gateways["edge"].pools = {"Public"};
  set.pools["Public"] = set.pools["public"];
  set.pools.erase("public");
  CHECK(Seen(set) == Texts{"E101 pools.Public"});
}

TEST_CASE("E102: loopback, multicast, link-local and unspecified addresses are no egress IPs") {
  for (const char* range : {"127.0.0.1", "224.0.0.5", "169.254.1.1-169.254.1.3", "0.0.0.0", "255.255.255.255", "126.255.255.0-127.0.0.0"}) {
    PolicySet set = Sound();
    set.pools["public"].ipv4.push_back(R(range));
    CHECK_MESSAGE(Seen(set) == Texts{"E102 pools.public.ipv4[1]"}, range);
  }
  for (const char* range : {"::1", "ff02::1", "fe80::1", "::"}) {
    PolicySet set = Sound();
    set.pools["public"].ipv6.push_back(R(range));
    CHECK_MESSAGE(Seen(set) == Texts{"E102 pools.public.ipv6[1]"}, range);
  }
}

TEST_CASE("E103: IPv6 addresses do not stand in ipv4") {
  PolicySet set = Sound();
  set.pools["public"].ipv4.push_back(R("2001:db8:1::99"));
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E103 pools.public.ipv4[1]"});
  CHECK(findings[0].hint == "move it to `ipv6:`");
}

TEST_CASE("E112: a pool holds at least one address after exclusions") {
  PolicySet set = Sound();
  Add(set, Pool{.name = "gone", .ipv4 = {R("198.51.100.1")}, .exclude = {R("198.51.100.1")}});
  set.gateways["edge"].pools.push_back("gone");
  CHECK(Seen(set) == Texts{"E112 pools.gone"});
}

TEST_CASE("E207: no address is in two pools") {
  PolicySet set = Sound();
  Add(set, Pool{.name = "second", .ipv4 = {R("203.0.113.13-203.0.113.20")}});
  set.gateways["edge"].pools.push_back("second");
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E207 pools.second"});
  CHECK(findings[0].message == "203.0.113.13 is in the pools public and second");
  CHECK(findings[0].hint == "exclude: [203.0.113.13]");
}

TEST_CASE("E207 sees a small pool inside of a big one") {
  PolicySet set = Sound();
  Add(set, Pool{.name = "big", .ipv4 = {R("198.51.100.0-198.51.100.255")}});
  Add(set, Pool{.name = "small", .ipv4 = {R("198.51.100.7")}});
  Add(set, Pool{.name = "tiny", .ipv4 = {R("198.51.100.99")}});
  set.gateways["edge"].pools = {"public", "big", "small", "tiny"};
  CHECK(Seen(set) == Texts{"E207 pools.small", "E207 pools.tiny"});
}

TEST_CASE("an excluded address may be in another pool") {
  PolicySet set = Sound();
  set.pools["public"].exclude = {R("203.0.113.13")};
  Add(set, Pool{.name = "second", .ipv4 = {R("203.0.113.13-203.0.113.20")}});
  set.gateways["edge"].pools.push_back("second");
  CHECK(Seen(set) == Texts{});
}

TEST_CASE("E208: the ranges of a pool do not overlap") {
  PolicySet set = Sound();
  set.pools["public"].ipv4 = {R("203.0.113.0-203.0.113.40"), R("203.0.113.50"), R("203.0.113.30"), R("203.0.113.40-203.0.113.41")};
  CHECK(Seen(set) == Texts{"E208 pools.public.ipv4[2]", "E208 pools.public.ipv4[3]"});
}

TEST_CASE("E209: what is excluded is inside of the pool") {
  PolicySet set = Sound();
  set.pools["public"].exclude = {R("203.0.113.12"), R("203.0.113.99")};
  CHECK(Seen(set) == Texts{"E209 pools.public.exclude[1]"});
}

TEST_CASE("E210: a pool of pairs has as many IPv4 as IPv6 addresses") {
  PolicySet set = Sound();
  set.pools["public"].pair = true;
  CHECK(Seen(set) == Texts{});
  set.pools["public"].exclude = {R("203.0.113.12")};
  CHECK(Seen(set) == Texts{"E210 pools.public.pair"});
}

TEST_CASE("E216: pools and workloads are outside of the tunnel network") {
  PolicySet set = Sound();
  set.pools["public"].ipv4.push_back(R("198.19.0.7"));
  set.workloads["mail"].addresses.push_back(A("fd65:6772:6573:7300::5"));
  CHECK(Seen(set) == Texts{});
  CHECK(Seen(set, {.tunnel = NodeConfig::Tunnel()}) == Texts{"E216 workloads.mail.addresses[1]", "E216 pools.public.ipv4[1]"});
}

TEST_CASE("E217: a pool does not hold a node's own address") {
  const Surroundings around{.node_addresses = {A("203.0.113.11"), A("192.0.2.11"), A("203.0.113.11")}};
  const auto findings = Validate(Sound(), around);
  CHECK(Seen(findings) == Texts{"E217 pools.public"});
  CHECK(findings[0].hint == "exclude: [203.0.113.11]");
}

TEST_CASE("E218: the tunnel network is none that the node has a route to") {
  const Surroundings around{.routes = {P("0.0.0.0/0"), P("10.0.0.0/8"), P("198.18.0.0/15")}, .tunnel = NodeConfig::Tunnel()};
  CHECK(Seen(Sound(), around) == Texts{"E218"});
}

TEST_CASE("W306: internal networks that overlap the tunnel network are worth a look") {
  PolicySet set = Sound();
  set.internal = {P("10.0.0.0/8"), P("198.18.0.0/15")};
  CHECK(Seen(set) == Texts{});
  CHECK(Seen(set, {.tunnel = NodeConfig::Tunnel()}) == Texts{"W306 internal[1]"});
}

TEST_CASE("a pool inside of an internal network is fine") {
  PolicySet set = Sound();
  set.internal = {P("203.0.113.0/24")};
  CHECK(Seen(set) == Texts{});
}

TEST_CASE("W303: a pool that no gateway uses") {
  PolicySet set = Sound();
  Add(set, Pool{.name = "spare", .ipv4 = {R("198.51.100.1")}});
  CHECK(Seen(set) == Texts{"W303 pools.spare"});
}

}  // namespace egressd::policy
