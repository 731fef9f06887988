// The man pages are the grammar that users see: what a finding can say must stand there.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "expect.h"

namespace egressd::yaml {
namespace {

std::string Read(const std::string& name) {
  std::ifstream file(std::string(EGRESSD_TEST_DATA) + "/../../../" + name);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> Matches(const std::string& text, const std::string& pattern) {
  std::set<std::string> found;
  const std::regex expression(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), expression), end; match != end; ++match) found.insert((*match)[1]);
  return found;
}

TEST_CASE("egress-policy(5) lists every code of the reader, of Validate and of convert, and no other") {
  std::set<std::string> codes = Matches(Read("src/yaml/codes.h"), "= \"([EW][0-9]{3})\"");
  codes.merge(Matches(Read("src/policy/rules.h"), "= \"([EW][0-9]{3})\""));
  codes.merge(Matches(Read("src/convert/codes.h"), "= \"([EW][0-9]{3})\""));
  CHECK(codes.size() > 50);
  CHECK(Matches(Read("man/egress-policy.5"), "\n\\.It ([EW][0-9]{3}) Ta") == codes);
}

TEST_CASE("the man pages name every key that the reader knows") {
  const std::string pages = Read("man/egress-policy.5") + Read("man/egressd.yaml.5");
  for (const char* source : {"policy_file.cc", "policy_reader.cc", "gateway_reader.cc", "workload_file.cc", "node_file.cc"}) {
    // Rows of the key tables: {"name"}.
    for (const std::string& key : Matches(Read(std::string("src/yaml/") + source), "\\{\"([a-z0-9_]+)\"\\}")) {
      CAPTURE(key);
      CHECK(std::regex_search(pages, std::regex("(Ic |[. ])" + key + "( |,|\\.|\n)")));
    }
  }
}

}  // namespace
}  // namespace egressd::yaml
