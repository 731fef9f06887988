// egressctl drain and undrain: a node hands over what it holds without loss, and takes nothing until that ends.
#include <format>
#include <optional>

#include "ctl/duration.h"
#include "ctl/handover.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

using control::Json;

namespace {

// Whole seconds of --for; nothing when it was not given.
std::expected<std::optional<std::int64_t>, Complaint> SecondsOf(const Session& session) {
  if (!session.arguments().Has("for")) return std::nullopt;
  const auto parsed = ParseDuration(session.arguments().Text("for"));
  if (!parsed) return std::unexpected(Complaint{.exit_code = kUsage, .message = "--for: " + parsed.error().message});
  if (*parsed < std::chrono::seconds(1)) return std::unexpected(Complaint{.exit_code = kUsage, .message = "--for: at least 1s"});
  return std::chrono::ceil<std::chrono::seconds>(*parsed).count();
}

Json NodeParameter(const Session& session) {
  Json out = Json::Object{};
  if (session.arguments().Has("node")) out.Set("node", session.arguments().Text("node"));
  return out;
}

bool IsDrained(const Json& status, const std::string& name) {
  for (const Json& node : status["cluster"]["nodes"].items()) {
    if (node["name"].text() == name) return node["state"].text() == "drained";
  }
  return false;
}

// The last line of a drain that worked.
std::string Summary(const Session& session, const Json& order, const Handover& handover) {
  const std::string& node = order["node"].text();
  const bool limited = session.arguments().Has("for");
  const std::string limit = limited ? WithUnit(session.arguments().Text("for")) : "";
  if (!order["changed"].boolean() && handover.moved.empty()) {
    return std::format("{} was drained already and holds nothing{}", node, limited ? "; this ends in " + limit : "");
  }
  const std::string head = std::format("{} drained{}", node, limited ? " for " + limit : "");
  if (handover.moved.empty()) return head + ": it held nothing";
  return std::format("{}: {} moved in {} ms", head, Count(handover.moved.size(), "egress IP"), handover.moved.back().after_ms);
}

void PrintStructured(const Session& session, const Json& order, const Handover& handover, const std::optional<std::int64_t>& seconds) {
  Json::Array moved, remaining;
  for (const Moved& one : handover.moved) moved.push_back(Json::Object{{"ip", one.ip}, {"to", one.to}, {"ms", one.after_ms}});
  for (const Held& one : handover.remaining) remaining.push_back(Json::Object{{"ip", one.ip}, {"node", one.node}});
  session.Print(Json::Object{{"schema", "egressd.drain/v1"},
                             {"node", order["node"]},
                             {"changed", order["changed"]},
                             {"drained", handover.confirmed},
                             {"for_seconds", seconds},
                             {"moved", moved},
                             {"remaining", remaining}});
}

}  // namespace

int Drain(Session& session) {
  const auto patience = PatienceOf(session);
  if (!patience) return session.Complain(patience.error());
  const auto seconds = SecondsOf(session);
  if (!seconds) return session.Complain(seconds.error());
  Json parameters = NodeParameter(session);
  if (*seconds) parameters.Set("seconds", **seconds);
  const auto order = session.Ask("Drain", parameters);
  if (!order) return session.Complain(order.error());

  const std::string& node = (*order)["node"].text();
  Awaited awaited{.from = node, .confirmed = [&](const Json& status) { return IsDrained(status, node); }};
  if (!session.structured()) awaited.arrived = [&](const Moved& one) { session.Say(std::format("{} → {}", one.ip, one.to)); };
  for (const Json& ip : (*order)["egress_ips"].items()) awaited.ips.insert(ip.text());
  const auto handover = Follow(session, awaited, *patience);
  if (!handover) return session.Complain(handover.error());

  const bool done = handover->remaining.empty() && handover->confirmed;
  if (session.structured()) {
    PrintStructured(session, *order, *handover, *seconds);
    return done ? kDone : kTimedOut;
  }
  if (done) {
    session.Say(Summary(session, *order, *handover));
    return kDone;
  }
  if (handover->remaining.empty()) {
    return session.Complain({.exit_code = kTimedOut,
                             .message = std::format("not within {}: {} has not said that it is drained", WaitText(session), node),
                             .hint = "the order stands; egressctl get nodes"});
  }
  return session.Complain({.exit_code = kTimedOut,
                           .message = std::format("not within {}: {}", WaitText(session), ToText(handover->remaining)),
                           .hint = "the order stands; egressctl get gateways shows who else could take them"});
}

int Undrain(Session& session) {
  const auto order = session.Ask("Undrain", NodeParameter(session));
  if (!order) return session.Complain(order.error());
  const std::string& node = (*order)["node"].text();
  const bool changed = (*order)["changed"].boolean();
  if (session.structured()) {
    session.Print(Json::Object{{"schema", "egressd.undrain/v1"}, {"node", node}, {"changed", changed}});
  } else {
    session.Say(node + (changed ? " takes egress IPs again" : " was not drained"));
  }
  return kDone;
}

}  // namespace egressd::ctl
