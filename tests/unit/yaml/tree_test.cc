#include "egressd/yaml/tree.h"

#include <doctest/doctest.h>

#include "expect.h"

namespace egressd::yaml {
namespace {

TEST_CASE("several documents are trees that know their places; those without content are left out") {
  Documents documents("---\na: 1\n---\n# nothing\n---\n- b: {c: [d]}\n...\n---\n", "k.yaml");
  REQUIRE(documents.roots().size() == 2);
  CHECK(Find(*documents.roots()[0], "a")->text == "1");
  const Node& item = *documents.roots()[1]->entries.front().value;
  CHECK(PathOf(*Find(*Find(item, "b"), "c")->entries.front().value) == "[0].b.c[0]");
  CHECK(Find(*documents.roots()[1], "b") == nullptr);
  CHECK(documents.TakeFindings().empty());
}

TEST_CASE("an anchor is known in its own document only") {
  CHECK(PlacesOf(Documents("a: &x 1\n---\nb: &y 2\nc: *y\n", "k.yaml").TakeFindings()).empty());
  CHECK(PlacesOf(Documents("a: &x 1\n---\nb: *x\n", "k.yaml").TakeFindings()) == Places{"3:4 E002"});
}

TEST_CASE("a finding about a node has its place, its path and the file") {
  Documents documents("x\n---\nü: {b: c}\n", "k.yaml");
  documents.Error(*documents.roots()[1]->entries.front().value->entries.front().value, "E001", "wrong");
  const auto findings = documents.TakeFindings();
  REQUIRE(findings.size() == 1);
  CHECK(findings.front().line == 3);
  CHECK(findings.front().column == 8);
  CHECK(findings.front().path == "ü.b");
  CHECK(findings.front().file == "k.yaml");
}

TEST_CASE("text of which yaml-cpp would make documents without end is an error") {
  for (const char* text : {",", "---\n,\n", "a: 1\n---\n]\n", "}", "? ,"}) {
    CAPTURE(text);
    Documents documents(text, "k.yaml");
    CHECK(policy::HasErrors(documents.TakeFindings()));
  }
}

}  // namespace
}  // namespace egressd::yaml
