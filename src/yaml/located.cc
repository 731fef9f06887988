#include "yaml/located.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "egressd/yaml/yaml.h"
#include "yaml/codes.h"

namespace egressd::yaml {
namespace {

void FillIn(policy::Finding& finding, const Document& document, const Lines& lines) {
  const Node& node = document.Resolve(finding.path).node;
  const Position position = node.parent == nullptr ? Position{1, 0} : PlaceOf(node);
  finding.line = position.line;
  finding.column = lines.Column(position);
}

// "policies.mailer" is above "policies.mailer.from[0]", not above "policies.mailer2"; every path is above itself.
bool IsAbove(std::string_view above, std::string_view path) {
  return path.starts_with(above) && (path.size() == above.size() || path[above.size()] == '.' || path[above.size()] == '[');
}

// "policies.mailer" of "policies.mailer.from[0]".
std::string_view ObjectOf(std::string_view path) {
  const std::size_t dot = path.find('.');
  return dot == std::string_view::npos ? path : path.substr(0, path.find_first_of(".[", dot + 1));
}

std::string_view ParentOf(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

// Would `finding` (at `path`) perhaps not be there if what `broken` complains about had been readable?
bool Follows(const policy::Finding& finding, std::string_view path, const policy::Finding& broken) {
  if (broken.path.empty()) return false;
  if (IsAbove(broken.path, path)) return true;
  // Something seems empty or wrong because a part of it could not be read.
  if (finding.code.starts_with("E1") && IsAbove(path, broken.path)) return true;
  // The unknown key beside it may be the missing one, misspelled.
  if (broken.code == kUnknownKey && finding.code.starts_with("E1") && ParentOf(path) == ParentOf(broken.path)) return true;
  if (finding.severity == policy::Severity::kWarning && ObjectOf(path) == ObjectOf(broken.path)) return true;
  // Addresses are compared with pools and gateways that are not complete.
  const bool broken_pool = broken.path.starts_with("pools") || broken.path.starts_with("gateways");
  const bool about_addresses = path.starts_with("pools.") || path.contains(".egress_ip") || path.contains(".default_ip");
  return broken_pool && about_addresses;
}

}  // namespace

void AddLocated(Report& report, std::vector<policy::Finding> findings, const Document& document, const Lines& lines) {
  const std::vector<policy::Finding> broken = report.findings();
  for (policy::Finding& finding : findings) {
    // Validate counts a single selector as the first of a list; the paths of the reader say what is in the file.
    const Document::Resolved resolved = document.Resolve(finding.path);
    const std::string path = PathOf(resolved.node) + std::string(resolved.rest);
    if (std::ranges::any_of(broken, [&](const policy::Finding& other) { return Follows(finding, path, other); })) continue;
    if (!report.is_full()) FillIn(finding, document, lines);
    report.Add(std::move(finding));
  }
}

void Locate(std::vector<policy::Finding>& findings, std::string_view text, const std::string& file) {
  text = WithoutByteOrderMark(text);
  const Lines lines(text);
  Report ignored(lines, file);
  const auto document = Document::Parse(text, lines, ignored);
  for (policy::Finding& finding : findings) {
    finding.file = file;
    if (document) FillIn(finding, *document, lines);
  }
}

}  // namespace egressd::yaml
