// egressctl diff: what apply would change, without doing it. Exit 0 nothing, 1 something.
#include <cstdio>
#include <format>

#include "ctl/changes.h"
#include "ctl/input.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/server.h"

namespace egressd::ctl {

using control::Json;

int Diff(Session& session) {
  const auto checked = ReadAndCheck(session);
  if (!checked) return checked.error();
  const auto answer = session.Call("Diff", Json::Object{{"text", checked->input.text()}, {"file", checked->input.name()}});
  if (!answer) return session.Complain(answer.error());
  if (answer->error == control::kInvalid) {
    auto findings = FindingsIn(answer->parameters);
    checked->input.TraceBack(findings);
    return ComplainAbout(session, checked->input, std::move(findings));
  }
  if (!answer->error.empty()) return session.Complain(session.FromRefusal(*answer));

  const Json& found = answer->parameters;
  WarnAbout(session, *checked, found);
  const bool different = AnyChange(found["changes"]) || !found["effects"].items().empty();
  const int exit_code = different ? kFailed : kDone;
  if (session.structured()) {
    session.Print(Json::Object{{"schema", "egressd.diff/v1"},
                               {"different", different},
                               {"generation", found["generation"]},
                               {"changes", found["changes"]},
                               {"effects", found["effects"]},
                               {"findings", found["findings"]},
                               {"connections", found["connections"]}});
    return exit_code;
  }
  if (!different) {
    session.Say(std::format("no difference to generation {}", found["generation"].integer()));
    return exit_code;
  }
  std::string out = std::format("--- running (generation {})\n+++ {}\n", found["generation"].integer(), checked->input.name());
  out += Difference(session, found["changes"]);
  if (!found["effects"].items().empty()) out += "\nEffect\n";
  for (const Json& effect : found["effects"].items()) out += "  " + effect.text() + '\n';
  out += std::format("\nPlan: {}.", CountOfChanges(found["changes"]));
  if (const auto ending = found["connections"].integer(); ending > 0)
    out += std::format(" {} end.", Count(static_cast<std::size_t>(ending), "connection"));
  session.Say(out);
  return exit_code;
}

}  // namespace egressd::ctl
