// From view and policy to what the kernel shall look like.
#include <algorithm>
#include <format>

#include "agent/body.h"
#include "agent/identity.h"
#include "egressd/base/hash.h"
#include "egressd/placement/place.h"

namespace egressd::agent {
namespace {

constexpr std::size_t kSeenTerms = 65'536;
constexpr Duration kNetworksKept{30'000'000};
// Reading all of connection tracking takes as long as a failover: that comes first.
constexpr Duration kRecheckAfterMove{100'000};

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
    const auto uplink = plan::UplinkFor(set, settings.config, host, gateway, address);
    const state::HostDevice* carrier = uplink ? host.Device(uplink->parent) : nullptr;
    if (carrier == nullptr || !carrier->running || refused.contains(address) || unhealthy.contains(gateway)) unable.push_back(address);
  }
}

// Which networks this node tells of, and whose each is.
void Agent::Body::UpdateNetworks(Time at) {
  // After a restart the workloads are found one after the other.
  if (forget_networks_at == kNever) forget_networks_at = at + kNetworksKept;
  if (!former_networks.empty() && forget_networks_at <= at) {
    former_networks.clear();
    networks_in_doubt = true;
  }
  if (!synced || !underlay || !std::exchange(networks_in_doubt, false)) return;
  plan::Inputs local;
  local.config = &settings.config;
  local.host = &host;
  local.underlay = *underlay;
  local.selection = current().selection.get();
  const gossip::Record own = OwnRecord();
  std::vector<Prefix> wanted = plan::KeptNetworks(local);
  for (const gossip::Network& former : former_networks) wanted.push_back(former.prefix);
  std::ranges::sort(wanted);
  wanted.erase(std::ranges::unique(wanted).begin(), wanted.end());
  std::vector<gossip::Network> next = TellNetworks(wanted, networks, View(own), own.name);
  if (next == networks) return;
  networks = std::move(next);
  view_changed = true;
}

// What of a peer's networks this node can route back: not what it is connected to itself, where the same addresses are others.
std::vector<Prefix> Agent::Body::RoutedBack(const std::string& node) const {
  const auto found = grants.networks.find(node);
  if (found == grants.networks.end()) return {};
  std::vector<Prefix> result = found->second;
  std::erase_if(result, [&](const Prefix& network) { return plan::ConnectedOverlap(host, network).has_value(); });
  return result;
}

HoldingView Agent::Body::ViewForHolding(Time at, const gossip::Record& own) {
  HoldingView view{.self = own.name, .nodes = View(own), .set = nullptr, .gateway_of = current().gateway_of, .apart = current().apart,
                   .may_take = false};
  if (current().selection) view.set = &current().selection->set();
  view.may_take = ready() && may_take_at == kNever && leases.fenced_until <= at && HasQuorum();
  for (const NodeView& node : view.nodes) {
    for (const gossip::Claim& claim : node.record->claims) {
      std::uint64_t& seen = conflicts.seen_terms[claim.address];
      seen = std::max(seen, claim.term);
    }
  }
  // Those of addresses that a policy no longer has are kept: the next one may have them again.
  if (conflicts.seen_terms.size() > kSeenTerms)
    std::erase_if(conflicts.seen_terms, [&](const auto& entry) { return !view.gateway_of.contains(entry.first); });
  view.seen_terms = conflicts.seen_terms;
  view.offered = OfferedAndSilent(view);
  return view;
}

void Agent::Body::ReleaseAll(std::string_view reason, Output& output) {
  for (const auto& [address, term] : claims) {
    const std::string object = address.ToString();
    output.notes.push_back({.kind = "ip.released", .text = std::format("{} released: {}", object, reason), .object = object});
  }
  claims.clear();
  leases.wanted.clear();
  handover.offerings.clear();
  handover.preparing.clear();
  announcer.StopAll();
}

void Agent::Body::UpdateHolding(Time at, Output& output) {
  if (leaving) return;
  judged = at;
  if (membership.silent()) return ReleaseAll("another node uses this node's name", output);
  const gossip::Record own = OwnRecord();
  const HoldingView view = ViewForHolding(at, own);
  Holding holding = Decide(view);
  const gossip::Claims known = ClaimsOf(view.nodes);
  if (!HasQuorum()) {
    for (const gossip::Claim& claim : std::exchange(holding.claims, {})) {
      holding.given_up.push_back({.address = claim.address, .reason = "this node sees no majority of the cluster"});
    }
    holding.contested.clear();
  }
  leases.wanted.clear();
  std::erase_if(holding.claims, [&](const gossip::Claim& claim) { return !MayClaim(at, claim, holding); });
  std::erase_if(holding.taken, [&](const IpAddress& address) {
    return !std::ranges::contains(holding.claims, address, &gossip::Claim::address);
  });
  std::map<IpAddress, std::uint64_t> next;
  for (const gossip::Claim& claim : holding.claims) next[claim.address] = claim.term;
  for (const auto& [address, term] : claims) {
    const bool said = next.contains(address) || std::ranges::contains(holding.given_up, address, &GivenUp::address);
    if (!said) holding.given_up.push_back({.address = address, .reason = "no majority consents"});
  }
  claims = std::move(next);
  std::vector<Note>& notes = pending ? pending->notes : output.notes;
  for (const IpAddress& address : holding.taken) {
    const std::string object = address.ToString();
    conflicts.held_since[address] = at;
    conflicts.probings.erase(address);
    handover.preparing.erase(address);
    handover.leaving_until.erase(address);
    BeginTakeover(at, address, view, holding, known);
    notes.push_back({.kind = "ip.taken", .text = std::format("{} taken (term {})", object, claims[address]), .object = object});
  }
  for (const GivenUp& given_up : holding.given_up) {
    announcer.Stop(given_up.address);
    conflicts.held_since.erase(given_up.address);
    conflicts.defended.erase(given_up.address);
    handover.moves.erase(given_up.address);
    takeovers.GiveUp(given_up.address);
    const auto offering = handover.offerings.find(given_up.address);
    const gossip::Hold* holder = known.HolderOf(given_up.address);
    const bool handed_over = offering != handover.offerings.end() && holder != nullptr && holder->node == offering->second.to;
    if (handed_over) handover.leaving_until[given_up.address] = at + kLinger;
    if (!view.gateway_of.contains(given_up.address)) handover.former[given_up.address] = at + kFormerLasts;
    if (offering != handover.offerings.end()) handover.offerings.erase(offering);
    notes.push_back({.kind = "ip.released", .text = std::format("{} released: {}", given_up.address.ToString(), given_up.reason),
                            .object = given_up.address.ToString()});
  }
  std::erase_if(conflicts.probings, [&](const auto& entry) {
    return known.HolderOf(entry.first) != nullptr || !view.gateway_of.contains(entry.first);
  });
  AdvanceOfferings(at, view, output);
  Offer(at, view, output);
  Prepare(at, view);
  // Somebody else had it as well and may have told the network so: say again where it is.
  for (const IpAddress& address : holding.contested) {
    const auto [last, first] = conflicts.defended.try_emplace(address, at);
    if (!first && at - last->second < kDefendInterval) continue;
    last->second = at;
    announce_again.insert(address);
  }
  for (const IpAddress& address : std::exchange(announce_again, {})) {
    const auto hold = committed_holds.find(address);
    if (hold != committed_holds.end() && hold->second.standing == plan::Hold::Standing::kHeld) announcer.Start(at, address);
  }
}

void Agent::Body::BeginTakeover(Time at, const IpAddress& address, const HoldingView& view, const Holding& holding,
                                const gossip::Claims& known) {
  using Reason = Takeover::Reason;
  if (view.offered.contains(address)) return takeovers.Begin(at, address, Reason::kHandover, std::nullopt);
  // A dead node's word, unless somebody had it after that one.
  const gossip::Hold* last = known.LastHolderOf(address);
  const auto seen = view.seen_terms.find(address);
  if (last != nullptr && (seen == view.seen_terms.end() || seen->second <= last->term)) {
    const auto member = membership.members().find(last->node);
    const bool dead = member != membership.members().end() && member->second.verdict == gossip::Verdict::kDead;
    return takeovers.Begin(at, address, Reason::kNodeDead, dead ? std::optional(member->second.since) : std::nullopt);
  }
  takeovers.Begin(at, address, holding.new_to_everybody.contains(address) ? Reason::kFirst : Reason::kReleased, std::nullopt);
}

// What placement gives to this node may need more: the consent of a majority, or the word of the uplink that it is free.
bool Agent::Body::MayClaim(Time at, const gossip::Claim& claim, const Holding& holding) {
  const bool taken = std::ranges::contains(holding.taken, claim.address);
  if (IsStrict(claim.address)) {
    if (MayHold(at, claim.address)) return true;
    // Silent for its recipient, and no longer asked for: the claim stands until the recipient's, so that packets are still sent here.
    const auto offering = handover.offerings.find(claim.address);
    if (offering != handover.offerings.end() && offering->second.stage == Offering::Stage::kSilent) return true;
    leases.wanted[claim.address] = claim.term;
    return !taken && leases.unconfirmed.contains(claim.address);
  }
  // An apply asks the kernel at once, so that it can be refused as a whole.
  return !taken || pending || !holding.new_to_everybody.contains(claim.address) || IsProbed(at, claim.address);
}

// What this node does for every egress IP that it has to do with.
std::map<IpAddress, plan::Hold> Agent::Body::Holds(Time at) const {
  using Standing = plan::Hold::Standing;
  std::map<IpAddress, plan::Hold> holds;
  const auto add = [&](const IpAddress& address, Standing standing) {
    if (!current().gateway_of.contains(address)) return;
    holds[address] = {.standing = standing, .lease = LeaseOf(address)};
  };
  if (leases.fenced_until > at) return holds;
  for (const auto& [address, preparation] : handover.preparing) add(address, Standing::kPrepared);
  for (const auto& [address, until] : handover.leaving_until) add(address, Standing::kLeaving);
  for (const auto& [address, term] : claims) {
    if (!MayHold(at, address) && !leases.unconfirmed.contains(address)) continue;
    const auto offering = handover.offerings.find(address);
    const bool stays = offering == handover.offerings.end() || offering->second.stage == Offering::Stage::kOffered;
    add(address, stays ? Standing::kHeld : Standing::kLeaving);
  }
  return holds;
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
                     .identity = plan::IdentityOf(record.tunnel_number, settings.config.tunnel),
                     .networks = RoutedBack(record.name)});
  }
  std::ranges::sort(peers, {}, &plan::Peer::name);
  return peers;
}

