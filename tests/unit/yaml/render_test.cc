#include <doctest/doctest.h>

#include "expect.h"

namespace egressd::yaml {
namespace {

std::string RenderFirst(std::string_view text) { return Render(FirstInPolicy(text), text, false); }

TEST_CASE("a finding shows its place, the line, a caret, the path and the hint") {
  CHECK(RenderFirst("version: 1\npolicies:\n  mailer:\n    from: {all: true}\n    destSubnet: [192.0.2.0/24]\n") ==
        "policy.yaml:5:5: error[E008]: unknown key `destSubnet` in a policy\n"
        "   |\n"
        " 5 |     destSubnet: [192.0.2.0/24]\n"
        "   |     ^^^^^^^^^^\n"
        "   = at:   policies.mailer.destSubnet\n"
        "   = help: it is spelled `to` here\n");
}

TEST_CASE("the caret underlines the value, quoted or not, and counts characters") {
  CHECK(RenderFirst("version: 1\ninternal: [nope, 10.0.0.0/8]\n").contains("\n   |            ^^^^\n"));
  CHECK(RenderFirst("version: 1\ninternal: [\"a b\", 10.0.0.0/8]\n").contains("\n   |            ^^^^^\n"));
  CHECK(RenderFirst("version: 1\ninternal: nope at all  # why\n").contains("\n   |           ^^^^^^^^^^^\n"));
  CHECK(RenderFirst("version: 1\n\"\xc3\xb6\xc3\xb6\": 1\n").contains("\n   | ^^^^\n"));
}

TEST_CASE("a tab in the line takes one column") {
  CHECK(RenderFirst("{\"version\": 1,\n\t\"x\": 1}\n").contains(" 2 |  \"x\": 1}\n   |  ^^^\n"));
}

TEST_CASE("a long line is shown around the fault") {
  std::string text = "version: 1\ninternal: [";
  for (int i = 0; i < 100; ++i) text += "10.0.0.0/8, ";
  text += "nope, ";
  for (int i = 0; i < 100; ++i) text += "10.0.0.0/8, ";
  text += "10.0.0.0/8]\n";
  const std::string rendered = RenderFirst(text);
  CHECK(rendered.contains("policy.yaml:2:1212: error[E150]"));
  CHECK(rendered.contains("nope"));
  CHECK(rendered.contains("…"));
  CHECK(rendered.size() < 800);
}

TEST_CASE("a finding without a place has no snippet, warnings say so, colour is colour") {
  policy::Finding finding{
      .severity = policy::Severity::kWarning, .code = "W301", .message = "something", .hint = "do that", .file = "a.yaml"};
  CHECK(Render(finding, "version: 1\n", false) == "a.yaml: warning[W301]: something\n   = help: do that\n");
  CHECK(Render(finding, "", true).contains("\x1b[1;33mwarning[W301]\x1b[0m"));
  finding.line = 99;
  finding.column = 7;
  CHECK(Render(finding, "version: 1\n", false) == "a.yaml:99:7: warning[W301]: something\n   = help: do that\n");
}

TEST_CASE("findings from elsewhere are located by their path") {
  constexpr std::string_view kText = R"(version: 1
gateways:
  edge: {nodes: [gw1], pool: public}
policies:
  a.b:
    from: {cidr: [172.18.0.0/16]}
    ports: [tcp/25, tcp/26]
  a:
    from:
      - {labels: {app.kubernetes.io/name: web}}
)";
  std::vector<policy::Finding> findings;
  for (const char* path : {"policies.a.b.ports[1]", "policies.a.from[0].labels.app.kubernetes.io/name", "policies.a.b.from[0].cidr[0]",
                           "gateways.edge.pool[0]", "policies.a.b", "policies.a.gateway", "policies.a.from[7]", "nowhere", ""}) {
    findings.push_back({.code = "E999", .path = path});
  }
  Locate(findings, kText, "p.yaml");
  Places places;
  for (const policy::Finding& finding : findings) places.push_back(std::format("{}:{}", finding.line, finding.column));
  CHECK(places == Places{"7:21", "10:43", "6:19", "3:30", "5:3", "8:3", "9:5", "1:1", "1:1"});
  CHECK(findings[0].file == "p.yaml");
}

TEST_CASE("locating in a broken text gives the file only") {
  std::vector<policy::Finding> findings{{.code = "E999", .path = "policies.a"}};
  Locate(findings, "a: [", "p.yaml");
  CHECK(findings[0].file == "p.yaml");
  CHECK(findings[0].line == 0);
}

}  // namespace
}  // namespace egressd::yaml
