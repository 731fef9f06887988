#include <doctest/doctest.h>

#include "expect.h"
#include "yaml/scalar.h"

namespace egressd::yaml {
namespace {

std::string HintFor(std::string_view key) { return FirstInPolicy(PolicyWith(std::format("{}: x", key))).hint; }

TEST_CASE("unknown keys come with a guess") {
  CHECK(PolicyPlaces(PolicyWith("prioritty: 5")) == Places{"5:5 E008"});
  CHECK(HintFor("prioritty") == "did you mean `priority`?");
  CHECK(HintFor("egress_pi") == "did you mean `egress_ip`?");
  CHECK(HintFor("actoin") == "did you mean `action`?");
  CHECK(HintFor("zzzzzzzz").starts_with("known keys are description, namespace, priority"));
  CHECK(FirstInPolicy("version: 1\npolicys: {}\n").hint == "did you mean `policies`?");
}

TEST_CASE("words of other systems are known") {
  CHECK(HintFor("destSubnet") == "it is spelled `to` here");
  CHECK(HintFor("destinationCIDRs") == "it is spelled `to` here");
  CHECK(HintFor("excludedCIDRs") == "it is spelled `except` here");
  CHECK(HintFor("egressGatewayName") == "it is spelled `gateway` here");
  CHECK(HintFor("egressIP") == "it is spelled `egress_ip` here");
  CHECK(HintFor("ip") == "it is spelled `egress_ip` here");
  CHECK(HintFor("podSelector") == "here it is written as `from: {labels: {app: web}}`");
  CHECK(FirstInPolicy(PolicyFrom("{podSubnet: [10.0.0.0/8]}")).hint == "it is spelled `cidr` here");
  CHECK(FirstInPolicy("apiVersion: egressgateway.spidernet.io/v1beta1\nversion: 1\n").hint.contains("Kubernetes manifest"));
}

TEST_CASE("what later builds will do is refused, never ignored") {
  CHECK(NodePlaces("node: {address: [192.0.2.1, 192.0.2.2]}\n") == Places{"1:8 E010"});
}

TEST_CASE("scalars look like what the parsers of this world make of them") {
  CHECK(LooksLike("abc") == Looks::kText);
  CHECK(LooksLike("10.0.0.1") == Looks::kText);
  CHECK(LooksLike("7a") == Looks::kText);
  CHECK(LooksLike("") == Looks::kText);
  CHECK(LooksLike("-") == Looks::kText);
  CHECK(LooksLike("e3") == Looks::kText);
  CHECK(LooksLike("2001:db8::1") == Looks::kText);
  CHECK(LooksLike("12:60") == Looks::kText);
  CHECK(LooksLike("0") == Looks::kInteger);
  CHECK(LooksLike("7946") == Looks::kInteger);
  CHECK(LooksLike("00") == Looks::kOctal);
  CHECK(LooksLike("-010") == Looks::kOctal);
  CHECK(LooksLike("0o17") == Looks::kOctal);
  CHECK(LooksLike("0xFF") == Looks::kHex);
  CHECK(LooksLike("0b101") == Looks::kHex);
  CHECK(LooksLike("-3") == Looks::kSigned);
  CHECK(LooksLike("1.") == Looks::kFloat);
  CHECK(LooksLike(".5") == Looks::kFloat);
  CHECK(LooksLike("-1E-3") == Looks::kFloat);
  CHECK(LooksLike(".inf") == Looks::kFloat);
  CHECK(LooksLike("190:20:30") == Looks::kSexagesimal);
  CHECK(LooksLike("1_0") == Looks::kUnderscores);
  CHECK(LooksLike("false") == Looks::kBoolean);
  CHECK(LooksLike("FALSE") == Looks::kOldBoolean);
  CHECK(LooksLike("oN") == Looks::kOldBoolean);
}

}  // namespace
}  // namespace egressd::yaml
