// YAML text → policy set, node file, workloads; with line and column for every finding, and all findings at once.
//
// 1. Hostile text costs bounded time and memory: size, depth, aliases and number of findings are limited.
// 2. Nothing is ignored: unknown keys, duplicate keys, keys of later versions are findings.
// 3. Scalars mean what they look like: `010`, `no`, `1e3`, `12:34:56` where a number or name is expected are findings with a hint, not
//    guesses.
// 4. yaml-cpp's exceptions end here.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/policy/finding.h"
#include "egressd/policy/node_config.h"
#include "egressd/policy/policy_set.h"
#include "egressd/policy/validate.h"

namespace egressd::yaml {

template <typename T>
struct Parsed {
  T value;                                  // meaningful only without errors
  std::vector<policy::Finding> findings;    // sorted by line and column; warnings too
  bool ok() const { return !policy::HasErrors(findings); }
};

// `file` is only for the findings. Includes policy::Validate with what is known of the surroundings.
Parsed<policy::PolicySet> ParsePolicy(std::string_view text, const std::string& file, const policy::Surroundings& surroundings = {});
Parsed<policy::NodeConfig> ParseNodeConfig(std::string_view text, const std::string& file);
// A drop-in file: `workloads:` as in a policy file, nothing else. JSON is YAML.
Parsed<std::vector<policy::Workload>> ParseWorkloads(std::string_view text, const std::string& file);

// "policy.yaml:23:12: error[E112]: …" with the source line, a caret and the hint below, as people expect; `text` is the file's text.
// `color` adds ANSI colours.
std::string Render(const policy::Finding& finding, std::string_view text, bool color);

// Findings about a policy set that came from elsewhere (Bind, the daemon): fills in file, line and column from their paths.
void Locate(std::vector<policy::Finding>& findings, std::string_view text, const std::string& file);

}  // namespace egressd::yaml
