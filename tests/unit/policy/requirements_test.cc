#include "egressd/policy/selection.h"
#include "unit/policy/build.h"

namespace egressd::policy {
using namespace test;
namespace {

// The requirements of a text, each as text again.
Texts Parsed(std::string_view text) {
  const auto requirements = ParseRequirements(text);
  if (!requirements) return {"error: " + requirements.error().message};
  Texts texts;
  for (const Requirement& requirement : *requirements) texts.push_back(ToString(requirement));
  return texts;
}

bool Holds(std::string_view text, const Labels& labels) { return Matches(ParseRequirements(text).value(), labels); }

}  // namespace

TEST_CASE("requirements are read as kubectl reads them") {
  CHECK(Parsed("role=gateway,zone in (a,b)") == Texts{"role=gateway", "zone in (a,b)"});
  CHECK(Parsed(" a == b , c != d , e notin ( f , g ) , h , !i , ! j ") == Texts{"a=b", "c!=d", "e notin (f,g)", "h", "!i", "!j"});
  CHECK(Parsed("zone in (a)") == Texts{"zone=a"});
  CHECK(Parsed("empty=") == Texts{"empty="});
  CHECK(Parsed("com.docker.compose.project=shop") == Texts{"com.docker.compose.project=shop"});
  CHECK(Parsed("in in (in)") == Texts{"in=in"});
}

TEST_CASE("what is no requirement is refused") {
  for (const char* text :
       {"", " ", ",", "a,", "=b", "!", "a in", "a in ()", "in (a)", "a b", "a in (b", "a=b=c", "a=(b)", "a notin b", "a>1"}) {
    CHECK_MESSAGE(!ParseRequirements(text).has_value(), text);
  }
}

TEST_CASE("requirements hold as Kubernetes defines them") {
  const Labels labels{{"app", "web"}, {"tier", ""}};
  for (const char* text :
       {"app=web", "app in (db,web)", "app", "tier", "tier=", "!zone", "zone!=a", "zone notin (a,b)", "app!=db", "app=web,!zone"}) {
    CHECK_MESSAGE(Holds(text, labels), text);
  }
  for (const char* text :
       {"app=db", "app in (db,wep)", "zone", "zone=a", "zone in (a)", "!app", "app!=web", "app notin (web,db)", "app=web,zone"}) {
    CHECK_MESSAGE(!Holds(text, labels), text);
  }
}

TEST_CASE("a node is selected by its name or by all required labels") {
  const NodeSelector selector{.names = {"gw1"}, .labels = {Is("role", "gateway"), Is("zone", "a")}};
  CHECK(Matches(selector, "gw1", {}));
  CHECK(Matches(selector, "x", {{"role", "gateway"}, {"zone", "a"}}));
  CHECK(!Matches(selector, "x", {{"role", "gateway"}}));
  CHECK(!Matches(NodeSelector{}, "x", {{"role", "gateway"}}));
  CHECK(!Matches(NodeSelector{.names = {"gw1"}}, "gw2", {}));
}

TEST_CASE("globs match as in the shell") {
  const auto Yes = [](const char* pattern, const char* text) {
    CHECK_MESSAGE(GlobMatches(pattern, text), pattern << " should match " << text);
  };
  const auto No = [](const char* pattern, const char* text) {
    CHECK_MESSAGE(!GlobMatches(pattern, text), pattern << " should not match " << text);
  };
  Yes("*", "");
  Yes("", "");
  No("", "a");
  Yes("web-*", "web-");
  Yes("web-*", "web-/.7");
  Yes("*.shop", ".shop");
  Yes("a*b*c", "axxbxxbc");
  No("a*b*c", "axxbxx");
  Yes("w?b", "web");
  No("w?b", "wb");
  Yes("web-[0-9]", "web-7");
  No("web-[0-9]", "web-x");
  Yes("[!a]b", "cb");
  No("[^a]b", "ab");
  Yes("[]x]", "]");
  Yes("[a-]", "-");
  Yes("[abc", "[abc");
  Yes("\\*", "*");
  No("\\*", "x");
  Yes("[\\]]", "]");
}

TEST_CASE("a glob with many stars needs no more than pattern times text steps") {
  const std::string text(5000, 'a');
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  CHECK(!GlobMatches(pattern + "b", text));
}

}  // namespace egressd::policy
