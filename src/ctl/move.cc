// egressctl move: one egress IP to another node of its gateway, without loss.
#include <format>

#include "ctl/handover.h"
#include "ctl/verbs.h"
#include "egressd/base/address.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

using control::Json;

namespace {

void PrintStructured(const Session& session, const Json& order, const Handover& handover) {
  const bool moved = !handover.moved.empty();
  session.Print(Json::Object{{"schema", "egressd.move/v1"},
                             {"ip", order["ip"]},
                             {"from", order["from"]},
                             {"node", order["node"]},
                             {"changed", order["changed"]},
                             {"moved", moved},
                             {"ms", moved ? Json(handover.moved.front().after_ms) : Json()}});
}

}  // namespace

int Move(Session& session) {
  const auto patience = PatienceOf(session);
  if (!patience) return session.Complain(patience.error());
  const std::string ip = session.arguments().Text("ip");
  if (!IpAddress::Parse(ip)) {
    return session.Complain({.exit_code = kUsage, .message = ip + " is not an IP address", .hint = "egressctl move 203.0.113.10 gw2"});
  }
  const auto order = session.Ask("Move", Json::Object{{"ip", ip}, {"node", session.arguments().Text("node")}});
  if (!order) return session.Complain(order.error());
  const std::string& address = (*order)["ip"].text();
  const std::string& node = (*order)["node"].text();
  if (!(*order)["changed"].boolean()) {
    if (session.structured()) {
      PrintStructured(session, *order, {});
    } else {
      session.Say(std::format("{} holds {} already", node, address));
    }
    return kDone;
  }

  const auto handover = Follow(session, {.ips = {address}, .to = node}, *patience);
  if (!handover) return session.Complain(handover.error());
  if (session.structured()) {
    PrintStructured(session, *order, *handover);
    return handover->moved.empty() ? kTimedOut : kDone;
  }
  if (!handover->moved.empty()) {
    session.Say(std::format("{} → {} in {} ms", address, node, handover->moved.front().after_ms));
    return kDone;
  }
  if (handover->remaining.empty()) {
    return session.Complain({.exit_code = kNoSuchObject, .message = std::format("no policy uses {} any more", address)});
  }
  return session.Complain({.exit_code = kTimedOut,
                           .message = std::format("not within {}: {}", WaitText(session), ToText(handover->remaining)),
                           .hint = "the order stands; egressctl get ips"});
}

}  // namespace egressd::ctl
