#include "agent/connections.h"

#include <algorithm>
#include <format>
#include <map>
#include <tuple>

#include "agent/body.h"

namespace egressd::agent {
namespace {

constexpr Duration kRetry{40'000};
constexpr int kTries = 12;
// A source node sends nothing through an id whose ports were changed before the new gateway knows them: the other end would see a stranger.
constexpr Duration kRestoring{200'000};

// Of workloads that keep their address, two may have the same port to the same destination; which of them the gateway gave another port,
// only it knew. Neither is told of, so that no reply goes to the wrong one.
std::vector<state::Translation> Unambiguous(std::vector<state::Translation> translations) {
  const auto outside = [](const state::Translation& each) {
    return std::tuple(each.id, each.protocol, each.source_port, each.destination, each.destination_port);
  };
  std::map<std::tuple<EgressId, std::uint8_t, std::uint16_t, IpAddress, std::uint16_t>, std::size_t> counts;
  for (const state::Translation& each : translations) ++counts[outside(each)];
  std::erase_if(translations, [&](const state::Translation& each) { return counts.at(outside(each)) > 1; });
  return translations;
}

}  // namespace

void Remaps::Learn(const state::Translation& translation) {
  if (ports_.size() >= kLimit && !ports_.contains(KeyOf(translation))) return;
  ports_[KeyOf(translation)] = translation.translated_port;
}

void Remaps::Complete(state::Translation& translation) const {
  const auto found = ports_.find(KeyOf(translation));
  translation.translated_port = found == ports_.end() ? translation.source_port : found->second;
}

void Remaps::Keep(const std::set<EgressId>& ids, const std::vector<state::Translation>& translations) {
  std::set<Key> present;
  for (const state::Translation& translation : translations) present.insert(KeyOf(translation));
  std::erase_if(ports_, [&](const auto& entry) { return ids.contains(std::get<0>(entry.first)) && !present.contains(entry.first); });
}

bool Remaps::Knows(EgressId id) const {
  const auto found = ports_.lower_bound(Key{id, 0, 0, IpAddress{}, 0});
  return found != ports_.end() && std::get<0>(found->first) == id;
}

std::vector<state::Translation> Remaps::Of(EgressId id, const plan::TunnelIdentity& source) const {
  std::vector<state::Translation> known;
  for (auto at = ports_.lower_bound(Key{id, 0, 0, IpAddress{}, 0}); at != ports_.end() && std::get<0>(at->first) == id; ++at) {
    const auto& [key, port] = *at;
    const IpAddress& destination = std::get<3>(key);
    known.push_back({.id = id,
                     .protocol = std::get<1>(key),
                     .source = destination.family() == Family::kIpv4 ? source.ipv4 : source.ipv6,
                     .destination = destination,
                     .source_port = std::get<2>(key),
                     .destination_port = std::get<4>(key),
                     .translated_port = port,
                     .answered = true});
  }
  return known;
}

void Agent::Body::StartCollecting(Collecting collecting, Output& output) {
  if (collecting.ids.empty()) return;
  const std::uint64_t request = ++carried.last_collection;
  output.collect.push_back({.request = request, .ids = collecting.ids});
  carried.collections.emplace(request, std::move(collecting));
}

// Offers of others that this node has not answered yet.
void Agent::Body::TellOffered(Output& output) {
  std::map<IpAddress, std::pair<std::string, std::string>> offered;
  std::map<std::string, std::set<EgressId>> ids;
  for (const auto& [name, member] : membership.members()) {
    if (!member.lives()) continue;
    for (const gossip::Offer& offer : member.record.offers) {
      if (offer.to == settings.config.node.name) continue;
      offered[offer.address] = {name, offer.to};
      const auto told = carried.told_offers.find(offer.address);
      if (told != carried.told_offers.end() && told->second == offered[offer.address]) continue;
      for (const policy::Binding& binding : current().generation.bindings.bindings) {
        if (binding.egress_ip == offer.address) ids[offer.to].insert(binding.id);
      }
    }
  }
  // The holder is a source node too, and the recipient waits for its word as well.
  for (const auto& [address, offering] : handover.offerings) {
    offered[address] = {settings.config.node.name, offering.to};
    const auto told = carried.told_offers.find(address);
    if (told != carried.told_offers.end() && told->second == offered[address]) continue;
    for (const policy::Binding& binding : current().generation.bindings.bindings) {
      if (binding.egress_ip == address) ids[offering.to].insert(binding.id);
    }
  }
  carried.told_offers = std::move(offered);
  for (auto& [to, of_offer] : ids) StartCollecting({.to = to, .ids = std::move(of_offer), .handover = true}, output);
}

// Which ids go to another peer now than they did before.
void Agent::Body::FollowCarriers(Time at, const std::map<EgressId, plan::Carrier>& next, Output& output) {
  std::map<std::string, std::set<EgressId>> moved;
  for (const auto& [id, carrier] : next) {
    if (carrier.kind != plan::Carrier::Kind::kPeer) continue;
    std::string& last = carried.last_peers[id];
    if (!last.empty() && last != carrier.peer) {
      moved[carrier.peer].insert(id);
      if (carried.remaps.Knows(id)) {
        // What decides how long nothing is sent goes ahead, without a question to the kernel: the ports that would be others.
        carried.restoring[id] = at + kRestoring;
        Deliver(at, carrier.peer, {id}, Connections::Reason::kTakeover, carried.remaps.Of(id, inputs.self));
      }
    }
    last = carrier.peer;
  }
  std::erase_if(carried.last_peers, [&](const auto& entry) { return !next.contains(entry.first); });
  for (auto& [to, ids] : moved) StartCollecting({.to = to, .ids = std::move(ids)}, output);
}

void Agent::Body::Take(Time at, const Collected& input, Output&) {
  const auto found = carried.collections.find(input.request);
  if (found == carried.collections.end()) return;
  const Collecting collecting = std::move(found->second);
  carried.collections.erase(found);
  carried.remaps.Keep(collecting.ids, input.translations);
  if (input.translations.empty() && !collecting.handover) {
    for (const EgressId id : collecting.ids) view_changed = carried.restoring.erase(id) > 0 || view_changed;
    return;
  }
  std::vector<state::Translation> translations = Unambiguous(input.translations);
  for (state::Translation& translation : translations) carried.remaps.Complete(translation);
  const auto reason = collecting.handover ? Connections::Reason::kHandover : Connections::Reason::kTakeover;
  Deliver(at, collecting.to, collecting.ids, reason, std::move(translations));
}

void Agent::Body::Deliver(Time at, const std::string& to, const std::set<EgressId>& ids, Connections::Reason reason,
                          std::vector<state::Translation> translations) {
  const auto member = membership.members().find(to);
  if (member == membership.members().end()) return;
  const std::uint64_t batch = ++carried.last_batch;
  Delivery delivery{.to = to, .ids = ids, .parts = {}, .retry = at + kRetry};
  for (const Connections& part : ToConnections(batch, reason, {ids.begin(), ids.end()}, std::move(translations))) {
    delivery.parts[part.part] = Encode(part);
  }
  for (const auto& [number, bytes] : delivery.parts) SendBytes(member->second.record.gossip, bytes);
  carried.deliveries.emplace(batch, std::move(delivery));
}

void Agent::Body::AdvanceDeliveries(Time at) {
  for (auto entry = carried.deliveries.begin(); entry != carried.deliveries.end();) {
    Delivery& delivery = entry->second;
    const auto member = membership.members().find(delivery.to);
    if (delivery.retry > at && member != membership.members().end()) {
      ++entry;
      continue;
    }
    if (member == membership.members().end() || !member->second.lives() || ++delivery.tries > kTries) {
      entry = carried.deliveries.erase(entry);
      continue;
    }
    for (const auto& [number, bytes] : delivery.parts) SendBytes(member->second.record.gossip, bytes);
    delivery.retry = at + kRetry * delivery.tries;
    ++entry;
  }
  if (std::erase_if(carried.restoring, [&](const auto& entry) { return entry.second <= at; }) > 0) view_changed = true;
}

void Agent::Body::Receive(const std::string& sender, const ConnectionsTaken& taken) {
  const auto found = carried.deliveries.find(taken.batch);
  if (found == carried.deliveries.end() || found->second.to != sender) return;
  found->second.parts.erase(taken.part);
  if (!found->second.parts.empty()) return;
  for (const EgressId id : found->second.ids) view_changed = carried.restoring.erase(id) > 0 || view_changed;
  carried.deliveries.erase(found);
}

// The new gateway's side. A sender speaks for its own tunnel address only, and, where a policy keeps the source, for networks that are its
// own; and about ids that this node translates for.
void Agent::Body::Receive(const Endpoint& from, const std::string& sender, const Connections& connections, Output& output) {
  const auto member = membership.members().find(sender);
  if (member == membership.members().end() || member->second.record.tunnel_number == 0 ||
      member->second.record.tunnel_number > LastTunnelNumber(settings.config.tunnel)) {
    return;
  }
  const plan::TunnelIdentity identity = plan::IdentityOf(member->second.record.tunnel_number, settings.config.tunnel);
  const auto peer = std::ranges::find(inputs.peers, sender, &plan::Peer::name);
  const auto has_network_of = [&](const IpAddress& source) {
    if (peer == inputs.peers.end()) return false;
    return std::ranges::any_of(peer->networks, [&](const Prefix& network) { return network.Contains(source); });
  };
  const auto policy_of = [&](const policy::Binding& binding) -> const policy::Policy* {
    if (!current().selection) return nullptr;
    const auto found = current().selection->set().policies.find(binding.policy);
    return found == current().selection->set().policies.end() ? nullptr : &found->second;
  };
  std::map<EgressId, IpAddress> egress_ips;
  std::map<EgressId, const policy::Policy*> policies;
  bool ours = true;
  for (const EgressId id : connections.ids) {
    const auto binding = std::ranges::lower_bound(current().generation.bindings.bindings, id, {}, &policy::Binding::id);
    if (binding == current().generation.bindings.bindings.end() || binding->id != id || !binding->egress_ip) continue;
    if (inputs.holds.contains(*binding->egress_ip)) {
      egress_ips.emplace(id, *binding->egress_ip);
      policies.emplace(id, policy_of(*binding));
    } else {
      ours = false;
    }
  }
  if (!ours) return;  // not yet: it is sent again
  for (const state::Translation& translation : connections.translations) {
    const auto egress_ip = egress_ips.find(translation.id);
    if (egress_ip == egress_ips.end() || egress_ip->second.family() != translation.source.family()) continue;
    const policy::Policy* policy = policies.at(translation.id);
    if (policy == nullptr) continue;
    const bool is_tunnel = translation.source == identity.ipv4 || translation.source == identity.ipv6;
    if (policy::KeepsSource(*policy) ? !has_network_of(translation.source) : !is_tunnel) continue;
    // What is routed goes out as what it is.
    const bool routes = policy->action == policy::Action::kRoute;
    output.restore.translations.emplace_back(translation, routes ? translation.source : egress_ip->second);
  }
  SendLetter(from, ConnectionsTaken{.batch = connections.batch, .part = connections.part});
  if (connections.reason != Connections::Reason::kHandover) return;
  auto [telling, fresh] = carried.tellings.try_emplace(sender);
  if (telling->second.batch != connections.batch) telling->second = {.batch = connections.batch, .parts = {}, .about = {}};
  telling->second.parts.insert(connections.part);
  for (const auto& [id, egress_ip] : egress_ips) telling->second.about.insert(egress_ip);
  if (telling->second.parts.size() < connections.parts) return;
  for (const IpAddress& address : telling->second.about) {
    const auto preparation = handover.preparing.find(address);
    if (preparation != handover.preparing.end() && preparation->second.told.insert(sender).second) view_changed = true;
  }
  carried.tellings.erase(telling);
}

// Ports that the kernel of this gateway changed: told to the source node that the connection came from.
void Agent::Body::Take(Time, const Remapped& input, Output&) {
  std::map<IpAddress, const gossip::Member*> by_tunnel;
  for (const auto& [name, member] : membership.members()) {
    if (member.record.tunnel_number == 0 || member.record.tunnel_number > LastTunnelNumber(settings.config.tunnel)) continue;
    const plan::TunnelIdentity identity = plan::IdentityOf(member.record.tunnel_number, settings.config.tunnel);
    by_tunnel[identity.ipv4] = by_tunnel[identity.ipv6] = &member;
  }
  std::map<const gossip::Member*, std::vector<state::Translation>> told;
  for (const state::Translation& translation : input.translations) {
    const auto member = by_tunnel.find(translation.source);
    if (member != by_tunnel.end()) told[member->second].push_back(translation);
  }
  for (const auto& [member, translations] : told) {
    for (const RemappedPorts& letter : ToRemappedPorts(translations)) SendLetter(member->record.gossip, letter);
  }
}

Time Agent::Body::ConnectionsTimer() const {
  Time next = kNever;
  for (const auto& [batch, delivery] : carried.deliveries) next = std::min(next, delivery.retry);
  for (const auto& [id, until] : carried.restoring) next = std::min(next, until);
  return next;
}

}  // namespace egressd::agent