const gossip::Hold* Agent::Body::LastHolder(const gossip::Claims& known, const IpAddress& address) const {
  const gossip::Hold* last = known.LastHolderOf(address);
  if (last == nullptr) return nullptr;
  const auto member = membership.members().find(last->node);
  if (member == membership.members().end() || member->second.verdict == gossip::Verdict::kLeft) return nullptr;
  return now < member->second.since + LeaseOf(address).value_or(Duration{0}) ? last : nullptr;
}

std::map<EgressId, plan::Carrier> Agent::Body::Carriers(const std::vector<NodeView>& nodes,
                                                        const std::map<IpAddress, plan::Hold>& holds) const {
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
      // The daemon of a dead holder is dead for certain; its kernel may go on for as long as its lease lasts.
      const bool was_last = holder == nullptr;
      if (was_last) holder = LastHolder(known, *binding.egress_ip);
      carriers[binding.id] = carried_by(holder != nullptr ? holder->node : "");
      carriers[binding.id].was_last = was_last && holder != nullptr;
      if (holder != nullptr && holder->node == self && !holds.contains(*binding.egress_ip)) carriers[binding.id] = {};
      continue;
    }
    if (binding.gateway == policy::kSelf || (IsGatewayNode(binding.gateway, self, settings.config.node.labels) && !leaving)) {
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

void Agent::Body::UpdateInputs(Time at, Output& output) {
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
  grants = GrantNetworks(nodes);
  if (const auto granted = grants.networks.find(own.name); granted != grants.networks.end()) next.networks = granted->second;
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
  next.holds = Holds(at);
  next.carriers = Carriers(nodes, next.holds);
  const auto on_host = [&](const IpAddress& address) {
    return std::ranges::any_of(host.devices, [&](const state::HostDevice& device) {
      return std::ranges::contains(device.addresses, address, &Prefix::address);
    });
  };
  for (const auto& [address, until] : handover.former) {
    if (!compiled.gateway_of.contains(address) && !on_host(address)) next.former.insert(address);
  }
  for (auto& [id, carrier] : next.carriers) {
    if (carrier.kind == plan::Carrier::Kind::kPeer && !next.slots.contains(carrier.peer)) carrier = {};  // no way to it
  }
  node_carriers.clear();
  for (const policy::Binding& binding : *next.bindings) {
    const plan::Carrier& carrier = next.carriers[binding.id];
    if (!binding.egress_ip && carrier.kind == plan::Carrier::Kind::kPeer) node_carriers[binding.policy] = carrier.peer;
  }
  FollowCarriers(at, next.carriers, output);
  for (auto& [id, carrier] : next.carriers) {
    if (carried.restoring.contains(id)) carrier = {};  // until the new gateway knows its ports
  }
  if (next == inputs) return;
  for (const auto& [id, carrier] : next.carriers) {
    if (carrier.kind == plan::Carrier::Kind::kNobody) continue;
    const bool to_peer = carrier.kind == plan::Carrier::Kind::kPeer;
    const auto last = went_to_peer.try_emplace(id, to_peer).first;
    if (std::exchange(last->second, to_peer) != to_peer) recheck_at = std::min(recheck_at, at + kRecheckAfterMove);
  }
  std::erase_if(went_to_peer, [&](const auto& entry) { return !next.carriers.contains(entry.first); });
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
      touched.reset();
      commit_needed = true;
    }
  }
  const bool apply_waits = pending && pending->revision == 0;
  if (!commit_needed && !(apply_waits && (committed_revision != revision || !kernel_error.empty()))) {
    if (apply_waits) {  // nothing to do for the kernel: it is in force as it is
      FinishApply(output);
      RecheckConnections(output);
    }
    return;
  }
  commit_needed = false;
  output.commit = ++revision;
  WakeForCommit(now, output);
  if (apply_waits) pending->revision = revision;
}

}  // namespace egressd::agent
