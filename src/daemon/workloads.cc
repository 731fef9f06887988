#include "daemon/workloads.h"

#include <format>

#include "daemon/log.h"
#include "egressd/yaml/yaml.h"

namespace egressd::daemon {

std::vector<agent::WorkloadsChanged> Workloads::Read(std::vector<discover::FileChange> changes) {
  std::vector<agent::WorkloadsChanged> out;
  for (discover::FileChange& change : changes) {
    const std::string source = "workloads.d/" + change.name;
    if (change.error) {
      broken_[change.path] = change.error->message;
      Warn(std::format("workloads: {}; what the file said last stays", change.error->message));
      continue;
    }
    if (!change.content) {
      broken_.erase(change.path);
      out.push_back({.source = source});
      continue;
    }
    auto parsed = yaml::ParseWorkloads(*change.content, change.path);
    if (parsed.ok()) {
      broken_.erase(change.path);
      out.push_back({.source = source, .workloads = std::move(parsed.value)});
      continue;
    }
    std::string first;
    for (const policy::Finding& finding : parsed.findings) {
      if (finding.severity != policy::Severity::kError) continue;
      if (first.empty()) first = std::format("{}:{}:{}: {}", finding.file, finding.line, finding.column, finding.message);
      Warn("workloads: " + yaml::Render(finding, *change.content, false));
    }
    broken_[change.path] = first;
  }
  return out;
}

std::vector<agent::Health> Workloads::health() const {
  std::vector<agent::Health> out;
  for (const auto& [file, what] : broken_) {
    out.push_back({.code = "W151",
                   .object = file,
                   .text = what,
                   .hint = "what the file said last stays in force; correct the file, it is read again at once"});
  }
  return out;
}

}  // namespace egressd::daemon
