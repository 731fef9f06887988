// What status and get show.
#include <algorithm>

#include "agent/body.h"
#include "egressd/base/hash.h"

namespace egressd::agent {
NodeState StateOf(gossip::Verdict verdict) {
  switch (verdict) {
    case gossip::Verdict::kAlive: return NodeState::kAlive;
    case gossip::Verdict::kSuspect: return NodeState::kSuspect;
    case gossip::Verdict::kDead: return NodeState::kDead;
    case gossip::Verdict::kLeft: break;
  }
  return NodeState::kLeft;
}

std::string_view ToString(NodeState state) {
  switch (state) {
    case NodeState::kAlive: return "alive";
    case NodeState::kSuspect: return "suspect";
    case NodeState::kDead: return "dead";
    case NodeState::kDrained: return "drained";
    case NodeState::kLeft: break;
  }
  return "left";
}

std::string_view ToString(EgressIpState state) {
  switch (state) {
    case EgressIpState::kHeld: return "held";
    case EgressIpState::kMoving: return "moving";
    case EgressIpState::kUnassigned: return "unassigned";
    case EgressIpState::kConflict: break;
  }
  return "conflict";
}

std::vector<NodeStatus> Agent::Body::NodeStatuses() const {
  std::vector<NodeStatus> nodes;
  const auto add = [&](const gossip::Record& record) -> NodeStatus& {
    NodeStatus status{.name = record.name, .address = record.underlay, .labels = record.labels, .generation = record.policy.number};
    if (record.tunnel_number != 0 && record.tunnel_number <= 65534) {
      status.tunnel_address = plan::IdentityOf(record.tunnel_number, settings.config.tunnel).ipv4;
    }
    if (in_force->selection) {
      status.gateway = std::ranges::any_of(in_force->selection->set().gateways, [&](const auto& entry) {
        return policy::Matches(entry.second.nodes, record.name, record.labels);
      });
    }
    for (const gossip::Claim& claim : record.claims) status.egress_ips.push_back(claim.address);
    nodes.push_back(std::move(status));
    return nodes.back();
  };
  if (underlay) {
    NodeStatus& self = add(OwnRecord());
    self.self = true;
    self.state = leaving ? NodeState::kLeft : drained ? NodeState::kDrained : NodeState::kAlive;
    self.generation = in_force->generation.number;
  }
  for (const auto& [name, member] : membership.members()) {
    NodeStatus& status = add(member.record);
    status.state = StateOf(member.verdict);
    if (status.state == NodeState::kAlive && member.record.drained) status.state = NodeState::kDrained;
    status.bfd = watch.Describe(name);
    status.detection_time = watch.DetectionTime(name);
    if (!status.bfd.empty()) status.path = watch.PathAnswers(name, now) ? "up" : "down";
    status.round_trip = member.round_trip;
    if (!member.lives()) status.egress_ips.clear();
  }
  std::ranges::sort(nodes, {}, &NodeStatus::name);
  return nodes;
}

// On its way from one node to another one, as its holder says.
bool Agent::Body::IsOffered(const IpAddress& address) const {
  return handover.offerings.contains(address) || std::ranges::any_of(membership.members(), [&](const auto& entry) {
    return entry.second.lives() && std::ranges::contains(entry.second.record.offers, address, &gossip::Offer::address);
  });
}

std::vector<EgressIpStatus> Agent::Body::EgressIpStatuses() const {
  std::vector<EgressIpStatus> result;
  if (!underlay) return result;
  const gossip::Record own = OwnRecord();
  const gossip::Claims known = ClaimsOf(View(own));
  const auto held = [&](const IpAddress& address) {
    const auto hold = committed_holds.find(address);
    return hold != committed_holds.end() && hold->second.standing == plan::Hold::Standing::kHeld;
  };
  for (const auto& [address, gateway] : in_force->gateway_of) {
    EgressIpStatus status{.address = address, .gateway = gateway};
    if (const gossip::Hold* holder = known.HolderOf(address)) {
      status.node = holder->node;
      const bool on_its_way = holder->node == own.name && !held(address);
      const bool offered = IsOffered(address);
      status.state = known.Contested(address) ? EgressIpState::kConflict
                     : on_its_way || offered  ? EgressIpState::kMoving
                                              : EgressIpState::kHeld;
      if (holder->node == own.name && held(address)) status.lease = committed_holds.at(address).lease;
    }
    status.held_here = held(address);
    result.push_back(std::move(status));
  }
  for (const policy::Binding& binding : in_force->generation.bindings.bindings) {
    if (!binding.egress_ip) continue;
    const auto found = std::ranges::lower_bound(result, *binding.egress_ip, {}, &EgressIpStatus::address);
    if (found != result.end() && found->address == *binding.egress_ip) {
      found->policies.push_back(binding.policy);
      found->ids.push_back(binding.id);
    }
  }
  for (EgressIpStatus& status : result) std::ranges::sort(status.policies);
  return result;
}

std::vector<PolicyStatus> Agent::Body::PolicyStatuses() const {
  std::vector<PolicyStatus> result;
  if (!in_force->selection) return result;
  const policy::PolicySet& set = in_force->selection->set();
  const auto add = [&](const policy::Policy& one) {
    PolicyStatus status{.name = one.name, .action = one.action, .enabled = one.enabled, .bandwidth = one.bandwidth};
    if (policy::KeepsSource(one)) status.source = policy::Source::kPreserve;
    if (const policy::Gateway* gateway = policy::GatewayOf(set, one); gateway != nullptr && policy::UsesGateway(one)) {
      status.gateway = gateway->name;
    }
    if (policy::LeavesFromOwnNode(one)) status.gateway = policy::kSelf;
    if (one.enabled) status.workloads = in_force->selection->WorkloadCount(one.name);
    result.push_back(std::move(status));
  };
  for (const policy::Policy* one : policy::InOrder(set)) add(*one);
  for (const auto& [name, one] : set.policies) {
    if (!one.enabled) add(one);
  }
  std::map<std::string, PolicyStatus*> by_name;
  for (PolicyStatus& status : result) by_name[status.name] = &status;
  for (const policy::Binding& binding : in_force->generation.bindings.bindings) {
    const auto found = by_name.find(binding.policy);
    if (found == by_name.end()) continue;
    PolicyStatus& status = *found->second;
    status.bindings.push_back(binding);
    const auto carrier = inputs.carriers.find(binding.id);
    if (carrier == inputs.carriers.end() || carrier->second.kind == plan::Carrier::Kind::kNobody) continue;
    const std::string& node = carrier->second.kind == plan::Carrier::Kind::kSelf ? settings.config.node.name : carrier->second.peer;
    if (!std::ranges::contains(status.nodes, node)) status.nodes.push_back(node);
  }
  return result;
}

Status Agent::status() const {
  const Body& body = *body_;
  Status status;
  status.node = body.settings.config.node.name;
  status.synced = body.synced;
  status.generation = body.in_force->generation.number;
  if (body.in_force->selection) status.digest = Hex(DigestOfText(body.in_force->generation.text));
  status.cluster = body.settings.config.cluster.name;
  status.nodes = body.NodeStatuses();
  status.egress_ips = body.EgressIpStatuses();
  status.policies = body.PolicyStatuses();
  status.rejected = body.rejected;
  if (body.keys) {
    status.keys = FingerprintsOf(body.keys->ring().keys);
    status.key_ring = body.keys->ring().number;
  }
  status.health = body.HealthFindings(status);
  return status;
}

}  // namespace egressd::agent
