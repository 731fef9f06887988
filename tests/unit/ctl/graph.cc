// The picture of a cluster: what is in it, what leads where, and that names cannot break the text that it is written in.
#include "ctl/graph.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <format>

using namespace egressd;
using control::Json;
using ctl::Graph;

namespace {

using Column = Graph::Column;

Json Node(const std::string& name, const std::string& state, bool self) {
  return Json::Object{{"name", name}, {"state", state}, {"address", "192.0.2.1"}, {"self", self}, {"gateway", !self}, {"rtt_ms", 0.4}};
}
Json Ip(const std::string& ip, const std::string& state, const std::string& node) {
  return Json::Object{{"ip", ip}, {"gateway", "edge"}, {"state", state}, {"node", node}};
}
Json Policy(const std::string& name, const std::string& action, Json::Array ips) {
  return Json::Object{{"name", name}, {"action", action}, {"gateway", "edge"}, {"egress_ips", std::move(ips)},
                      {"workloads", 1}, {"connections", 2}};
}
Json Status(Json::Array policies, Json::Array health = {}) {
  return Json::Object{
      {"node", "src1"},
      {"policy", Json::Object{{"generation", 4}}},
      {"cluster", Json::Object{{"name", "lab"},
                               {"nodes", Json::Array{Node("gw1", "alive", false), Node("gw2", "dead", false),
                                                     Node("src1", "alive", true)}}}},
      {"egress_ips", Json::Array{Ip("203.0.113.10", "held", "gw1"), Ip("203.0.113.11", "unassigned", "")}},
      {"policies", std::move(policies)},
      {"health", std::move(health)}};
}

std::size_t Occurrences(const std::string& text, const std::string& of) {
  std::size_t count = 0;
  for (std::size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++count;
  return count;
}

// Every element is closed by the one that it was opened with, and no text has a bare sign of XML in it.
bool IsWellFormed(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = xml.find('<', at)) != std::string::npos;) {
    const std::size_t end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find_first_of(" \n")));
    }
    at = end;
  }
  return open.empty();
}

}  // namespace

TEST_CASE("a policy leads to its egress IPs, these to the nodes that hold them, and the node that was asked to the others") {
  const Graph graph = ctl::GraphOf(Status({Policy("mailer", "snat", {"203.0.113.10", "203.0.113.11"}), Policy("block", "drop", {})}));
  CHECK(graph.headline == "cluster lab as src1 sees it · generation 4 · healthy");
  std::vector<std::string> edges;
  const Json json = ctl::ToJson(graph);
  for (const Json& edge : json["edges"].items()) {
    edges.push_back(std::format("{} {} {}", edge["from"].text(), edge["to"].text(), edge["mood"].text()));
  }
  std::ranges::sort(edges);
  CHECK(edges == std::vector<std::string>{"egress_ips/203.0.113.10 nodes/gw1 good", "nodes/src1 nodes/gw1 good", "nodes/src1 nodes/gw2 bad",
                                          "policies/mailer egress_ips/203.0.113.10 plain",
                                          "policies/mailer egress_ips/203.0.113.11 plain"});
  CHECK(graph.Of(Column::kPolicies)[0].title == "block · drop");
  CHECK(graph.Of(Column::kPolicies)[1].detail == "1 workload, 2 connections");
  CHECK(graph.Of(Column::kEgressIps)[0].mood == Graph::Mood::kBad);
  const std::string svg = ctl::ToSvg(graph), dot = ctl::ToDot(graph);
  CHECK(IsWellFormed(svg));
  for (const char* name : {"mailer", "203.0.113.11", "gw2 · dead", "0.4 ms"}) CHECK(svg.contains(name));
  CHECK(dot.contains(R"("policy/mailer" -> "ip/203.0.113.10")"));
  CHECK(dot.contains(R"("node/src1" -> "node/gw2" [color="#b71c1c", style=dashed)"));
  CHECK(dot.contains(R"("node/src1" -> "node/gw1" [color="#2e7d32", label="0.4 ms", style=dashed)"));
}

TEST_CASE("thousands of policies are few boxes, and the worst of what is folded shows") {
  Json::Array policies;
  for (int i = 0; i < 5000; ++i) {
    policies.push_back(Policy(std::format("p{:04}", i), "snat", {i % 2 == 0 ? "203.0.113.10" : "203.0.113.11"}));
  }
  const Graph graph = ctl::GraphOf(Status(policies));
  REQUIRE(graph.Of(Column::kPolicies).size() == 2);
  CHECK(graph.Of(Column::kPolicies)[0].title == "2500 policies");
  CHECK(graph.Of(Column::kPolicies)[0].detail == "p0001, p0003, …");
  CHECK(Occurrences(ctl::ToDot(graph), "->") == 2 + 1 + 2);
}

TEST_CASE("names and texts cannot break the picture") {
  const Json evil = Json::Object{{"code", "E1"}, {"severity", "error"}, {"object", "</svg>"}, {"text", "a \"b\" & <script>\x01"}};
  const Graph graph = ctl::GraphOf(Status({Policy("<a\"b\\>&", "snat", {"203.0.113.10"})}, {evil}));
  CHECK(graph.headline.ends_with("1 error"));
  const std::string svg = ctl::ToSvg(graph);
  CHECK(IsWellFormed(svg));
  CHECK_FALSE(svg.contains("<script"));
  CHECK_FALSE(svg.contains('\x01'));
  CHECK(ctl::ToDot(graph).contains(R"("policy/<a\"b\\>&")"));
}

TEST_CASE("a cluster of nothing is a picture, too") {
  const Graph graph = ctl::GraphOf(Json::Object{});
  CHECK(IsWellFormed(ctl::ToSvg(graph)));
  CHECK(ctl::ToDot(graph).ends_with("}"));
}
