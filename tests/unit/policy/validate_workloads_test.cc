#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;

TEST_CASE("E101: workloads have a name, a namespace and, if any, a node") {
  PolicySet set = Sound();
  set.workloads[""] = {.addresses = {A("10.1.7.21")}};
  set.workloads["mail"].namespace_ = "";
  set.workloads["mail"].node = "";
  CHECK(Seen(set) == Texts{"E101 workloads.", "E101 workloads.mail.namespace", "E101 workloads.mail.node"});
}

TEST_CASE("E102: workloads do not send from loopback, multicast, link-local or unspecified addresses") {
  for (const char* address : {"127.0.0.1", "224.0.0.5", "169.254.1.1", "0.0.0.0", "::1", "ff02::1", "fe80::1", "::"}) {
    PolicySet set = Sound();
    set.workloads["mail"].addresses.push_back(A(address));
    CHECK_MESSAGE(Seen(set) == Texts{"E102 workloads.mail.addresses[1]"}, address);
  }
}

TEST_CASE("E111: a workload has an address") {
  PolicySet set = Sound();
  set.workloads["mail"].addresses = {};
  CHECK(Seen(set) == Texts{"E111 workloads.mail"});
}

TEST_CASE("E215: two workloads do not share an address, unless they run on different nodes") {
  PolicySet set = Sound();
  Add(set, Workload{.name = "web", .addresses = {A("10.1.7.20")}});
  CHECK(Seen(set) == Texts{"E215 workloads.web.addresses[0]"});
  set.workloads["web"].node = "n1";
  CHECK(Seen(set) == Texts{"E215 workloads.web.addresses[0]"});
  set.workloads["mail"].node = "n2";
  CHECK(Seen(set) == Texts{});
}

TEST_CASE("E215: a workload lists an address once") {
  PolicySet set = Sound();
  set.workloads["mail"].addresses.push_back(A("10.1.7.20"));
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E215 workloads.mail.addresses[1]"});
  CHECK(findings[0].message == "10.1.7.20 is listed twice");
}

TEST_CASE("E223: a workload's address is no egress IP") {
  PolicySet set = Sound();
  set.workloads["mail"].addresses.push_back(A("203.0.113.12"));
  CHECK(Seen(set) == Texts{"E223 workloads.mail.addresses[1]"});
}

TEST_CASE("E101 and E114: destinations have a name and hold something") {
  PolicySet set = Sound();
  set.destinations["Saas"] = {};
  CHECK(Seen(set) == Texts{"E101 destinations.Saas", "E114 destinations.Saas", "W305 destinations.Saas"});
}

TEST_CASE("E213: references lead to destinations that exist") {
  PolicySet set = Sound();
  set.destinations["saas"] = {P("192.0.2.0/24"), std::string("cloud")};
  set.policies["mailer"].to = Reach::kListed;
  set.policies["mailer"].destinations = {std::string("saas"), std::string("sass")};
  set.policies["mailer"].except = {std::string("nothing-like-it")};
  const auto findings = Validate(set);
  CHECK(Seen(findings) == Texts{"E213 destinations.saas[1]", "E213 policies.mailer.to[1]", "E213 policies.mailer.except[0]"});
  CHECK(findings[1].hint == "did you mean `saas`?");
  CHECK(findings[2].hint == "there are: saas");
}

TEST_CASE("E214: destinations do not contain themselves, not even through others") {
  PolicySet set = Sound();
  set.destinations["a"] = {std::string("b")};
  set.destinations["b"] = {P("192.0.2.0/24"), std::string("c")};
  set.destinations["c"] = {std::string("a")};
  set.destinations["d"] = {std::string("d")};
  set.destinations["e"] = {P("192.0.2.0/24")};
  set.destinations["f"] = {std::string("e"), std::string("e")};
  set.policies["mailer"].except = {std::string("f")};
  CHECK(Seen(set) == Texts{"E214 destinations.a", "E214 destinations.b", "E214 destinations.c", "E214 destinations.d"});
}

TEST_CASE("W305: destinations that nothing refers to") {
  PolicySet set = Sound();
  set.destinations["saas"] = {P("192.0.2.0/24")};
  CHECK(Seen(set) == Texts{"W305 destinations.saas"});
}

}  // namespace egressd::policy
