#include "agent/networks.h"

#include <algorithm>
#include <tuple>

namespace egressd::agent {

Grants GrantNetworks(const std::vector<NodeView>& nodes) {
  struct Wish {
    const gossip::Network* network;
    const NodeView* node;
    const std::string& name() const { return node->record->name; }
  };
  std::vector<Wish> wishes;
  for (const NodeView& node : nodes) {
    if (node.record->presence == gossip::Presence::kLeft) continue;
    for (const gossip::Network& network : node.record->networks) wishes.push_back({.network = &network, .node = &node});
  }
  std::ranges::stable_sort(wishes, [](const Wish& a, const Wish& b) {
    const bool a_silent = !a.node->lives, b_silent = !b.node->lives;
    return std::tie(a_silent, a.network->term, a.name(), a.network->prefix) <
           std::tie(b_silent, b.network->term, b.name(), b.network->prefix);
  });
  Grants grants;
  std::vector<Wish> granted;
  for (const Wish& wish : wishes) {
    const auto in_the_way = std::ranges::find_if(granted, [&](const Wish& other) {
      return other.node != wish.node && other.network->prefix.Overlaps(wish.network->prefix);
    });
    if (in_the_way == granted.end()) {
      granted.push_back(wish);
      grants.networks[wish.name()].push_back(wish.network->prefix);
    } else if (wish.node->lives) {
      grants.refusals.push_back({.node = wish.name(),
                                 .network = wish.network->prefix,
                                 .holder = in_the_way->name(),
                                 .held = in_the_way->network->prefix});
    }
  }
  for (auto& [node, networks] : grants.networks) std::ranges::sort(networks);
  return grants;
}

std::vector<gossip::Network> TellNetworks(const std::vector<Prefix>& wanted, const std::vector<gossip::Network>& told,
                                          const std::vector<NodeView>& nodes, const std::string& self) {
  std::vector<gossip::Network> networks;
  for (const Prefix& prefix : wanted) {
    if (networks.size() == gossip::kNetworkLimit) break;
    const auto before = std::ranges::find(told, prefix, &gossip::Network::prefix);
    std::uint64_t highest = 0;
    for (const NodeView& node : nodes) {
      if (node.record->name == self) continue;
      for (const gossip::Network& other : node.record->networks) {
        if (other.prefix.Overlaps(prefix)) highest = std::max(highest, other.term);
      }
    }
    networks.push_back({.prefix = prefix, .term = before != told.end() ? before->term : highest == UINT64_MAX ? highest : highest + 1});
  }
  return networks;
}

}  // namespace egressd::agent
