#include "daemon/journal.h"

#include <algorithm>
#include <chrono>
#include <format>
#include <string_view>

#include "daemon/log.h"

namespace egressd::daemon {

using control::Json;

namespace {
constexpr std::size_t kKeptEvents = 1000;
constexpr std::string_view kConflict = "ip.conflict";
}

std::string WallClock() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return std::format("{:%FT%T}Z", now);
}

void Journal::Add(const agent::Note& note) {
  const std::string line = std::format("{} {}{}{}", note.kind, note.object, note.object.empty() ? "" : ": ", note.text);
  note.warning ? Warn(line) : Info(line);
  ++counts_[note.kind];
  if (note.kind == kConflict) ++conflicts_[note.object];
  Json event = Json::Object{{"time", WallClock()},        {"node", node_},      {"kind", note.kind},
                            {"object", note.object}, {"text", note.text}, {"severity", note.warning ? "warning" : "notice"}};
  std::erase_if(followers_, [](const auto& call) { return !call->is_open(); });
  for (const auto& call : followers_) call->Notify(Json::Object{{"events", Json::Array{event}}});
  events_.push_back(std::move(event));
  if (events_.size() > kKeptEvents) events_.pop_front();
}

void Journal::Serve(std::shared_ptr<control::Call> call) {
  const Json known = Json::Object{{"events", Json::List(events_)}};
  if (!call->follows()) {
    call->Reply(known);
    return;
  }
  call->Notify(known);
  followers_.push_back(std::move(call));
}

}  // namespace egressd::daemon
