#include "ctl/merge.h"

#include <doctest/doctest.h>

using namespace egressd;
using ctl::Merge;
using ctl::SourceFile;

TEST_CASE("one file stays as it is") {
  const std::vector<SourceFile> files{{"a.yaml", "version: 1\r\n# comment\npolicies: {}"}};
  const auto merged = Merge(files);
  CHECK(merged.text == files[0].text);
  CHECK(merged.findings.empty());
}

TEST_CASE("maps of several files become one, whatever their indentation") {
  const auto merged = Merge({{"a.yaml", "version: 1\npools:\n  public:\n    ipv4: [192.0.2.1]\npolicies:\n  one:\n    to: any\n"},
                             {"b.yaml", "---\nversion: 1\npolicies:   # more\n    two:\n        to: any\n"}});
  CHECK(merged.findings.empty());
  CHECK(merged.text == "version: 1\npools:\n  public:\n    ipv4: [192.0.2.1]\npolicies:\n  one:\n    to: any\n  two:\n      to: any\n");
}

TEST_CASE("a finding about the merged text points at the file that the line came from") {
  const std::vector<SourceFile> files{{"a.yaml", "version: 1\npolicies:\n  one:\n    to: any\n"},
                                      {"b.yaml", "policies:\n    two:\n        too: any\n"}};
  const auto merged = Merge(files);
  policy::Finding finding{.file = "merged", .line = 6, .column = 7};
  ctl::TraceBack(finding, merged, files);
  CHECK(finding.file == "b.yaml");
  CHECK(finding.line == 3);
  CHECK(finding.column == 9);
}

TEST_CASE("what is no map may stand in one file only") {
  const auto merged = Merge({{"a.yaml", "internal: [10.0.0.0/8]\n"}, {"b.yaml", "# mine\ninternal: [192.168.0.0/16]\n"}});
  REQUIRE(merged.findings.size() == 1);
  CHECK(merged.findings[0].file == "b.yaml");
  CHECK(merged.findings[0].line == 2);
  CHECK(merged.findings[0].message == "`internal` stands in a.yaml:1 already");
}

TEST_CASE("a map in flow style is not merged but reported") {
  CHECK(Merge({{"a.yaml", "pools: {a: {ipv4: [192.0.2.1]}}\n"}, {"b.yaml", "pools:\n  b: {}\n"}}).findings.size() == 1);
  CHECK(Merge({{"a.yaml", "pools:\n  b: {}\n"}, {"b.yaml", "{pools: {}}\n"}}).findings.size() == 1);
}
