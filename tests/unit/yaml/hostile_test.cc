#include <doctest/doctest.h>

#include <chrono>

#include "expect.h"
#include "yaml/text.h"

namespace egressd::yaml {
namespace {

std::string Repeat(std::string_view piece, std::size_t times) {
  std::string result;
  result.reserve(piece.size() * times);
  for (std::size_t i = 0; i < times; ++i) result += piece;
  return result;
}

// Every hostile text must end quickly; the limit is generous because sanitizers are slow.
Places QuickPlaces(std::string_view text) {
  const auto start = std::chrono::steady_clock::now();
  Places places = PolicyPlaces(text);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
  return places;
}

TEST_CASE("deep nesting stops at 32 levels, whatever it is made of") {
  CHECK(QuickPlaces("a: " + Repeat("[", 33)) == Places{"1:36 E004"});
  CHECK(QuickPlaces("a: " + Repeat("[", 1'000'000)) == Places{"1:36 E004"});
  CHECK(QuickPlaces("a: " + Repeat("{a: ", 1'000'000)) == Places{"1:132 E004"});
  CHECK(QuickPlaces(Repeat("- ", 1'000'000)).front().ends_with("E004"));
  CHECK(QuickPlaces(Repeat("? ", 100'000)).front().ends_with("E004"));
  std::string block;
  for (std::size_t i = 0; i < 200; ++i) block += Repeat(" ", i) + "a:\n";
  CHECK(QuickPlaces(block).front().ends_with("E004"));
}

TEST_CASE("brackets hidden from the first look do not get past the parser") {
  CHECK(QuickPlaces("a: [b 'c, " + Repeat("[", 100'000)).front().ends_with("E004"));
  CHECK(QuickPlaces("a: [b 'c, " + Repeat("[,", 1'600'000)).front().ends_with("E004"));
}

TEST_CASE("alias bombs are refused by counting what they expand to") {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += std::format("a{}: &a{} [", i, i);
    for (int j = 0; j < 10; ++j) bomb += std::format("{}*a{}", j == 0 ? "" : ",", i - 1);
    bomb += "]\n";
  }
  const Places places = QuickPlaces(bomb);
  REQUIRE(places.size() == 1);
  CHECK(places[0].ends_with("E004"));
}

TEST_CASE("long texts cannot be multiplied by aliases") {
  const std::string text = "a: &a \"" + Repeat("x", 1'000'000) + "\"\nb: [" + Repeat("*a,", 10'000) + "]\n";
  CHECK(QuickPlaces(text) == Places{"2:5 E004"});
}

TEST_CASE("an alias of a deep value counts the depth where it is used") {
  const std::string deep = "a: &a " + Repeat("[", 20) + Repeat("]", 20) + "\nb: " + Repeat("[", 20) + "*a" + Repeat("]", 20) + "\n";
  CHECK(QuickPlaces(deep).front() == "2:24 E004");
}

TEST_CASE("an alias cannot contain itself") { CHECK(QuickPlaces("version: 1\ninternal: &a [*a]\n") == Places{"2:15 E004"}); }

TEST_CASE("a file beyond 8 MiB is refused") {
  CHECK(QuickPlaces("version: 1\n#" + Repeat("x", std::size_t{8} << 20)) == Places{"1:1 E004"});
}

TEST_CASE("at most a hundred findings are shown, and the last says how many more there are") {
  std::string text = "version: 1\ninternal:\n";
  for (int i = 0; i < 5000; ++i) text += "  - nonsense\n";
  const auto findings = ParsePolicy(text, "policy.yaml").findings;
  REQUIRE(findings.size() == 101);
  CHECK(findings[99].line == 102);
  CHECK(findings[100].code == "E099");
  CHECK(findings[100].message == "4900 more findings are not shown");
}

TEST_CASE("exactly a hundred findings are all shown") {
  std::string text = "version: 1\ninternal:\n";
  for (int i = 0; i < 100; ++i) text += "  - nonsense\n";
  CHECK(ParsePolicy(text, "policy.yaml").findings.size() == 100);
}

TEST_CASE("a huge key is not repeated in full") {
  const auto findings = ParsePolicy("version: 1\n\"" + Repeat("k", 2'000'000) + "\": 1\n", "policy.yaml").findings;
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].message.size() < 200);
  CHECK(findings[0].path.size() < 400);
  CHECK(Render(findings[0], "version: 1\n\"" + Repeat("k", 2'000'000) + "\": 1\n", false).size() < 2000);
}

TEST_CASE("many unknown keys end quickly") {
  std::string text = "version: 1\n";
  for (int i = 0; i < 50'000; ++i) text += std::format("key{}: 1\n", i);
  CHECK(QuickPlaces(text).size() == 101);
}

TEST_CASE("text in messages cannot drive a terminal") {
  CHECK(Printable("a\x1b[31m\tb\xff") == "a?[31m b?");
  CHECK(Printable("gr\xc3\xb6\xc3\x9f"
                  "e \xc2\x9b") ==
        "gr\xc3\xb6\xc3\x9f"
        "e ?");
  const auto finding = FirstInPolicy("version: 1\n\"\\e[31m\": 1\n");
  CHECK(finding.code == "E008");
  CHECK_FALSE(finding.message.contains('\x1b'));
}

}  // namespace
}  // namespace egressd::yaml
