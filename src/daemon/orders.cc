// What an operator orders about egress IPs. Answered when the agent has taken the order; status shows how it is carried out.
#include <algorithm>
#include <format>

#include "daemon/service.h"
#include "egressd/control/files.h"

namespace egressd::daemon {

using control::Json;

namespace {

Json Message(std::string text) { return Json::Object{{"message", std::move(text)}}; }

// The node that a call means, this one unless it names another; nullptr: the call has been refused.
const agent::NodeStatus* NodeOf(const agent::Status& status, control::Call& call) {
  const std::string& asked = call.parameters()["node"].text();
  const std::string& name = asked.empty() ? status.node : asked;
  const auto found = std::ranges::find(status.nodes, name, &agent::NodeStatus::name);
  if (found == status.nodes.end()) {
    call.Fail(control::kNoSuchObject, Message("there is no node " + name));
  } else if (found->state == agent::NodeState::kDead || found->state == agent::NodeState::kLeft) {
    const auto* why = found->state == agent::NodeState::kDead ? "is dead" : "has left";
    call.Fail(control::kRefused, Message(std::format("{} {}: it can neither be told nor hold anything", name, why)));
  } else {
    return &*found;
  }
  return nullptr;
}

std::vector<std::string> HeldBy(const agent::Status& status, const std::string& node) {
  std::vector<std::string> out;
  for (const auto& ip : status.egress_ips) {
    if (ip.node == node) out.push_back(ip.address.ToString());
  }
  return out;
}

}  // namespace

void Service::Drain(std::shared_ptr<control::Call> call) {
  const Json& seconds = call->parameters()["seconds"];
  if (!seconds.is_null() && seconds.integer() <= 0) return call->Fail(control::kBadArgument, Message("seconds: at least 1"));
  const agent::Status status = core_->agent().status();
  const auto* node = NodeOf(status, *call);
  if (node == nullptr) return;
  // Also when it is drained already: what is said last about its end is valid.
  agent::Drain order{.on = true, .node = node->self ? "" : node->name};
  if (!seconds.is_null()) order.lasts = std::chrono::seconds(seconds.integer());
  Record(*call, "node.drain", node->name, "drain of " + node->name);
  core_->Feed(order);
  call->Reply(Json::Object{{"node", node->name},
                           {"changed", node->state != agent::NodeState::kDrained},
                           {"egress_ips", Json::List(HeldBy(status, node->name))}});
}

void Service::Undrain(std::shared_ptr<control::Call> call) {
  const agent::Status status = core_->agent().status();
  const auto* node = NodeOf(status, *call);
  if (node == nullptr) return;
  const bool drained = node->state == agent::NodeState::kDrained;
  if (drained) {
    Record(*call, "node.undrain", node->name, "end of the drain of " + node->name);
    core_->Feed(agent::Drain{.on = false, .node = node->self ? "" : node->name});
  }
  call->Reply(Json::Object{{"node", node->name}, {"changed", drained}});
}

void Service::Move(std::shared_ptr<control::Call> call) {
  const auto address = IpAddress::Parse(call->parameters()["ip"].text());
  if (!address) return call->Fail(control::kBadArgument, Message("ip: " + address.error().message));
  const agent::Status status = core_->agent().status();
  const auto found = std::ranges::find(status.egress_ips, *address, &agent::EgressIpStatus::address);
  if (found == status.egress_ips.end()) {
    return call->Fail(control::kNoSuchObject, Message(std::format("no policy uses an egress IP {}", address->ToString())));
  }
  const auto* node = NodeOf(status, *call);
  if (node == nullptr) return;
  const bool there = found->node == node->name && found->state == agent::EgressIpState::kHeld;
  Json answer = Json::Object{{"ip", address->ToString()}, {"from", found->node}, {"node", node->name}, {"changed", !there}};
  if (there) return call->Reply(answer);
  Record(*call, "ip.move", address->ToString(), std::format("move of {} to {}", address->ToString(), node->name));
  core_->Move(*address, node->name, [call, answer = std::move(answer)](const agent::OrderResult& result) {
    if (!result.error) return call->Reply(answer);
    const bool unknown = result.error->kind == ErrorKind::kNotFound;
    call->Fail(unknown ? control::kNoSuchObject : control::kRefused, Message(result.error->message));
  });
}

void Service::Record(const control::Call& call, std::string kind, std::string object, std::string order) {
  journal_->Add({.kind = std::move(kind),
                 .text = std::format("{} ordered by {}", order, control::UserName(call.user())),
                 .object = std::move(object)});
}

}  // namespace egressd::daemon
