// egressctl graph: what status says, as a picture.
#include "ctl/graph.h"

#include <algorithm>
#include <format>
#include <map>
#include <optional>

#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

using control::Json;

namespace {

using Mood = Graph::Mood;
using Column = Graph::Column;

Mood MoodOf(const std::string& state) {
  if (state == "alive" || state == "held") return Mood::kGood;
  if (state == "suspect" || state == "moving" || state == "drained") return Mood::kWarning;
  if (state == "left") return Mood::kGone;
  return Mood::kBad;  // dead, unassigned, conflict
}

// The worst of those that are one box now.
Mood Worse(Mood one, Mood other) {
  const auto rank = [](Mood mood) {
    switch (mood) {
      case Mood::kBad: return 3;
      case Mood::kWarning: return 2;
      case Mood::kPlain:
      case Mood::kGone: return 1;
      case Mood::kGood: return 0;
    }
    return 0;
  };
  return rank(one) >= rank(other) ? one : other;
}

std::string Number(std::int64_t count, const char* what) { return std::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

// An object, and where it leads: indices into the next column.
struct Entry {
  Graph::Box box;
  std::vector<std::size_t> to;
  std::string alike;  // entries with the same text may be folded
};

// The boxes of a column, and for each entry the box that it became.
std::vector<std::size_t> Put(Graph& graph, Column column, const char* plural, std::vector<Entry> entries) {
  std::vector<Graph::Box>& boxes = graph.columns[static_cast<std::size_t>(column)];
  const bool folds = entries.size() > kMostBoxes;
  std::map<std::pair<std::string, std::vector<std::size_t>>, std::vector<std::size_t>> groups;
  std::vector<std::vector<std::size_t>> order;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (folds) {
      groups[{entries[i].alike, entries[i].to}].push_back(i);
    } else {
      order.push_back({i});
    }
  }
  for (auto& [what, members] : groups) order.push_back(std::move(members));
  // What leads to the same place stands together, so that few lines cross.
  std::ranges::stable_sort(order, {}, [&](const auto& members) { return entries[members.front()].to; });
  std::vector<std::size_t> became(entries.size());
  for (const std::vector<std::size_t>& members : order) {
    const Entry& first = entries[members.front()];
    Graph::Box box = first.box;
    if (members.size() > 1) {
      box.title = std::format("{} {}", members.size(), plural);
      box.detail = std::format("{}, {}, …", entries[members[0]].box.name, entries[members[1]].box.name);
      for (const std::size_t member : members) box.mood = Worse(box.mood, entries[member].box.mood);
    }
    for (const std::size_t member : members) became[member] = boxes.size();
    if (column != Column::kNodes) {
      for (const std::size_t to : first.to) {
        graph.edges.push_back({.column = column, .from = boxes.size(), .to = to, .text = "", .mood = box.mood});
      }
    }
    boxes.push_back(std::move(box));
  }
  return became;
}

void PutTunnels(const Json& nodes, const std::vector<std::size_t>& became, Graph& graph) {
  std::optional<std::size_t> self;
  for (std::size_t i = 0; i < nodes.items().size(); ++i) {
    if (nodes.items()[i]["self"].boolean()) self = became[i];
  }
  if (!self) return;
  for (std::size_t i = 0; i < nodes.items().size(); ++i) {
    const Json& node = nodes.items()[i];
    if (became[i] == *self || node["state"].text() == "left") continue;
    const Json& rtt = node["rtt_ms"];
    const bool answers = !rtt.is_null() && node["state"].text() != "dead";
    const double milliseconds = rtt.is_integer() ? static_cast<double>(rtt.integer()) : rtt.real();
    const std::string text = answers ? std::format("{:.1f} ms", milliseconds) : "";
    graph.edges.push_back({.column = Column::kNodes, .from = *self, .to = became[i], .text = text, .mood = MoodOf(node["state"].text())});
  }
}

}  // namespace

