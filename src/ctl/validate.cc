// egressctl validate: every finding at once, offline, without root.
#include <algorithm>

#include "ctl/input.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/files.h"

namespace egressd::ctl {

namespace {

// What one file came to.
struct Verdict {
  std::vector<policy::Finding> findings;
  std::string rendered;   // findings and their count, or that all is well
};

std::string Rendered(const std::string& findings, const std::string& summary, const std::string& good) {
  return findings + (summary.empty() ? good : summary);
}

std::expected<Verdict, Complaint> CheckPolicy(const Session& session, const std::vector<std::string>& paths) {
  const auto input = Input::Read(paths);
  if (!input) return std::unexpected(input.error());
  auto parsed = input->Parse();
  std::string good = input->name() + ": valid (" + Contents(parsed.value) + ")\n";
  std::string text = Rendered(input->Render(parsed.findings, session.arguments().color), input->Summary(parsed.findings), good);
  return Verdict{.findings = std::move(parsed.findings), .rendered = std::move(text)};
}

std::expected<Verdict, Complaint> CheckNode(const Session& session, const std::string& path) {
  const auto text = control::ReadFile(path);
  if (!text) return std::unexpected(session.FromError(text.error()));
  auto parsed = yaml::ParseNodeConfig(*text, path);
  std::string out =
      Rendered(RenderAll(parsed.findings, *text, session.arguments().color), Summary(parsed.findings, path), path + ": valid\n");
  return Verdict{.findings = std::move(parsed.findings), .rendered = std::move(out)};
}

// Without -f: what the daemon would read.
std::vector<std::expected<Verdict, Complaint>> CheckInstalled(const Session& session) {
  std::vector<std::expected<Verdict, Complaint>> out;
  policy::NodeConfig config;
  if (const auto text = control::ReadFile(session.arguments().config)) {
    out.push_back(CheckNode(session, session.arguments().config));
    if (auto parsed = yaml::ParseNodeConfig(*text, session.arguments().config); parsed.ok()) config = std::move(parsed.value);
  }
  out.push_back(CheckPolicy(session, {config.policy_file}));
  return out;
}

}  // namespace

int Validate(Session& session) {
  std::vector<std::expected<Verdict, Complaint>> verdicts;
  const auto paths = session.arguments().All("file");
  if (paths.empty()) {
    verdicts = CheckInstalled(session);
  } else if (session.arguments().Has("node")) {
    for (const std::string& path : paths) verdicts.push_back(CheckNode(session, path));
  } else {
    verdicts.push_back(CheckPolicy(session, paths));
  }
  std::vector<policy::Finding> findings;
  for (const auto& verdict : verdicts) {
    if (!verdict) return session.Complain(verdict.error());
    std::ranges::copy(verdict->findings, std::back_inserter(findings));
    if (!session.structured() && (policy::HasErrors(verdict->findings) || !session.arguments().quiet)) session.Print(verdict->rendered);
  }
  if (session.structured()) {
    control::Json::Array list;
    for (const policy::Finding& finding : findings) list.push_back(ToJson(finding));
    session.Print(control::Json(list));
  }
  const bool strict = session.arguments().Has("strict") && !findings.empty();
  return policy::HasErrors(findings) || strict ? kInvalidConfiguration : kDone;
}

}  // namespace egressd::ctl
