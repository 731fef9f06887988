// The cluster as a picture: policies, the egress IPs that they use, the nodes that hold those, and the tunnels of the node that was asked.
//
// 1. Pure: a function of what `status` says. Nothing that is in the graph depends on how it is written.
// 2. More than kMostBoxes of one kind are folded: those that lead to the same place are one box that says how many they are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "egressd/control/json.h"

namespace egressd::ctl {

inline constexpr std::size_t kMostBoxes = 40;

struct Graph {
  enum class Mood : std::uint8_t { kPlain, kGood, kWarning, kBad, kGone };
  enum class Column : std::uint8_t { kPolicies, kEgressIps, kNodes };
  struct Box {
    std::string name;    // unique within its column
    std::string title;   // first line
    std::string detail;  // second line
    Mood mood = Mood::kPlain;
  };
  struct Edge {          // from a column to the next one; with kNodes: a tunnel, from node to node
    Column column = Column::kPolicies;
    std::size_t from = 0, to = 0;  // index in `column`, and in the next one (kNodes: in the same)
    std::string text;
    Mood mood = Mood::kPlain;
  };
  struct Finding {
    bool error = false;
    std::string text;
  };
  std::string headline;
  std::array<std::vector<Box>, 3> columns;  // by Column
  std::vector<Edge> edges;
  std::vector<Finding> health;

  const std::vector<Box>& Of(Column column) const { return columns[static_cast<std::size_t>(column)]; }
};

// Of the answer to GetStatus.
Graph GraphOf(const control::Json& status);
std::string ToDot(const Graph& graph);
std::string ToSvg(const Graph& graph);
control::Json ToJson(const Graph& graph);

}  // namespace egressd::ctl
