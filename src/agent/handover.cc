// The steps of handover.h, on every side.
#include <algorithm>
#include <format>

#include "agent/body.h"
#include "egressd/placement/place.h"

namespace egressd::agent {

// Where an egress IP of this node ought to be instead; "" = here.
std::string Agent::Body::BetterPlace(const HoldingView& view, const IpAddress& address) const {
  const auto bound = view.gateway_of.find(address);
  if (view.set == nullptr || bound == view.gateway_of.end()) return "";
  if (const auto order = handover.moves.find(address); order != handover.moves.end()) {
    return order->second == view.self ? "" : CanTake(view, order->second, address) ? order->second : "";
  }
  return drained || stopping ? PlaceElsewhere(view, address) : "";
}

// The node that takes an egress IP when this one does not want it any more: the one with the fewest, as placement has it.
std::string Agent::Body::PlaceElsewhere(const HoldingView& view, const IpAddress& address) const {
  std::map<IpAddress, std::string> holders;
  const gossip::Claims known = ClaimsOf(view.nodes);
  for (const auto& [other, gateway] : view.gateway_of) {
    const auto offering = handover.offerings.find(other);
    if (offering != handover.offerings.end()) {
      holders[other] = offering->second.to;
    } else if (const gossip::Hold* holder = known.HolderOf(other); holder != nullptr && other != address) {
      holders[other] = holder->node;
    }
  }
  std::vector<placement::Candidate> candidates;
  for (const NodeView& node : view.nodes) {
    if (node.record->name != view.self && CanTake(view, node.record->name, address)) {
      candidates.push_back(CandidateFor(view, node.record->name, view.gateway_of.at(address), holders));
    }
  }
  return placement::Place({address}, candidates, holders, view.apart)[address];
}

void Agent::Body::Offer(Time at, const HoldingView& view, Output& output) {
  std::map<IpAddress, std::string> back = FailbackPlaces(view);
  for (const auto& [address, term] : claims) {
    if (handover.offerings.contains(address) || handover.not_offered.contains(address)) continue;
    std::string to = BetterPlace(view, address);
    if (const auto found = back.find(address); to.empty() && found != back.end()) to = found->second;
    if (to.empty()) continue;
    handover.offerings[address] = {.to = to, .begun = at};
    const std::string object = address.ToString();
    output.notes.push_back({.kind = "ip.offered", .text = std::format("{} offered to {}", object, to), .object = object});
  }
}

void Agent::Body::AdvanceOfferings(Time at, const HoldingView& view, Output& output) {
  for (auto entry = handover.offerings.begin(); entry != handover.offerings.end();) {
    auto& [address, offering] = *entry;
    const auto member = membership.members().find(offering.to);
    const bool there = claims.contains(address) && member != membership.members().end() && CanTake(view, offering.to, address);
    const bool late =
        offering.stage == Offering::Stage::kSilent ? at - offering.silent_since >= kSilenceLasts : at - offering.begun >= kOfferLasts;
    if (!there || late) {
      const std::string object = address.ToString();
      output.notes.push_back(
          {.kind = "ip.kept",
           .text = std::format("{} stays here: {} {}", object, offering.to, late ? "did not take it in time" : "cannot take it"),
           .object = object,
           .warning = true});
      handover.moves.erase(address);
      handover.not_offered[address] = at + kOfferLasts;
      if (offering.stage != Offering::Stage::kOffered && claims.contains(address)) announce_again.insert(address);
      entry = handover.offerings.erase(entry);
      continue;
    }
    const bool prepared = std::ranges::binary_search(member->second.record.prepared, address);
    if (offering.stage == Offering::Stage::kOffered && prepared) offering.stage = Offering::Stage::kStopping;
    ++entry;
  }
}

// With `failback: true`: where the egress IPs of this node belong now that their nodes are back, as far as that is elsewhere.
std::map<IpAddress, std::string> Agent::Body::FailbackPlaces(const HoldingView& view) const {
  std::map<IpAddress, std::string> result;
  if (view.set == nullptr || !view.may_take) return result;
  const gossip::Claims known = ClaimsOf(view.nodes);
  for (const auto& [name, gateway] : view.set->gateways) {
    if (!gateway.failback) continue;
    std::map<std::vector<std::string>, std::vector<IpAddress>> by_candidates;
    std::map<IpAddress, std::string> holders;
    for (const auto& [address, bound] : view.gateway_of) {
      if (bound != name) continue;
      const gossip::Hold* holder = known.HolderOf(address);
      if (holder != nullptr) holders[address] = holder->node;
      std::vector<std::string> candidates;
      for (const NodeView& node : view.nodes) {
        if (CanTake(view, node.record->name, address)) candidates.push_back(node.record->name);
      }
      by_candidates[std::move(candidates)].push_back(address);
    }
    const std::size_t room = gateway.max_ips_per_node == 0 ? placement::kNoLimit : gateway.max_ips_per_node;
    for (const auto& [names, addresses] : by_candidates) {
      std::vector<placement::Candidate> candidates;
      for (const std::string& node : names) candidates.push_back({.node = node, .room = room});
      for (const auto& [address, node] : placement::Balance(addresses, candidates, holders, view.apart)) {
        if (node.empty() || node == view.self || !claims.contains(address) || handover.not_offered.contains(address)) continue;
        result[address] = node;
      }
    }
  }
  return result;
}

// What others offer to this node.
void Agent::Body::Prepare(Time at, const HoldingView& view) {
  std::map<IpAddress, std::string> offered;
  const gossip::Claims known = ClaimsOf(view.nodes);
  if (view.may_take && !drained && !stopping) {
    for (const NodeView& node : view.nodes) {
      if (!node.alive || node.record->name == view.self) continue;
      for (const gossip::Offer& offer : node.record->offers) {
        const gossip::Hold* holder = known.HolderOf(offer.address);
        if (offer.to != view.self || holder == nullptr || holder->node != node.record->name) continue;
        if (CanTake(view, view.self, offer.address)) offered[offer.address] = node.record->name;
      }
    }
  }
  std::erase_if(handover.preparing, [&](const auto& entry) {
    const auto found = offered.find(entry.first);
    return found == offered.end() || found->second != entry.second.from;
  });
  for (const auto& [address, from] : offered) handover.preparing.try_emplace(address, Preparation{.from = from, .begun = at});
}

std::set<IpAddress> Agent::Body::OfferedAndSilent(const HoldingView& view) const {
  std::set<IpAddress> result;
  for (const NodeView& node : view.nodes) {
    for (const gossip::Offer& offer : node.record->offers) {
      const auto mine = handover.preparing.find(offer.address);
      if (offer.silent && mine != handover.preparing.end() && mine->second.from == node.record->name && mine->second.in_kernel) {
        result.insert(offer.address);
      }
    }
  }
  return result;
}

// How long the recipient has the address before the holder lets go of it: the routers must know the new way when the old one is withdrawn.
Duration Agent::Body::HeadStartOf(const IpAddress& address) const {
  const policy::Gateway* gateway = GatewayOf(address);
  return gateway != nullptr && gateway->announce == policy::Announce::kBgp ? kRouteSpreads : Duration{0};
}

// Everybody has told what it knows, or had the time to.
bool Agent::Body::IsPrepared(Time at, const IpAddress& address, const Preparation& preparation) const {
  if (!preparation.in_kernel || at < preparation.begun + HeadStartOf(address)) return false;
  if (at - preparation.begun >= kTellingLasts) return true;
  return std::ranges::all_of(membership.members(), [&](const auto& entry) {
    return entry.second.verdict != gossip::Verdict::kAlive || preparation.told.contains(entry.first);
  });
}

// The kernel has taken what UpdateInputs wanted.
void Agent::Body::HandoverCommitted(Time at) {
  for (auto& [address, preparation] : handover.preparing) {
    if (!preparation.in_kernel && inputs.holds.contains(address)) {
      preparation.in_kernel = true;
      view_changed = true;
    }
  }
  for (auto& [address, offering] : handover.offerings) {
    const auto hold = inputs.holds.find(address);
    if (offering.stage != Offering::Stage::kStopping || hold == inputs.holds.end() ||
        hold->second.standing != plan::Hold::Standing::kLeaving) {
      continue;
    }
    offering.stage = Offering::Stage::kSilent;
    offering.silent_since = at;
    view_changed = true;
  }
}

Time Agent::Body::HandoverTimer() const {
  Time next = kNever;
  if (leaving) return next;
  for (const auto& [address, offering] : handover.offerings) {
    const bool silent = offering.stage == Offering::Stage::kSilent;
    next = std::min(next, silent ? offering.silent_since + kSilenceLasts : offering.begun + kOfferLasts);
  }
  for (const auto& [address, until] : handover.leaving_until) next = std::min(next, until);
  for (const auto& [address, until] : handover.not_offered) next = std::min(next, until);
  for (const auto& [address, until] : handover.former) next = std::min(next, until);
  for (const auto& [address, preparation] : handover.preparing) {
    for (const Duration wait : {kTellingLasts, HeadStartOf(address)}) {
      if (preparation.in_kernel && preparation.begun + wait > judged) next = std::min(next, preparation.begun + wait);
    }
  }
  return next;
}

}  // namespace egressd::agent
