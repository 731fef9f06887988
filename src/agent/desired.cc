// From view and policy to what the kernel shall look like.
#include <algorithm>
#include <format>

#include "agent/body.h"
#include "agent/identity.h"
#include "egressd/base/hash.h"
#include "egressd/placement/place.h"

namespace egressd::agent {
namespace {

// `egress_ip: node` has no address to place; every source node spreads its policies by a key of its own.
IpAddress PlacementKey(const std::string& node, const std::string& policy) {
  std::array<std::uint8_t, 16> bytes{};
  const std::uint64_t first = StableHash(node), second = StableHash(policy, first);
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::uint8_t>(first >> (8 * i));
    bytes[8 + i] = static_cast<std::uint8_t>(second >> (8 * i));
  }
  return IpAddress::Ipv6(bytes);
}

}  // namespace

bool Agent::Body::IsGatewayNode(const std::string& gateway, const std::string& name, const policy::Labels& labels) const {
  const Compiled& compiled = current();
  if (!compiled.selection) return false;
  const auto found = compiled.selection->set().gateways.find(gateway);
  return found != compiled.selection->set().gateways.end() && policy::Matches(found->second.nodes, name, labels);
}

void Agent::Body::UpdateUnable() {
  unable.clear();
  if (!current().selection) return;
  const policy::PolicySet& set = current().selection->set();
  std::map<std::string, bool> mine;
  for (const auto& [address, gateway] : current().gateway_of) {
    auto [entry, fresh] = mine.try_emplace(gateway, false);
    if (fresh) {
      const auto found = set.gateways.find(gateway);
      const policy::NodeConfig::Node& self = settings.config.node;
      entry->second = found != set.gateways.end() && policy::Matches(found->second.nodes, self.name, self.labels);
    }
    if (!entry->second) continue;
    const auto device = plan::UplinkFor(set, settings.config, host, gateway, address);
    const state::HostDevice* uplink = device ? host.Device(*device) : nullptr;
    if (uplink == nullptr || !uplink->running || refused.contains(address)) unable.push_back(address);
  }
}

void Agent::Body::UpdateHolding(Time at, Output& output) {
  if (leaving) return;
  const gossip::Record own = OwnRecord();
  HoldingView view{.self = own.name, .nodes = View(own), .set = nullptr, .gateway_of = current().gateway_of, .may_take = false};
  if (current().selection) view.set = &current().selection->set();
  view.may_take = ready() && may_take_at == kNever;
  const Holding holding = Decide(view);
  claims.clear();
  for (const gossip::Claim& claim : holding.claims) claims[claim.address] = claim.term;
  std::vector<Note>& notes = pending ? pending->notes : output.notes;
  for (const IpAddress& address : holding.taken) {
    const std::string object = address.ToString();
    notes.push_back({.kind = "ip.taken", .text = std::format("{} taken (term {})", object, claims[address]), .object = object});
  }
  for (const GivenUp& given_up : holding.given_up) {
    announcer.Stop(given_up.address);
    notes.push_back({.kind = "ip.released", .text = std::format("{} released: {}", given_up.address.ToString(), given_up.reason),
                            .object = given_up.address.ToString()});
  }
  // Somebody else had it as well and may have told the network so: say again where it is.
  for (const IpAddress& address : holding.contested) {
    if (committed_addresses.contains(address)) announcer.Start(at, address);
  }
}

std::vector<plan::Peer> Agent::Body::Peers(const std::vector<NodeView>& nodes) const {
  const std::uint16_t last = LastTunnelNumber(settings.config.tunnel);
  std::vector<const NodeView*> order;
  for (const NodeView& node : nodes) {
    if (node.record->name != settings.config.node.name && node.record->presence != gossip::Presence::kLeft) order.push_back(&node);
  }
  // Two nodes with one number are being sorted out: until then the living one, then the one with the earlier name.
  std::ranges::stable_sort(order, [](const NodeView* a, const NodeView* b) { return a->lives && !b->lives; });
  std::set<std::uint16_t> used{tunnel_number};
  std::vector<plan::Peer> peers;
  for (const NodeView* node : order) {
    const gossip::Record& record = *node->record;
    if (record.tunnel_number == 0 || record.tunnel_number > last || record.underlay.is_unspecified()) continue;
    if (record.underlay == *underlay || !used.insert(record.tunnel_number).second) continue;
    peers.push_back({.name = record.name,
                     .underlay = record.underlay,
                     .identity = plan::IdentityOf(record.tunnel_number, settings.config.tunnel)});
  }
  std::ranges::sort(peers, {}, &plan::Peer::name);
  return peers;
}

