// What the operator orders: drain, undrain, move.
#include <algorithm>
#include <format>

#include "agent/body.h"

namespace egressd::agent {

void Agent::Body::SetDrained(Time at, const Drain& order, Output& output) {
  drain_ends = order.on && order.lasts ? at + *order.lasts : kNever;
  if (drained == order.on) return;
  drained = order.on;
  view_changed = true;
  const std::string& name = settings.config.node.name;
  output.notes.push_back({.kind = order.on ? "node.drained" : "node.undrained",
                          .text = order.on ? std::format("{} hands over what it holds and takes nothing", name)
                                           : std::format("{} may hold egress IPs again", name),
                          .object = name});
}

void Agent::Body::Take(Time at, const Drain& input, Output& output) {
  const std::string& node = input.node;
  if (node.empty() || node == settings.config.node.name) return SetDrained(at, input, output);
  const auto member = membership.members().find(node);
  if (member == membership.members().end()) return;
  const auto seconds = input.lasts ? std::chrono::ceil<std::chrono::seconds>(*input.lasts).count() : 0;
  SendLetter(member->second.record.gossip, DrainOrder{.on = input.on, .seconds = static_cast<std::uint32_t>(seconds)});
}

void Agent::Body::Receive(Time at, const DrainOrder& order, Output& output) {
  Drain drain{.on = order.on};
  if (order.seconds > 0) drain.lasts = std::chrono::seconds(order.seconds);
  SetDrained(at, drain, output);
}

void Agent::Body::Take(Time at, const Move& input, Output& output) {
  OrderResult result{.request = input.request};
  const auto refuse = [&](ErrorKind kind, std::string why) {
    result.error = Error{kind, std::move(why)};
    output.orders.push_back(std::move(result));
  };
  if (!in_force->gateway_of.contains(input.address)) {
    return refuse(ErrorKind::kNotFound, std::format("{} is no egress IP of the policy in force", input.address.ToString()));
  }
  const gossip::Record own = OwnRecord();
  const HoldingView view = ViewForHolding(at, own);
  const auto known = [&](const NodeView& node) { return node.record->name == input.node; };
  if (std::ranges::none_of(view.nodes, known)) return refuse(ErrorKind::kNotFound, std::format("there is no node {}", input.node));
  const gossip::Claims everybody = ClaimsOf(view.nodes);
  const gossip::Hold* holder = everybody.HolderOf(input.address);
  if (holder == nullptr) return refuse(ErrorKind::kUnavailable, "no node holds it now");
  if (holder->node == input.node) {
    output.orders.push_back(std::move(result));
    return;
  }
  if (!CanTake(view, input.node, input.address)) {
    return refuse(ErrorKind::kInvalid, std::format("{} cannot hold it: it is not alive and ready, drained, not of this gateway, or has no uplink "
                                                   "for it", input.node));
  }
  if (holder->node == own.name) {
    moves[input.address] = input.node;
    not_offered.erase(input.address);
    view_changed = true;
  } else if (const auto member = membership.members().find(holder->node); member != membership.members().end()) {
    SendLetter(member->second.record.gossip, MoveOrder{.address = input.address, .node = input.node});
  }
  output.orders.push_back(std::move(result));
}

void Agent::Body::Take(Time, const HealthVerdict& input, Output& output) {
  const bool was = !unhealthy.contains(input.gateway);
  if (input.healthy) {
    unhealthy.erase(input.gateway);
  } else {
    unhealthy[input.gateway] = input.text;
  }
  if (was == input.healthy) return;
  view_changed = true;
  output.notes.push_back({.kind = input.healthy ? "gateway.healthy" : "gateway.unhealthy",
                          .text = input.healthy ? std::format("health checks of gateway {} succeed", input.gateway)
                                                : std::format("gateway {}: {}", input.gateway, input.text),
                          .object = input.gateway, .warning = !input.healthy});
}

void Agent::Body::Receive(const MoveOrder& order) {
  if (!claims.contains(order.address)) return;
  moves[order.address] = order.node;
  not_offered.erase(order.address);
  view_changed = true;
}

}  // namespace egressd::agent
