#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;

TEST_CASE("E201: one default gateway at most") {
  PolicySet set = Sound();
  Add(set, Gateway{.name = "other", .is_default = true, .nodes = {.names = {"gw2"}}});
  CHECK(Seen(set) == Texts{"E201 gateways.other.default"});
}

TEST_CASE("E101: the name of a gateway begins with a letter or digit") {
  PolicySet set = Sound();
  set.gateways["-edge"] = set.gateways["edge"];
  set.gateways.erase("edge");
  CHECK(Seen(set) == Texts{"E101 gateways.-edge"});
}

TEST_CASE("E115: a gateway selects nodes") {
  PolicySet set = Sound();
  set.gateways["edge"].nodes = {};
  CHECK(Seen(set) == Texts{"E115 gateways.edge.nodes"});
  set.gateways["edge"].nodes = {.names = {"gw1", ""}};
  CHECK(Seen(set) == Texts{"E115 gateways.edge.nodes[1]"});
}

TEST_CASE("E108: a requirement on a node's label has a value") {
  PolicySet set = Sound();
  set.gateways["edge"].nodes = {.labels = {{.key = "role", .op = Requirement::Operator::kNotIn}}};
  CHECK(Seen(set) == Texts{"E108 gateways.edge.nodes"});
}

TEST_CASE("E110: a gateway's interface is a device name") {
  PolicySet set = Sound();
  set.gateways["edge"].interface = "eth0/1";
  CHECK(Seen(set) == Texts{"E110 gateways.edge.interface"});
}

TEST_CASE("E204: a gateway's pool exists, and a name with a slip is recognised") {
  PolicySet set = Sound();
  set.gateways["edge"].pools = {"public", "publik"};
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E204 gateways.edge.pool[1]"});
  CHECK(findings[0].hint == "did you mean `public`?");
}

TEST_CASE("E206: a gateway's default egress IP is in its pools") {
  PolicySet set = Sound();
  set.gateways["edge"].default_ipv4 = A("203.0.113.99");
  set.gateways["edge"].default_ipv6 = A("2001:db8:1::99");
  CHECK(Seen(set) == Texts{"E206 gateways.edge.default_ip.ipv4", "E206 gateways.edge.default_ip.ipv6"});
  set.gateways["edge"].default_ipv4 = A("203.0.113.12");
  set.gateways["edge"].default_ipv6 = A("2001:db8:1::12");
  CHECK(Seen(set) == Texts{});
}

TEST_CASE("E206: an excluded address cannot be the default") {
  PolicySet set = Sound();
  set.gateways["edge"].default_ipv4 = A("203.0.113.12");
  set.pools["public"].exclude = {R("203.0.113.12")};
  CHECK(Seen(set) == Texts{"E206 gateways.edge.default_ip.ipv4"});
}

TEST_CASE("E103: a gateway's default addresses stand under their family") {
  PolicySet set = Sound();
  set.gateways["edge"].default_ipv6 = A("203.0.113.12");
  CHECK(Seen(set) == Texts{"E103 gateways.edge.default_ip.ipv6"});
}

TEST_CASE("E211: the default addresses of a pool of pairs are a pair") {
  PolicySet set = Sound();
  set.pools["public"].pair = true;
  set.gateways["edge"].default_ipv4 = A("203.0.113.12");
  set.gateways["edge"].default_ipv6 = A("2001:db8:1::11");
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E211 gateways.edge.default_ip.ipv6"});
  CHECK(findings[0].hint == "ipv6: \"2001:db8:1::12\"");
}

TEST_CASE("E221: a gateway lists a pool once") {
  PolicySet set = Sound();
  set.gateways["edge"].pools = {"public", "public"};
  CHECK(Seen(set) == Texts{"E221 gateways.edge.pool[1]"});
}

TEST_CASE("E222: a pool belongs to one gateway") {
  PolicySet set = Sound();
  Add(set, Gateway{.name = "other", .nodes = {.names = {"gw2"}}, .pools = {"public"}});
  set.policies["mailer"].gateway = "other";
  CHECK(Seen(set) == Texts{"E222 gateways.other.pool"});
}

TEST_CASE("W304: a gateway that no policy uses, unless it is the default one") {
  PolicySet set = Sound();
  Add(set, Gateway{.name = "other", .nodes = {.names = {"gw2"}}});
  CHECK(Seen(set) == Texts{"W304 gateways.other"});
  set.policies.clear();
  set.gateways.erase("other");
  CHECK(Seen(set) == Texts{});
}

}  // namespace egressd::policy
