#include "yaml/report.h"

#include <algorithm>
#include <format>
#include <tuple>
#include <utility>

#include "yaml/codes.h"
#include "yaml/document.h"

namespace egressd::yaml {

void Report::Error(const Node& node, const char* code, std::string message, std::string hint) {
  if (is_full()) {
    ++total_;
    has_errors_ = true;
    return;
  }
  ErrorAt(PlaceOf(node), code, PathOf(node), std::move(message), std::move(hint));
}

void Report::ErrorAt(Position position, const char* code, std::string path, std::string message, std::string hint) {
  Add({.severity = policy::Severity::kError,
       .code = code,
       .path = std::move(path),
       .message = std::move(message),
       .hint = std::move(hint),
       .line = position.line,
       .column = lines_.Column(position)});
}

void Report::Add(policy::Finding finding) {
  ++total_;
  has_errors_ = has_errors_ || finding.severity == policy::Severity::kError;
  if (is_full()) return;
  finding.file = file_;
  findings_.push_back(std::move(finding));
}

std::vector<policy::Finding> Report::Take() {
  const auto place = [](const policy::Finding& finding) { return std::tuple(finding.line, finding.column); };
  std::ranges::stable_sort(findings_, {}, place);
  if (total_ > kMaxFindings) {
    if (findings_.size() > kMaxFindings) findings_.resize(kMaxFindings);
    const policy::Finding& last = findings_.back();
    findings_.push_back({.severity = has_errors_ ? policy::Severity::kError : policy::Severity::kWarning,
                         .code = kTooManyFindings,
                         .path = {},
                         .message = std::format("{} more findings are not shown", total_ - kMaxFindings),
                         .hint = "mend these first",
                         .file = file_,
                         .line = last.line,
                         .column = last.column});
  }
  return std::move(findings_);
}

}  // namespace egressd::yaml
