// egressctl events: what happened, and with -f what happens.
#include <format>

#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

using control::Json;

namespace {

std::string Line(const Session& session, const Json& event) {
  const std::string& time = event["time"].text();  // 2026-11-21T06:10:03.123Z
  const std::string clock = time.size() > 19 && session.format() != Format::kWide ? time.substr(11, 8) : time;
  const std::string kind = event["severity"].text() == "warning" ? session.Yellow(event["kind"].text()) : event["kind"].text();
  const std::string& object = event["object"].text();
  return std::format("{}  {}  {}  {}{}{}", clock, event["node"].text(), kind, object, object.empty() ? "" : "  ", event["text"].text());
}

void PrintEach(const Session& session, const Json& answer) {
  for (const Json& event : answer["events"].items()) {
    if (session.format() == Format::kJson) {
      session.Print(control::ToText(event));
    } else if (session.format() == Format::kYaml) {
      session.Print("---\n" + control::ToYaml(event));
    } else {
      session.Print(Line(session, event));
    }
  }
}

}  // namespace

int Events(Session& session) {
  if (session.arguments().Has("follow")) {
    const auto end = session.Follow("Events", Json::Object{}, [&](const Json& answer) {
      PrintEach(session, answer);
      return true;
    });
    if (!end) return session.Complain(end.error());
    return end->error.empty() ? kDone : session.Complain(session.FromRefusal(*end));
  }
  const auto answer = session.Ask("Events", Json::Object{});
  if (!answer) return session.Complain(answer.error());
  if (session.structured()) {
    session.Print(Json::Object{{"schema", "egressd.events/v1"}, {"items", (*answer)["events"]}});
  } else {
    PrintEach(session, *answer);
  }
  return kDone;
}

}  // namespace egressd::ctl
