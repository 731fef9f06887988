// A graph as SVG, drawn here, and as DOT, for Graphviz to draw.
#include <algorithm>
#include <format>
#include <string_view>

#include "ctl/graph.h"

namespace egressd::ctl {
namespace {

using Mood = Graph::Mood;
using Column = Graph::Column;

constexpr int kBoxWidth = 250, kBoxHeight = 42, kRow = 56, kMargin = 24, kTop = 84, kGap = 110, kTunnels = 120, kHealthRow = 20;
constexpr std::size_t kMostCharacters = 36;  // of a line in a box

// Dark enough on white for text, and told apart by lightness, too.
const char* Ink(Mood mood) {
  switch (mood) {
    case Mood::kPlain: return "#37474f";
    case Mood::kGood: return "#2e7d32";
    case Mood::kWarning: return "#b26a00";
    case Mood::kBad: return "#b71c1c";
    case Mood::kGone: return "#9e9e9e";
  }
  return "#37474f";
}

// For text and attributes of XML; what XML does not know is left out.
std::string Escape(std::string_view text) {
  std::string out;
  for (const char each : text) {
    switch (each) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default:
        if (static_cast<unsigned char>(each) >= 0x20) out += each;
    }
  }
  return out;
}
std::string Quote(std::string_view text) {
  std::string out = "\"";
  for (const char each : text) {
    if (each == '"' || each == '\\') out += '\\';
    if (static_cast<unsigned char>(each) >= 0x20) out += each;
  }
  return out + '"';
}

// At most so many characters of UTF-8.
std::string Short(const std::string& text, std::size_t most = kMostCharacters) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80;
    if (begins && ++characters > most) return text.substr(0, i) + "…";
  }
  return text;
}

struct Layout {
  explicit Layout(const Graph& the_graph) : graph(the_graph) {
    for (const auto& boxes : graph.columns) rows = std::max(rows, boxes.size());
  }
  int X(Column column) const { return kMargin + static_cast<int>(column) * (kBoxWidth + kGap); }
  // Shorter columns stand in the middle of the longest.
  int Y(Column column, std::size_t index) const {
    return kTop + static_cast<int>(index) * kRow + static_cast<int>(rows - graph.Of(column).size()) * kRow / 2;
  }
  int Middle(Column column, std::size_t index) const { return Y(column, index) + kBoxHeight / 2; }
  int HealthTop() const { return kTop + static_cast<int>(rows) * kRow + 28; }
  int width() const { return X(Column::kNodes) + kBoxWidth + kTunnels + kMargin; }
  int height() const {
    return HealthTop() + (graph.health.empty() ? 0 : static_cast<int>(graph.health.size() + 1) * kHealthRow);
  }

  const Graph& graph;
  std::size_t rows = 1;
};

std::string Line(const Layout& layout, const Graph::Edge& edge) {
  const int from = layout.Middle(edge.column, edge.from);
  if (edge.column == Column::kNodes) {
    // Around the right side; the farther apart, the wider.
    const int x = layout.X(Column::kNodes) + kBoxWidth, to = layout.Middle(Column::kNodes, edge.to);
    const int bow = std::min(kTunnels - 10, 24 + std::abs(to - from) / 4);
    std::string out = std::format(R"(<path d="M{0} {1} C{2} {1} {2} {3} {0} {3}" fill="none" stroke="{4}" stroke-dasharray="4 3"/>)",
                                  x, from, x + bow, to, Ink(edge.mood));
    if (!edge.text.empty()) {
      out += std::format(R"(<text class="small" x="{}" y="{}" fill="{}">{}</text>)", x + 8, to - 5, Ink(edge.mood), Escape(edge.text));
    }
    return out + '\n';
  }
  const auto next = static_cast<Column>(static_cast<int>(edge.column) + 1);
  const int x = layout.X(edge.column) + kBoxWidth, to = layout.Middle(next, edge.to);
  const int tip = layout.X(next) - 6, half = (x + tip) / 2;
  const char* ink = Ink(edge.mood);
  constexpr const char* kCurve =
      R"svg(<path d="M{} {} C{} {} {} {} {} {}" fill="none" stroke="{}" stroke-width="1.5" marker-end="url(#tip)"/>)svg";
  return std::vformat(kCurve, std::make_format_args(x, from, half, from, half, to, tip, to, ink)) + '\n';
}

}  // namespace

