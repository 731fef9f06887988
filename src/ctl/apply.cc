// egressctl apply: validate, hand over to the daemon, watch the other nodes follow. Without a daemon: validate and store.
#include <chrono>
#include <cstdio>
#include <format>
#include <map>
#include <thread>

#include "ctl/changes.h"
#include "ctl/duration.h"
#include "ctl/input.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/files.h"
#include "egressd/control/server.h"

namespace egressd::ctl {

using control::Json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kDefaultWait{10'000};
constexpr milliseconds kBetweenLooks{50};

int Store(const Session& session, const Checked& checked) {
  policy::NodeConfig config;
  if (const auto text = control::ReadFile(session.arguments().config)) {
    auto parsed = yaml::ParseNodeConfig(*text, session.arguments().config);
    if (!parsed.ok()) {
      std::fputs(RenderAll(parsed.findings, *text, session.arguments().color).c_str(), stderr);
      return session.Complain(
          {.exit_code = kInvalidConfiguration, .message = session.arguments().config + " is invalid: the policy was not stored"});
    }
    config = std::move(parsed.value);
  } else if (text.error().kind != ErrorKind::kNotFound) {
    return session.Complain(text.error());
  }
  const std::string path = config.policy_file;
  const auto before = control::ReadFile(path);
  const bool same = before && *before == checked.input.text();
  if (!same) {
    if (const auto slash = path.rfind('/'); slash != std::string::npos && slash > 0) {
      if (auto made = control::MakeDirectory(path.substr(0, slash), 0755); !made) return session.Complain(made.error());
    }
    if (auto written = control::WriteFile(path, checked.input.text(), 0644); !written) return session.Complain(written.error());
  }
  if (session.structured()) {
    session.Print(Json::Object{{"schema", "egressd.apply/v1"}, {"running", false}, {"stored", path}, {"changed", !same}});
    return kDone;
  }
  session.Say(std::format("{}: valid ({})\n{} {}\negressd is not running: the policy takes effect with `systemctl start egressd`",
                          checked.input.name(), Contents(checked.set), same ? "already stored as" : "stored as", path));
  return kDone;
}

struct Follower {
  std::string name;
  std::int64_t after_ms = 0;
};

// Which nodes had the generation how long after it was in force here; the others are in `missing`.
struct Followed {
  std::vector<Follower> nodes;
  std::vector<std::string> missing;
  std::optional<Complaint> lost;
};

Followed Watch(Session& session, std::int64_t generation, milliseconds patience) {
  Followed out;
  std::map<std::string, std::int64_t> seen;
  const auto begin = steady_clock::now();
  for (;;) {
    const auto status = session.Ask("GetStatus", Json::Object{});
    const auto after = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
    if (!status) {
      out.lost = status.error();
      return out;
    }
    out.missing.clear();
    for (const Json& node : (*status)["cluster"]["nodes"].items()) {
      const std::string& name = node["name"].text();
      if (node["generation"].integer() >= generation) {
        seen.emplace(name, after.count());
      } else if (node["state"].text() == "alive" || node["state"].text() == "drained") {
        out.missing.push_back(name);
      }
    }
    if (out.missing.empty() || after >= patience) break;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  for (const auto& [name, after] : seen) out.nodes.push_back({.name = name, .after_ms = after});
  return out;
}

void PrintFollowed(const Session& session, const Json& applied, const Followed& followed) {
  const std::int64_t generation = applied["generation"].integer();
  const std::size_t total = followed.nodes.size() + followed.missing.size();
  if (session.structured()) {
    Json::Array nodes;
    for (const Follower& node : followed.nodes)
      nodes.push_back(Json::Object{{"name", node.name}, {"followed", true}, {"ms", node.after_ms}});
    for (const std::string& name : followed.missing) nodes.push_back(Json::Object{{"name", name}, {"followed", false}, {"ms", Json()}});
    session.Print(Json::Object{{"schema", "egressd.apply/v1"},
                               {"running", true},
                               {"generation", generation},
                               {"changes", applied["changes"]},
                               {"effects", applied["effects"]},
                               {"findings", applied["findings"]},
                               {"nodes", nodes}});
    return;
  }
  std::vector<std::string> parts;
  for (const Follower& node : followed.nodes) parts.push_back(std::format("{} {} {} ms", node.name, session.Green("ok"), node.after_ms));
  for (const std::string& name : followed.missing) parts.push_back(std::format("{} {}", name, session.Red("waiting")));
  session.Say(std::format("{}   generation {} on {} of {} nodes", Join(parts, "   "), generation, followed.nodes.size(), total));
}

}  // namespace

int Apply(Session& session) {
  milliseconds patience = kDefaultWait;
  if (session.arguments().Has("wait")) {
    const auto parsed = ParseDuration(session.arguments().Text("wait"));
    if (!parsed) return session.Complain({.exit_code = kUsage, .message = "--wait: " + parsed.error().message});
    patience = *parsed;
  }
  const auto checked = ReadAndCheck(session);
  if (!checked) return checked.error();
  if (!checked->warnings.empty() && !session.structured())
    std::fputs(checked->input.Render(checked->warnings, session.arguments().color).c_str(), stderr);

  const auto answer = session.Call("Apply", Json::Object{{"text", checked->input.text()}, {"file", checked->input.name()}});
  if (!answer && answer.error().kind == ErrorKind::kUnavailable && answer.error().message.starts_with("no answer"))
    return Store(session, *checked);
  if (!answer) return session.Complain(answer.error());
  if (answer->error == control::kInvalid) {
    auto findings = FindingsIn(answer->parameters);
    checked->input.TraceBack(findings);
    return ComplainAbout(session, checked->input, std::move(findings));
  }
  if (answer->error == control::kRefused) {
    return session.Complain({.exit_code = kFailed,
                             .message = "the kernel refused: " + answer->parameters["message"].text(),
                             .hint = "nothing was changed, the former policy stays in force"});
  }
  if (!answer->error.empty()) return session.Complain(session.FromRefusal(*answer));

  const Json& applied = answer->parameters;
  WarnAbout(session, *checked, applied);
  if (!session.structured()) {
    session.Say(ListOfChanges(session, applied["changes"]));
    std::string effects;
    for (const Json& effect : applied["effects"].items()) effects += effect.text() + '\n';
    session.Say(effects);
  }
  const Followed followed = Watch(session, applied["generation"].integer(), patience);
  if (followed.lost) return session.Complain(*followed.lost);
  PrintFollowed(session, applied, followed);
  return followed.missing.empty() ? kDone : kTimedOut;
}

}  // namespace egressd::ctl
