#include "agent/holding.h"

#include <algorithm>
#include <format>

#include "egressd/placement/place.h"
#include "egressd/policy/selection.h"

namespace egressd::agent {
namespace {

bool IsGateway(const HoldingView& view, const std::string& gateway, const gossip::Record& record) {
  const auto found = view.set->gateways.find(gateway);
  return found != view.set->gateways.end() && policy::Matches(found->second.nodes, record.name, record.labels);
}

bool IsUnable(const gossip::Record& record, const IpAddress& address) { return std::ranges::binary_search(record.unable, address); }

bool IsCandidate(const HoldingView& view, const NodeView& node, const std::string& gateway) {
  return node.alive && node.record->ready && !node.record->drained && IsGateway(view, gateway, *node.record);
}

const gossip::Record& SelfOf(const HoldingView& view) {
  return *std::ranges::find_if(view.nodes, [&](const NodeView& node) { return node.record->name == view.self; })->record;
}

// Why this node does not keep what it claims; nullopt = it keeps it.
std::optional<std::string> WhyGiveUp(const HoldingView& view, const gossip::Record& self, const gossip::Claims& claims,
                                     const IpAddress& address) {
  const auto bound = view.gateway_of.find(address);
  if (view.set == nullptr || bound == view.gateway_of.end()) return "no policy uses it";
  if (!IsGateway(view, bound->second, self)) return std::format("this node is not in gateway {}", bound->second);
  if (IsUnable(self, address))
    return "this node cannot have it now: no running uplink, a failed health check, or somebody else on the uplink has it";
  const gossip::Hold* holder = claims.HolderOf(address);
  if (holder != nullptr && holder->node != view.self) return std::format("held by {} (term {})", holder->node, holder->term);
  return std::nullopt;
}

// Places what nobody holds, gateway by gateway; the ones with the same possible takers together, so that their number counts.
void Take(const HoldingView& view, const gossip::Claims& claims, Holding& holding) {
  std::map<IpAddress, std::string> holders;
  using Group = std::pair<std::string, std::vector<std::string>>;  // gateway, candidates
  std::map<Group, std::vector<IpAddress>> homeless;
  std::map<std::string, std::vector<const NodeView*>> gateways;
  for (const auto& [address, gateway] : view.gateway_of) {
    const gossip::Hold* holder = claims.HolderOf(address);
    const bool mine = holder != nullptr && holder->node == view.self;  // offered, and taken already
    if (view.offered.contains(address) && !mine && CanTake(view, view.self, address)) {
      holders[address] = view.self;
      holding.claims.push_back({.address = address, .term = claims.NextTerm(address)});
      holding.taken.push_back(address);
      continue;
    }
    if (holder != nullptr) {
      holders[address] = holder->node;
      continue;
    }
    auto [nodes, fresh] = gateways.try_emplace(gateway);
    if (fresh) {
      for (const NodeView& node : view.nodes) {
        if (IsCandidate(view, node, gateway)) nodes->second.push_back(&node);
      }
    }
    Group group{gateway, {}};
    for (const NodeView* node : nodes->second) {
      if (!IsUnable(*node->record, address)) group.second.push_back(node->record->name);
    }
    homeless[std::move(group)].push_back(address);
  }
  for (const auto& [group, addresses] : homeless) {
    std::vector<placement::Candidate> candidates;
    for (const std::string& node : group.second) candidates.push_back(CandidateFor(view, node, group.first, holders));
    for (const auto& [address, node] : placement::Place(addresses, candidates, holders, view.apart)) {
      if (node.empty()) continue;
      holders[address] = node;
      if (node != view.self) continue;
      if (!claims.EverHeld(address)) holding.new_to_everybody.insert(address);
      holding.claims.push_back({.address = address, .term = claims.NextTerm(address)});
      holding.taken.push_back(address);
    }
  }
  std::ranges::sort(holding.claims);
  std::ranges::sort(holding.taken);
}

}  // namespace

bool CanTake(const HoldingView& view, const std::string& node, const IpAddress& address) {
  const auto bound = view.gateway_of.find(address);
  const auto found = std::ranges::find_if(view.nodes, [&](const NodeView& each) { return each.record->name == node; });
  if (view.set == nullptr || bound == view.gateway_of.end() || found == view.nodes.end()) return false;
  return IsCandidate(view, *found, bound->second) && !IsUnable(*found->record, address);
}

placement::Candidate CandidateFor(const HoldingView& view, const std::string& node, const std::string& gateway,
                                  const std::map<IpAddress, std::string>& holders) {
  const std::size_t limit = view.set->gateways.at(gateway).max_ips_per_node;
  if (limit == 0) return {.node = node};
  const auto held = static_cast<std::size_t>(std::ranges::count_if(holders, [&](const auto& entry) {
    const auto bound = view.gateway_of.find(entry.first);
    return entry.second == node && bound != view.gateway_of.end() && bound->second == gateway;
  }));
  return {.node = node, .room = limit - std::min(limit, held)};
}

gossip::Claims ClaimsOf(const std::vector<NodeView>& nodes) {
  gossip::Claims claims;
  for (const NodeView& node : nodes) {
    if (node.lives) {
      claims.AddLiving(node.record->name, node.record->claims);
    } else if (node.record->presence != gossip::Presence::kLeft) {
      claims.AddDead(node.record->name, node.record->claims);
    } else {
      claims.AddGone(node.record->claims);
    }
  }
  return claims;
}

Holding Decide(const HoldingView& view) {
  const gossip::Record& self = SelfOf(view);
  gossip::Claims claims = ClaimsOf(view.nodes);
  for (const auto& [address, term] : view.seen_terms) claims.AddSeen(address, term);
  Holding holding;
  std::map<std::string, std::size_t> kept;  // by gateway
  for (const gossip::Claim& claim : self.claims) {
    auto reason = WhyGiveUp(view, self, claims, claim.address);
    if (!reason) {
      const std::string& gateway = view.gateway_of.at(claim.address);
      const std::size_t limit = view.set->gateways.at(gateway).max_ips_per_node;
      if (limit != 0 && kept[gateway] >= limit) reason = std::format("max_ips_per_node of gateway {} is {}", gateway, limit);
      ++kept[gateway];
    }
    if (reason) {
      holding.given_up.push_back({.address = claim.address, .reason = std::move(*reason)});
      continue;
    }
    holding.claims.push_back(claim);
    if (claims.Contested(claim.address)) holding.contested.push_back(claim.address);
  }
  if (view.may_take && view.set != nullptr) Take(view, claims, holding);
  return holding;
}

}  // namespace egressd::agent