std::string ToSvg(const Graph& graph) {
  const Layout layout(graph);
  std::string out = std::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img">
<title>{2}</title>
<style>
text{{font:13px system-ui,sans-serif;fill:#212121}}
.head{{font-size:17px;font-weight:600}}
.column{{font-weight:600;fill:#616161}}
.small{{font-size:11px}}
.detail{{font-size:11px;fill:#616161}}
</style>
<defs><marker id="tip" viewBox="0 0 6 6" refX="1" refY="3" markerWidth="6" markerHeight="6" orient="auto">
<path d="M0 0 L6 3 L0 6 z" fill="#616161"/>
</marker></defs>
<rect width="100%" height="100%" fill="#ffffff"/>
<text class="head" x="{3}" y="34">{2}</text>
)",
      layout.width(), layout.height(), Escape(graph.headline), kMargin);
  for (const Graph::Edge& edge : graph.edges) out += Line(layout, edge);
  constexpr std::pair<Column, const char*> kColumns[] = {
      {Column::kPolicies, "Policies"}, {Column::kEgressIps, "Egress IPs"}, {Column::kNodes, "Nodes"}};
  for (const auto& [column, title] : kColumns) {
    const std::vector<Graph::Box>& boxes = graph.Of(column);
    const int x = layout.X(column);
    const std::string head = boxes.empty() ? std::format("{}: none", title) : title;
    out += std::format(R"(<text class="column" x="{}" y="{}">{}</text>)" "\n", x, kTop - 14, head);
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      const Graph::Box& box = boxes[i];
      const int y = layout.Y(column, i);
      out += std::format(R"(<g><title>{}</title>)", Escape(box.title + "\n" + box.detail));
      out += std::format(R"(<rect x="{}" y="{}" width="{}" height="{}" rx="6" fill="#fafafa" stroke="{}" stroke-width="2"/>)", x, y,
                         kBoxWidth, kBoxHeight, Ink(box.mood));
      out += std::format(R"(<text x="{}" y="{}">{}</text><text class="detail" x="{}" y="{}">{}</text></g>)" "\n", x + 10, y + 18,
                         Escape(Short(box.title)), x + 10, y + 33, Escape(Short(box.detail)));
    }
  }
  if (!graph.health.empty()) {
    out += std::format(R"(<text class="column" x="{}" y="{}">Health</text>)" "\n", kMargin, layout.HealthTop());
    for (std::size_t i = 0; i < graph.health.size(); ++i) {
      const Graph::Finding& finding = graph.health[i];
      out += std::format(R"(<text x="{}" y="{}"><tspan fill="{}">{}</tspan> {}</text>)" "\n", kMargin,
                         layout.HealthTop() + static_cast<int>(i + 1) * kHealthRow, Ink(finding.error ? Mood::kBad : Mood::kWarning),
                         finding.error ? "error" : "warning", Escape(Short(finding.text, 150)));
    }
  }
  return out + "</svg>";
}

std::string ToDot(const Graph& graph) {
  constexpr const char* kPrefixes[] = {"policy/", "ip/", "node/"};
  std::string out = "digraph egressd {\n  rankdir=LR;\n  label=" + Quote(graph.headline) +
                    ";\n  labelloc=t;\n  fontname=\"sans-serif\";\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
                    "  edge [fontname=\"sans-serif\"];\n";
  for (std::size_t column = 0; column < graph.columns.size(); ++column) {
    out += "  subgraph { rank=same;\n";
    for (const Graph::Box& box : graph.columns[column]) {
      std::string label = Quote(box.title);
      label.pop_back();
      label += "\\n" + Quote(box.detail).substr(1);
      out += std::format("    {} [label={}, color=\"{}\"];\n", Quote(kPrefixes[column] + box.name), label, Ink(box.mood));
    }
    out += "  }\n";
  }
  for (const Graph::Edge& edge : graph.edges) {
    const auto from = static_cast<std::size_t>(edge.column), to = std::min<std::size_t>(from + 1, 2);
    const bool tunnel = edge.column == Column::kNodes;
    out += std::format("  {} -> {} [color=\"{}\"{}{}];\n", Quote(kPrefixes[from] + graph.columns[from][edge.from].name),
                       Quote(kPrefixes[to] + graph.columns[to][edge.to].name), Ink(edge.mood),
                       edge.text.empty() ? "" : ", label=" + Quote(edge.text),
                       tunnel ? ", style=dashed, dir=none, constraint=false" : "");
  }
  return out + "}";
}

}  // namespace egressd::ctl
