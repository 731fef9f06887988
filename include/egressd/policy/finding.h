// What is wrong with a file, in a form that a person, an editor and a script can use.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace egressd::policy {

enum class Severity : std::uint8_t { kError, kWarning };

struct Finding {
  Severity severity = Severity::kError;
  std::string code;     // stable: E0xx syntax and shape, E1xx values, E2xx references and contradictions, W3xx warnings
  std::string path;     // where: "policies.mailer.egress_ip", "pools.public.ipv4[2]"; empty = the whole file
  std::string message;  // lower case, no full stop: what was found and what was expected
  std::string hint;     // what to do, ready to paste where possible; may be empty
  // Filled in by the YAML reader; 1-based, 0 = unknown.
  std::string file;
  int line = 0;
  int column = 0;
  auto operator<=>(const Finding&) const = default;
};

inline bool HasErrors(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kError) return true;
  }
  return false;
}

}  // namespace egressd::policy
