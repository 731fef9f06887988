// One line for each finding, so that a test reads like a table: "3:12 E010".
#pragma once

#include <doctest/doctest.h>

#include <format>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/yaml/yaml.h"

template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static doctest::String convert(const std::vector<std::string>& lines) {
    std::string joined;
    for (const std::string& line : lines) joined += "{" + line + "} ";
    return joined.c_str();
  }
};

namespace egressd::yaml {

using Places = std::vector<std::string>;

// Findings of the reader itself (E0xx and E15x); those of policy::Validate have their tests there.
inline Places PlacesOf(const std::vector<policy::Finding>& findings) {
  Places places;
  for (const policy::Finding& finding : findings) {
    const bool of_reader = finding.code.starts_with("E0") || finding.code.starts_with("E15");
    if (of_reader) places.push_back(std::format("{}:{} {}", finding.line, finding.column, finding.code));
  }
  return places;
}

inline Places PolicyPlaces(std::string_view text) { return PlacesOf(ParsePolicy(text, "policy.yaml").findings); }
inline Places NodePlaces(std::string_view text) { return PlacesOf(ParseNodeConfig(text, "egressd.yaml").findings); }
inline Places WorkloadPlaces(std::string_view text) { return PlacesOf(ParseWorkloads(text, "erp.yaml").findings); }

// A policy file with one policy `p` that has this line (indented by four) beside a valid `from`; the line is line 5.
inline std::string PolicyWith(std::string_view line) {
  return std::format("version: 1\npolicies:\n  p:\n    from: {{cidr: [172.18.0.0/16]}}\n    {}\n", line);
}
// The same with a selector in line 4, from column 11 on.
inline std::string PolicyFrom(std::string_view from) { return std::format("version: 1\npolicies:\n  p:\n    from: {}\n", from); }

// The first finding of the reader; an empty one when there is none.
inline policy::Finding First(const std::vector<policy::Finding>& findings) {
  for (const policy::Finding& finding : findings) {
    if (finding.code.starts_with("E0") || finding.code.starts_with("E15")) return finding;
  }
  return {};
}
inline policy::Finding FirstInPolicy(std::string_view text) { return First(ParsePolicy(text, "policy.yaml").findings); }

}  // namespace egressd::yaml