std::map<EgressId, plan::Carrier> Agent::Body::Carriers(const std::vector<NodeView>& nodes) const {
  const std::string& self = settings.config.node.name;
  const gossip::Claims known = ClaimsOf(nodes);
  const auto carried_by = [&](const std::string& node) -> plan::Carrier {
    if (node.empty()) return {};
    if (node == self) return {.kind = plan::Carrier::Kind::kSelf, .peer = ""};
    return {.kind = plan::Carrier::Kind::kPeer, .peer = node};
  };
  std::map<EgressId, plan::Carrier> carriers;
  for (const policy::Binding& binding : current().generation.bindings.bindings) {
    if (binding.egress_ip) {
      const gossip::Hold* holder = known.HolderOf(*binding.egress_ip);
      carriers[binding.id] = carried_by(holder != nullptr ? holder->node : "");
      continue;
    }
    if (IsGatewayNode(binding.gateway, self, settings.config.node.labels) && !leaving) {
      carriers[binding.id] = carried_by(self);
      continue;
    }
    std::vector<placement::Candidate> alive, living;
    for (const NodeView& node : nodes) {
      if (node.record->name == self || !node.lives || !IsGatewayNode(binding.gateway, node.record->name, node.record->labels)) continue;
      living.push_back({.node = node.record->name});
      if (node.alive && node.record->ready) alive.push_back({.node = node.record->name});
    }
    const IpAddress key = PlacementKey(self, binding.policy);
    std::map<IpAddress, std::string> present;
    if (const auto current_node = node_carriers.find(binding.policy); current_node != node_carriers.end()) {
      if (std::ranges::contains(living, current_node->second, &placement::Candidate::node)) present[key] = current_node->second;
    }
    const std::vector<placement::Candidate>& candidates = !present.empty() || alive.empty() ? living : alive;
    carriers[binding.id] = carried_by(placement::Place({key}, candidates, present)[key]);
  }
  return carriers;
}

void Agent::Body::UpdateInputs() {
  const gossip::Record own = OwnRecord();
  const std::vector<NodeView> nodes = View(own);
  const Compiled& compiled = current();
  plan::Inputs next;
  next.config = &settings.config;
  next.selection = compiled.selection.get();
  next.bindings = &compiled.generation.bindings.bindings;
  next.host = &host;
  next.underlay = *underlay;
  next.self = plan::IdentityOf(tunnel_number, settings.config.tunnel);
  next.peers = Peers(nodes);
  std::vector<SlotTable::Gateway> gateways;
  if (compiled.selection) {
    for (const plan::Peer& peer : next.peers) {
      const gossip::Record& record = membership.members().at(peer.name).record;
      const bool selected = std::ranges::any_of(compiled.selection->set().gateways, [&](const auto& entry) {
        return policy::Matches(entry.second.nodes, record.name, record.labels);
      });
      if (selected) gateways.push_back({.name = peer.name, .tunnel_ipv4 = peer.identity.ipv4, .tunnel_ipv6 = peer.identity.ipv6});
    }
  }
  slots.Assign(gateways);
  next.slots = slots.slots();
  next.carriers = Carriers(nodes);
  for (auto& [id, carrier] : next.carriers) {
    if (carrier.kind == plan::Carrier::Kind::kPeer && !next.slots.contains(carrier.peer)) carrier = {};  // no way to it
  }
  node_carriers.clear();
  for (const policy::Binding& binding : *next.bindings) {
    const plan::Carrier& carrier = next.carriers[binding.id];
    if (!binding.egress_ip && carrier.kind == plan::Carrier::Kind::kPeer) node_carriers[binding.policy] = carrier.peer;
  }
  for (const auto& [address, term] : claims) {
    if (compiled.gateway_of.contains(address)) next.holds[address] = {};
  }
  if (next == inputs) return;
  const auto is_peer = [](const plan::Carrier& carrier) { return carrier.kind == plan::Carrier::Kind::kPeer; };
  for (const auto& [id, carrier] : next.carriers) {
    const auto former = inputs.carriers.find(id);
    if (former != inputs.carriers.end() && is_peer(former->second) != is_peer(carrier)) recheck = true;  // other translations: see MayStay
  }
  inputs = std::move(next);
  build_needed = true;
}

void Agent::Body::ForgetPolicyOfInputs() {
  inputs.selection = nullptr;
  inputs.bindings = &in_force->generation.bindings.bindings;
  inputs.carriers.clear();
}

void Agent::Body::Rebuild(Output& output) {
  if (build_needed) {
    build_needed = false;
    state::State next = plan::Build(inputs);
    if (next != desired) {
      desired = std::move(next);
      commit_needed = true;
    }
  }
  const bool apply_waits = pending && pending->revision == 0;
  if (!commit_needed && !(apply_waits && (committed_revision != revision || !kernel_error.empty()))) {
    if (apply_waits) {  // nothing to do for the kernel: it is in force as it is
      FinishApply(output);
      output.recheck_connections = true;
      recheck = false;
    }
    return;
  }
  commit_needed = false;
  output.commit = ++revision;
  if (apply_waits) pending->revision = revision;
}

}  // namespace egressd::agent
