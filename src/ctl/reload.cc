// egressctl reload: the daemon reads node file, policy_file and drop-ins again.
#include <cstdio>
#include <format>

#include "ctl/input.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/files.h"
#include "egressd/control/server.h"

namespace egressd::ctl {

using control::Json;

int Reload(Session& session) {
  const auto answer = session.Call("Reload", Json::Object{});
  if (!answer) return session.Complain(answer.error());
  if (answer->error == control::kInvalid && !session.structured()) {
    const auto findings = FindingsIn(answer->parameters);
    const std::string file = findings.empty() ? "" : findings.front().file;
    const auto text = control::ReadFile(file);
    std::fputs((RenderAll(findings, text ? *text : "", session.arguments().color) + Summary(findings, file)).c_str(), stderr);
    return kInvalidConfiguration;
  }
  if (!answer->error.empty()) return session.Complain(session.FromRefusal(*answer));
  if (session.structured()) {
    Json out = Json::Object{{"schema", "egressd.reload/v1"}};
    for (const auto& [name, value] : answer->parameters.members()) out.Set(name, value);
    session.Print(out);
    return kDone;
  }
  for (const Json& note : answer->parameters["notes"].items()) session.Say("note: " + note.text());
  session.Say(std::format("reloaded, generation {}", answer->parameters["generation"].integer()));
  return kDone;
}

}  // namespace egressd::ctl
