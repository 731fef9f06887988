#include <doctest/doctest.h>

#include "expect.h"

namespace egressd::yaml {
namespace {

TEST_CASE("an empty policy file is an error, an empty node file is all defaults") {
  CHECK(PolicyPlaces("") == Places{"1:1 E001"});
  CHECK(PolicyPlaces("# nothing\n\n") == Places{"1:1 E001"});
  CHECK(PolicyPlaces("---\n") == Places{"1:1 E001"});
  CHECK(WorkloadPlaces("\n") == Places{"1:1 E001"});
  CHECK(NodePlaces("").empty());
  CHECK(NodePlaces("# version: 1\n").empty());
}

TEST_CASE("a policy file says its version") {
  CHECK(PolicyPlaces("version: 1\n").empty());
  CHECK(PolicyPlaces("policies: {}\n") == Places{"1:1 E006"});
  CHECK(PolicyPlaces("version: 2\n") == Places{"1:10 E006"});
  CHECK(PolicyPlaces("version: \"1\"\n") == Places{"1:10 E006"});
  CHECK(PolicyPlaces("version: 1.0\n") == Places{"1:10 E006"});
  CHECK(PolicyPlaces("version: 01\n") == Places{"1:10 E006"});
  CHECK(PolicyPlaces("version:\n") == Places{"1:1 E006"});
  CHECK(NodePlaces("version: 2\n") == Places{"1:10 E006"});
}

TEST_CASE("a document that is no map is refused") {
  CHECK(PolicyPlaces("hello\n") == Places{"1:1 E007"});
  CHECK(PolicyPlaces("- a\n- b\n") == Places{"1:1 E007"});
  CHECK(PolicyPlaces("version:1\n") == Places{"1:1 E007"});
  CHECK(FirstInPolicy("version:1\n").hint.contains("space"));
}

TEST_CASE("broken YAML is found where it breaks") {
  CHECK(PolicyPlaces("version: 1\npools: [\n") == Places{"3:1 E002"});
  CHECK(PolicyPlaces("version: 1\npools: {a: b: c}\n").front().ends_with("E002"));
  CHECK(PolicyPlaces("version: 1\ninternal: [@saas]\n") == Places{"2:12 E002"});
  CHECK(FirstInPolicy("version: 1\ninternal: [@saas]\n").hint.contains("quote"));
  CHECK(PolicyPlaces("version: 1\ninternal: *nowhere\n") == Places{"2:11 E002"});
}

TEST_CASE("only one document is read") {
  CHECK(PolicyPlaces("version: 1\n---\nversion: 1\n") == Places{"2:1 E005"});
  CHECK(PolicyPlaces("---\nversion: 1\n...\n").empty());
}

TEST_CASE("bytes that are not UTF-8 and control characters are refused") {
  CHECK(PolicyPlaces("version: 1\n# \xff\n") == Places{"2:3 E003"});
  CHECK(PolicyPlaces("version: 1\n# \xc0\xaf\n") == Places{"2:3 E003"});
  CHECK(PolicyPlaces("version: 1\n# \xed\xa0\x80\n") == Places{"2:3 E003"});
  CHECK(PolicyPlaces("version: 1\n# \xe2\x82") == Places{"2:3 E003"});
  CHECK(PolicyPlaces(std::string_view("version: 1\0\n", 12)) == Places{"1:11 E003"});
  CHECK(PolicyPlaces("version: 1\n# \x1b[31m\n") == Places{"2:3 E003"});
  CHECK(PolicyPlaces("version: 1\rpolicies: {}\n") == Places{"1:11 E003"});
}

TEST_CASE("a byte order mark and DOS line ends are read") {
  CHECK(PolicyPlaces("\xef\xbb\xbfversion: 1\r\npolicies: {}\r\n").empty());
  CHECK(PolicyPlaces("\xef\xbb\xbfversion: 2\r\n") == Places{"1:10 E006"});
}

TEST_CASE("columns count characters, not bytes") {
  CHECK(PolicyPlaces("version: 1\npolicies: {p: {description: \"größe\", from: {cidr: [zzz]}}}\n") == Places{"2:52 E150"});
}

TEST_CASE("tabs in the indentation are all reported, JSON may have them") {
  CHECK(PolicyPlaces("version: 1\npolicies:\n\tp:\n  \tq:\n") == Places{"3:1 E015", "4:3 E015"});
  CHECK(PolicyPlaces("{\n\t\"version\": 1,\n\t\"policies\": {}\n}\n").empty());
  CHECK(PolicyPlaces("version: 1\n\t# a comment\n\t\n") == Places{"2:1 E015", "3:1 E015"});
  CHECK(PolicyPlaces("version: 1 # a\tb\t\n").empty());
}

TEST_CASE("JSON is YAML") {
  const auto parsed =
      ParseWorkloads(R"({"workloads":{"erp":{"addresses":["10.1.7.20","2001:db8::20"],"labels":{"app":"erp"}}}})", "erp.json");
  CHECK(parsed.findings.empty());
  REQUIRE(parsed.value.size() == 1);
  CHECK(parsed.value[0].addresses.size() == 2);
  CHECK(parsed.value[0].labels.at("app") == "erp");
}

TEST_CASE("duplicate keys are found at every level, with the line of the first") {
  CHECK(PolicyPlaces("version: 1\npools:\n  a: {ipv4: [192.0.2.1]}\n  a: {ipv4: [192.0.2.2]}\n") == Places{"4:3 E009"});
  CHECK(PolicyPlaces("version: 1\nversion: 1\n") == Places{"2:1 E009"});
  CHECK(PolicyPlaces(PolicyFrom("{labels: {a: b, a: c}}")) == Places{"4:27 E009"});
  CHECK(FirstInPolicy("version: 1\n\"version\": 1\n").message.contains("line 1"));
}

TEST_CASE("merge keys, tags and keys that are no names are refused") {
  CHECK(PolicyPlaces("version: 1\npools:\n  a: &a {ipv4: [192.0.2.1]}\n  b: {<<: *a}\n") == Places{"4:7 E011"});
  CHECK(PolicyPlaces("version: !!int 1\n").front() == "1:10 E011");
  CHECK(PolicyPlaces("version: 1\npools: !mine {}\n") == Places{"2:1 E011"});
  CHECK(PolicyPlaces("version: 1\n? [a, b]\n: c\n") == Places{"2:3 E011"});
  CHECK(PolicyPlaces("version: 1\n~: c\n") == Places{"2:1 E011"});
  CHECK(PolicyPlaces("version: 1\n{a: b}: c\n") == Places{"2:1 E011"});
}

TEST_CASE("an alias is read as what it stands for") {
  const auto parsed = ParsePolicy(
      "version: 1\npools:\n  a: {ipv4: &ips [192.0.2.1, 192.0.2.2]}\n  b: {ipv4: [198.51.100.1], exclude: *ips}\n", "policy.yaml");
  CHECK(PlacesOf(parsed.findings).empty());
  CHECK(parsed.value.pools.at("b").exclude == parsed.value.pools.at("a").ipv4);
}

TEST_CASE("a fault inside an alias is shown where it is written, with the path of its use") {
  const auto parsed = ParsePolicy("version: 1\ninternal: &n [bad]\ndestinations: {x: *n}\n", "policy.yaml");
  CHECK(PlacesOf(parsed.findings) == Places{"2:15 E150", "2:15 E150"});
  CHECK(parsed.findings[1].path == "destinations.x[0]");
}

TEST_CASE("a value that is not there is found at its key, a written null at itself") {
  CHECK(PolicyPlaces("version: 1\npolicies:\n") == Places{"2:1 E007"});
  CHECK(PolicyPlaces("version: 1\npolicies: ~\n") == Places{"2:11 E007"});
  CHECK(PolicyPlaces("version: 1\ninternal: null\n") == Places{"2:11 E007"});
  CHECK(PolicyPlaces("version: 1\ninternal:\n  -\n  - 10.0.0.0/8\n") == Places{"4:3 E007"});
}

}  // namespace
}  // namespace egressd::yaml
