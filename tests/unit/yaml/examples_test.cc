#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "expect.h"

namespace egressd::yaml {
namespace {

std::string Read(const std::string& name) {
  std::ifstream file(std::string(EGRESSD_TEST_DATA) + "/../../../config/" + name);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

template <typename T>
void CheckFlawless(const Parsed<T>& parsed, const std::string& text) {
  for (const policy::Finding& finding : parsed.findings) FAIL_CHECK(Render(finding, text, false));
}

TEST_CASE("the annotated node file is valid and says nothing but the defaults") {
  const std::string text = Read("egressd.yaml");
  const auto parsed = ParseNodeConfig(text, "egressd.yaml");
  CheckFlawless(parsed, text);
  CHECK(parsed.value == policy::NodeConfig{});
}

TEST_CASE("the annotated policy file is valid, without warnings") {
  const std::string text = Read("policy.yaml");
  const auto parsed = ParsePolicy(text, "policy.yaml");
  CheckFlawless(parsed, text);
  CHECK(parsed.value.policies.size() == 8);
}

TEST_CASE("the example of a drop-in file is valid") {
  const std::string text = Read("workloads.d/example.yaml");
  const auto parsed = ParseWorkloads(text, "example.yaml");
  CheckFlawless(parsed, text);
  CHECK(parsed.value.size() == 1);
}

}  // namespace
}  // namespace egressd::yaml
