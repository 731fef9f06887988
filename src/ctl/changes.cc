#include "ctl/changes.h"

#include <algorithm>
#include <format>

#include "ctl/table.h"

namespace egressd::ctl {

using control::Json;

namespace {

std::size_t Number(const Json& changes, std::string_view kind) {
  return static_cast<std::size_t>(
      std::ranges::count_if(changes.items(), [&](const Json& change) { return change["kind"].text() == kind; }));
}

std::string Painted(const Session& session, const std::string& kind) {
  if (kind == "created") return session.Green(kind);
  if (kind == "removed") return session.Red(kind);
  return kind == "changed" ? session.Yellow(kind) : kind;
}

}  // namespace

std::string ListOfChanges(const Session& session, const Json& changes) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& change : changes.items()) {
    std::vector<std::string> details;
    for (const Json& detail : change["details"].items()) details.push_back(detail.text());
    rows.push_back({change["object"].text(), Painted(session, change["kind"].text()), Join(details, ", ")});
  }
  return Columns(rows);
}

std::string Difference(const Session& session, const Json& changes) {
  std::string out;
  for (const Json& change : changes.items()) {
    const std::string& kind = change["kind"].text();
    if (kind == "unchanged") continue;
    out += session.Bold(std::format("@@ {} @@", change["object"].text())) + '\n';
    if (kind == "created") out += session.Green("+ created") + '\n';
    if (kind == "removed") out += session.Red("- removed") + '\n';
    for (const Json& detail : change["details"].items()) out += session.Yellow("~ " + detail.text()) + '\n';
  }
  return out;
}

std::string CountOfChanges(const Json& changes) {
  return std::format("{} to add, {} to change, {} to remove", Number(changes, "created"), Number(changes, "changed"),
                     Number(changes, "removed"));
}

bool AnyChange(const Json& changes) { return Number(changes, "unchanged") != changes.items().size(); }

}  // namespace egressd::ctl