Graph GraphOf(const Json& status) {
  Graph graph;
  const Json& nodes = status["cluster"]["nodes"];
  std::map<std::string, std::size_t> node_at, ip_at;
  std::vector<Entry> entries;
  for (const Json& node : nodes.items()) {
    const std::string& name = node["name"].text();
    std::string detail = node["address"].text();
    if (node["gateway"].boolean()) detail += " · gateway";
    if (node["self"].boolean()) detail += " · asked";
    entries.push_back({.box = {.name = name, .title = std::format("{} · {}", name, node["state"].text()), .detail = std::move(detail),
                               .mood = MoodOf(node["state"].text())},
                       .to = {},
                       .alike = node["self"].boolean() ? "self" : node["state"].text()});
  }
  const std::vector<std::size_t> of_node = Put(graph, Column::kNodes, "nodes", std::move(entries));
  for (std::size_t i = 0; i < of_node.size(); ++i) node_at[nodes.items()[i]["name"].text()] = of_node[i];

  entries.clear();
  for (const Json& ip : status["egress_ips"].items()) {
    const std::string &name = ip["ip"].text(), &state = ip["state"].text();
    Entry entry{.box = {.name = name, .title = name, .detail = std::format("{} · {}", ip["gateway"].text(), state), .mood = MoodOf(state)},
                .to = {},
                .alike = std::format("{} {}", ip["gateway"].text(), state)};
    if (const auto holder = node_at.find(ip["node"].text()); holder != node_at.end()) entry.to.push_back(holder->second);
    entries.push_back(std::move(entry));
  }
  const std::vector<std::size_t> of_ip = Put(graph, Column::kEgressIps, "egress IPs", std::move(entries));
  for (std::size_t i = 0; i < of_ip.size(); ++i) ip_at[status["egress_ips"].items()[i]["ip"].text()] = of_ip[i];

  entries.clear();
  for (const Json& policy : status["policies"].items()) {
    const std::string &name = policy["name"].text(), &action = policy["action"].text();
    Entry entry{.box = {.name = name,
                        .title = action == "snat" ? name : std::format("{} · {}", name, action),
                        .detail = std::format("{}, {}", Number(policy["workloads"].integer(), "workload"),
                                              Number(policy["connections"].integer(), "connection"))},
                .to = {},
                .alike = std::format("{} {}", action, policy["gateway"].text())};
    for (const Json& ip : policy["egress_ips"].items()) {
      if (const auto found = ip_at.find(ip.text()); found != ip_at.end()) entry.to.push_back(found->second);
    }
    std::ranges::sort(entry.to);
    entry.to.erase(std::ranges::unique(entry.to).begin(), entry.to.end());
    entries.push_back(std::move(entry));
  }
  Put(graph, Column::kPolicies, "policies", std::move(entries));
  PutTunnels(nodes, of_node, graph);

  std::int64_t errors = 0;
  for (const Json& finding : status["health"].items()) {
    const bool error = finding["severity"].text() == "error";
    errors += error ? 1 : 0;
    const std::string& object = finding["object"].text();
    graph.health.push_back({.error = error, .text = std::format("{} {}{}{}", finding["code"].text(), object, object.empty() ? "" : ": ",
                                                               finding["text"].text())});
  }
  const auto warnings = static_cast<std::int64_t>(graph.health.size()) - errors;
  std::string verdict = graph.health.empty() ? "healthy" : "";
  if (errors > 0) verdict = Number(errors, "error");
  if (warnings > 0) verdict += (verdict.empty() ? "" : ", ") + Number(warnings, "warning");
  graph.headline = std::format("cluster {} as {} sees it · generation {} · {}", status["cluster"]["name"].text(), status["node"].text(),
                               status["policy"]["generation"].integer(), verdict);
  return graph;
}

Json ToJson(const Graph& graph) {
  constexpr const char* kColumns[] = {"policies", "egress_ips", "nodes"};
  constexpr const char* kMoods[] = {"plain", "good", "warning", "bad", "gone"};
  Json out = Json::Object{{"schema", "egressd.graph/v1"}, {"headline", graph.headline}};
  for (std::size_t column = 0; column < graph.columns.size(); ++column) {
    Json boxes = Json::Array{};
    for (const Graph::Box& box : graph.columns[column]) {
      const char* mood = kMoods[static_cast<std::size_t>(box.mood)];
      boxes.Append(Json::Object{{"name", box.name}, {"title", box.title}, {"detail", box.detail}, {"mood", mood}});
    }
    out.Set(kColumns[column], std::move(boxes));
  }
  Json edges = Json::Array{};
  for (const Graph::Edge& edge : graph.edges) {
    const auto from = static_cast<std::size_t>(edge.column), to = std::min<std::size_t>(from + 1, 2);
    edges.Append(Json::Object{{"from", std::format("{}/{}", kColumns[from], graph.columns[from][edge.from].name)},
                              {"to", std::format("{}/{}", kColumns[to], graph.columns[to][edge.to].name)},
                              {"text", edge.text},
                              {"mood", kMoods[static_cast<std::size_t>(edge.mood)]}});
  }
  out.Set("edges", std::move(edges));
  Json health = Json::Array{};
  for (const Graph::Finding& finding : graph.health) {
    health.Append(Json::Object{{"severity", finding.error ? "error" : "warning"}, {"text", finding.text}});
  }
  out.Set("health", std::move(health));
  return out;
}

int GraphVerb(Session& session) {
  const auto answer = session.Ask("GetStatus", Json::Object{{"connections", true}});
  if (!answer) return session.Complain(answer.error());
  const Graph graph = GraphOf(*answer);
  if (session.structured()) {
    session.Print(ToJson(graph));
  } else {
    session.Print(session.arguments().Has("dot") ? ToDot(graph) : ToSvg(graph));
  }
  return kDone;
}

}  // namespace egressd::ctl
