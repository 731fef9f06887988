// What policy::Validate finds arrives with line and column, beside what reading finds.
#include <doctest/doctest.h>

#include <algorithm>

#include "expect.h"

namespace egressd::yaml {
namespace {

std::vector<std::string> Codes(std::string_view text) {
  std::vector<std::string> codes;
  for (const policy::Finding& finding : ParsePolicy(text, "policy.yaml").findings) codes.push_back(finding.code);
  return codes;
}

const policy::Finding* WithCode(const std::vector<policy::Finding>& findings, std::string_view code) {
  const auto found = std::ranges::find(findings, code, &policy::Finding::code);
  return found == findings.end() ? nullptr : &*found;
}

constexpr std::string_view kGateway =
    "version: 1\npools: {a: {ipv4: [203.0.113.10-203.0.113.12]}}\ngateways: {g: {default: true, nodes: [n], pool: a}}\n";

TEST_CASE("a contradiction is located") {
  const std::string text = std::string(kGateway) + "policies:\n  p:\n    from: {all: true}\n    egress_ip: 203.0.113.99\n";
  const auto findings = ParsePolicy(text, "policy.yaml").findings;
  const policy::Finding* finding = WithCode(findings, "E212");
  REQUIRE(finding != nullptr);
  CHECK(finding->file == "policy.yaml");
  CHECK(finding->line == 7);
  CHECK(finding->column == 16);
}

TEST_CASE("a policy without `from` is an error at its name") {
  const auto findings = ParsePolicy(std::string(kGateway) + "policies:\n  p:\n    priority: 5\n", "policy.yaml").findings;
  const policy::Finding* finding = WithCode(findings, "E106");
  REQUIRE(finding != nullptr);
  CHECK(finding->line == 5);
  CHECK(finding->column == 3);
}

TEST_CASE("findings of both kinds come in order of line") {
  const auto findings =
      ParsePolicy(std::string(kGateway) +
                      "policies:\n  p:\n    from: {all: true}\n    gateway: nix\n  q:\n    from: {all: true}\n    source: 5\n",
                  "policy.yaml")
          .findings;
  CHECK(WithCode(findings, "E202") != nullptr);
  CHECK(WithCode(findings, "E152") != nullptr);
  CHECK(std::ranges::is_sorted(findings, {}, [](const policy::Finding& finding) { return std::pair(finding.line, finding.column); }));
}

TEST_CASE("what only follows from an unreadable value is not reported as well") {
  CHECK(Codes(std::string(kGateway) + "policies:\n  p:\n    from: {cidr: [bad]}\n") == std::vector<std::string>{"E150"});
  CHECK(Codes(std::string(kGateway) + "policies:\n  p:\n    form: {all: true}\n") == std::vector<std::string>{"E008"});
  CHECK(Codes("version: 1\npools: {a: {ipv4: [203.0.113.10-203.0.13.12]}}\ngateways: {g: {default: true, nodes: [n], pool: a}}\n"
              "policies:\n  p:\n    from: {all: true}\n    egress_ip: 203.0.113.11\n") == std::vector<std::string>{"E150"});
}

}  // namespace
}  // namespace egressd::yaml
