// egressctl status: this node's verdict on one screen. With the daemon down: what is stored, exit 3.
#include <format>

#include "ctl/input.h"
#include "ctl/listing.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/files.h"

namespace egressd::ctl {

using control::Json;

namespace {

std::string StoredPolicy(const Session& session) {
  policy::NodeConfig config;
  if (const auto text = control::ReadFile(session.arguments().config)) {
    auto parsed = yaml::ParseNodeConfig(*text, session.arguments().config);
    if (!parsed.ok()) return session.arguments().config + " is invalid";
    config = std::move(parsed.value);
  }
  const auto text = control::ReadFile(config.policy_file);
  if (!text) return text.error().kind == ErrorKind::kNotFound ? "none" : text.error().message;
  const auto parsed = yaml::ParsePolicy(*text, config.policy_file);
  if (!parsed.ok()) return config.policy_file + ", invalid";
  return std::format("{}, valid, {}", config.policy_file, Count(parsed.value.policies.size(), "policy", "policies"));
}

int NotRunning(const Session& session, const Complaint& complaint) {
  const std::string stored = StoredPolicy(session);
  if (session.structured()) {
    session.Print(Json::Object{{"schema", "egressd.error/v1"},
                               {"exit", complaint.exit_code},
                               {"message", complaint.message},
                               {"hint", complaint.hint},
                               {"stored_policy", stored}});
  } else {
    session.Print(std::format("{}\n  stored policy  {}\n  try            systemctl start egressd       journalctl -u egressd -n 30",
                              complaint.message, stored));
  }
  return complaint.exit_code;
}

std::string Head(const Session& session, const Json& status) {
  bool gateway = false;
  for (const Json& node : status["cluster"]["nodes"].items()) gateway = gateway || (node["self"].boolean() && node["gateway"].boolean());
  return session.Bold(std::format("egressd {} on {}{}", status["version"].text(), status["node"].text(), gateway ? " · gateway" : "")) +
         "\n\n";
}

std::string PolicyLine(const Json& status) {
  const Json& policy = status["policy"];
  if (policy["generation"].integer() == 0) return "none yet (egressctl apply -f policy.yaml)";
  return std::format("generation {} ({})", policy["generation"].integer(), policy["digest"].text().substr(0, 8));
}

std::string ClusterLine(const Session& session, const Json& status) {
  const Json& cluster = status["cluster"];
  const std::int64_t generation = status["policy"]["generation"].integer();
  std::int64_t same = 0;
  for (const Json& node : cluster["nodes"].items()) {
    const bool lives = node["state"].text() == "alive" || node["state"].text() == "drained";
    if (lives && node["generation"].integer() == generation) ++same;
  }
  const auto alive = cluster["alive"].integer();
  const auto total = cluster["total"].integer();
  std::string count = std::format("{} of {} alive", alive, total);
  if (alive < total) count = session.Red(count);
  return std::format("{} · {} · same generation on {} of {}{}", cluster["name"].text(), count, same, alive,
                     status["synced"].boolean() ? "" : session.Yellow(" · still joining"));
}

std::string DatapathLine(const Session& session, const Json& status) {
  const Json& datapath = status["datapath"];
  std::string out = datapath["in_sync"].boolean() ? session.Green("in sync") : session.Red("not in sync");
  out += std::format(" · {}", Count(static_cast<std::size_t>(datapath["corrections"].integer()), "correction"));
  for (const auto& [name, packets] : datapath["counters"].members()) {
    if (packets.integer() > 0) out += std::format(" · {} {}", packets.integer(), name);
  }
  return out;
}

std::string RejectedLine(const Session& session, const Json& status) {
  std::vector<std::string> parts;
  for (const auto& [name, count] : status["cluster"]["rejected"].members()) {
    if (count.integer() > 0) parts.push_back(std::format("{} {}", count.integer(), name));
  }
  return parts.empty() ? "" : std::format("  Gossip     {}\n", session.Yellow("rejected: " + Join(parts, " · ")));
}

std::string Section(const Session& session, const std::string& name, const Json& items) {
  if (items.items().empty()) return "";
  for (const Kind& kind : Kinds()) {
    if (name == kind.name) return '\n' + Listing(session, kind, items);
  }
  return "";
}

std::string HealthSection(const Session& session, const Json& health) {
  std::size_t errors = 0;
  for (const Json& finding : health.items()) errors += finding["severity"].text() == "error" ? 1U : 0U;
  const std::size_t warnings = health.items().size() - errors;
  if (health.items().empty()) return "\nHealth: " + session.Green("ok") + '\n';
  std::vector<std::string> counts;
  if (errors > 0) counts.push_back(session.Red(Count(errors, "error")));
  if (warnings > 0) counts.push_back(session.Yellow(Count(warnings, "warning")));
  std::string out = "\nHealth: " + Join(counts, ", ") + '\n';
  for (const Json& finding : health.items()) {
    const std::string& object = finding["object"].text();
    out += std::format("  {} {}{}{}\n", finding["code"].text(), object, object.empty() ? "" : "  ", finding["text"].text());
    if (!finding["hint"].text().empty()) out += std::format("       try  {}\n", finding["hint"].text());
  }
  return out;
}

}  // namespace

int Status(Session& session) {
  const auto answer = session.Ask("GetStatus", Json::Object{{"connections", true}});
  if (!answer && answer.error().exit_code == kNotRunning) return NotRunning(session, answer.error());
  if (!answer) return session.Complain(answer.error());
  if (session.structured()) {
    session.Print(*answer);
    return kDone;
  }
  const Json& status = *answer;
  std::string out = Head(session, status);
  out += "  Policy     " + PolicyLine(status) + '\n';
  out += "  Cluster    " + ClusterLine(session, status) + '\n';
  out += "  Datapath   " + DatapathLine(session, status) + '\n';
  out += RejectedLine(session, status);
  out += Section(session, "nodes", status["cluster"]["nodes"]);
  out += Section(session, "ips", status["egress_ips"]);
  out += Section(session, "policies", status["policies"]);
  session.Print(out + HealthSection(session, status["health"]));
  return kDone;
}

}  // namespace egressd::ctl
