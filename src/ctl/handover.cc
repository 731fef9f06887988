#include "ctl/handover.h"

#include <format>
#include <thread>

#include "ctl/duration.h"
#include "ctl/table.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

using control::Json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kDefaultWait{30'000};  // as WaitText says
constexpr milliseconds kBetweenLooks{20};

// What one status says. Addresses that have arrived move from `pending` to `handover.moved`.
void Look(const Json& status, const Awaited& awaited, std::int64_t after_ms, std::set<std::string>& pending, Handover& handover) {
  handover.remaining.clear();
  std::set<std::string> in_use;
  for (const Json& item : status["egress_ips"].items()) {
    const std::string &ip = item["ip"].text(), &node = item["node"].text();
    in_use.insert(ip);
    const bool waits = pending.contains(ip);
    const bool there = awaited.to.empty() ? !node.empty() && node != awaited.from : node == awaited.to;
    if (waits && there && item["state"].text() == "held") {
      pending.erase(ip);
      handover.moved.push_back({.ip = ip, .to = node, .after_ms = after_ms});
      awaited.arrived(handover.moved.back());
    } else if (waits || (!awaited.from.empty() && node == awaited.from)) {
      handover.remaining.push_back({.ip = ip, .node = node});
    }
  }
  std::erase_if(pending, [&](const std::string& ip) { return !in_use.contains(ip); });
  handover.confirmed = awaited.confirmed(status);
}

}  // namespace

std::expected<Handover, Complaint> Follow(Session& session, const Awaited& awaited, milliseconds patience) {
  Handover handover;
  std::set<std::string> pending = awaited.ips;
  const auto begin = steady_clock::now();
  for (;;) {
    const auto status = session.Ask("GetStatus", Json::Object{});
    if (!status) return std::unexpected(status.error());
    const auto after = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
    Look(*status, awaited, after.count(), pending, handover);
    if ((handover.remaining.empty() && handover.confirmed) || after >= patience) return handover;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

std::expected<milliseconds, Complaint> PatienceOf(const Session& session) {
  if (!session.arguments().Has("wait")) return kDefaultWait;
  const auto parsed = ParseDuration(session.arguments().Text("wait"));
  if (!parsed) return std::unexpected(Complaint{.exit_code = kUsage, .message = "--wait: " + parsed.error().message});
  return *parsed;
}

std::string WaitText(const Session& session) {
  return session.arguments().Has("wait") ? WithUnit(session.arguments().Text("wait")) : "30s";
}

std::string ToText(const std::vector<Held>& remaining) {
  std::vector<std::string> parts;
  for (const Held& held : remaining) parts.push_back(std::format("{} holds {}", held.node.empty() ? "nobody" : held.node, held.ip));
  return Join(parts, ", ");
}

std::string WithUnit(std::string duration) {
  if (duration.find_first_not_of("0123456789") == std::string::npos) duration += 's';
  return duration;
}

}  // namespace egressd::ctl
