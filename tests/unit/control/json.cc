#include "egressd/control/json.h"

#include <doctest/doctest.h>

using egressd::control::Json;
using egressd::control::ToIndentedText;
using egressd::control::ToText;
using egressd::control::ToYaml;

TEST_CASE("an object keeps the order of its members") {
  Json value = Json::Object{{"zebra", 1}, {"ape", "x"}, {"none", Json()}};
  value.Set("cow", true).Set("zebra", 2);
  CHECK(ToText(value) == R"({"zebra":2,"ape":"x","none":null,"cow":true})");
}

TEST_CASE("reading what is not there gives an empty value") {
  const Json value = Json::Object{{"text", "x"}};
  CHECK(value["absent"].is_null());
  CHECK(value["absent"]["deeper"].text().empty());
  CHECK(value["text"].integer() == 0);
  CHECK(value["text"].items().empty());
  CHECK_FALSE(value["text"].boolean());
}

TEST_CASE("control characters and quotes are escaped") {
  CHECK(ToText(Json("a\"b\\c\n\x01")) == R"("a\"b\\c\n\u0001")");
}

TEST_CASE("a counter beyond 63 bits does not turn negative") {
  CHECK(Json(UINT64_MAX).integer() == INT64_MAX);
}

TEST_CASE("indented text puts every member on its line and keeps empty lists short") {
  const Json value = Json::Object{{"a", Json::Array{1, 2}}, {"b", Json::Array{}}, {"c", Json::Object{}}};
  CHECK(ToIndentedText(value) == "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": [],\n  \"c\": {}\n}\n");
}

TEST_CASE("YAML output quotes whatever YAML could take for something else") {
  const Json value =
      Json::Object{{"plain", "gw1"}, {"word", "no"}, {"number", "10"}, {"address", "2001:db8::1"}, {"empty", ""}, {"real", 10}};
  CHECK(ToYaml(value) == "plain: gw1\nword: \"no\"\nnumber: \"10\"\naddress: \"2001:db8::1\"\nempty: \"\"\nreal: 10\n");
}

TEST_CASE("YAML output nests lists and maps in block style") {
  const Json value =
      Json::Object{{"items", Json::Array{Json::Object{{"name", "a"}, {"ips", Json::Array{"u", "v"}}}, Json::Object{{"name", "b"}}}}};
  CHECK(ToYaml(value) == "items:\n- name: a\n  ips:\n  - u\n  - v\n- name: b\n");
}
