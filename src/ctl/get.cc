// egressctl get: lists.
#include <algorithm>
#include <chrono>
#include <format>
#include <thread>

#include "ctl/command_line.h"
#include "ctl/listing.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

using control::Json;

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{500};

const Kind* FindKind(const std::string& word) {
  for (const Kind& kind : Kinds()) {
    if (word == kind.name || std::ranges::find(kind.aliases, word) != kind.aliases.end()) return &kind;
  }
  return nullptr;
}

Complaint UnknownKind(const std::string& word) {
  std::vector<std::string> names;
  for (const Kind& kind : Kinds()) names.emplace_back(kind.name);
  const std::string near = Nearest(word, names);
  return {.exit_code = kUsage,
          .message = std::format("unknown kind '{}': nodes, gateways, policies, ips, workloads", word),
          .hint = near.empty() ? "" : "egressctl get " + near};
}

}  // namespace

int Get(Session& session) {
  const Kind* kind = FindKind(session.arguments().Text("kind"));
  if (kind == nullptr) return session.Complain(UnknownKind(session.arguments().Text("kind")));
  Json parameters = Json::Object{{"kind", kind->name}};
  if (session.arguments().Has("name")) parameters.Set("name", session.arguments().Text("name"));
  const bool watch = session.arguments().Has("watch");
  Json before;
  for (;;) {
    const auto answer = session.Ask("List", parameters);
    if (!answer) return session.Complain(answer.error());
    if (*answer != before) {
      if (!before.is_null() && !session.structured()) session.Print(std::string("\n"));
      if (session.structured()) {
        session.Print(*answer);
      } else {
        session.Print(Listing(session, *kind, (*answer)["items"]));
      }
      before = *answer;
    }
    if (!watch) return kDone;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace egressd::ctl
