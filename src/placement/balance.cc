#include <algorithm>
#include <set>

#include "egressd/placement/place.h"
#include "placement/rendezvous.h"

namespace egressd::placement {
namespace {

// Whose turn it is: a holder with more than its share gives before those without a holder are placed, so that limits are kept.
enum class Turn : std::uint8_t { kHome, kElsewhere, kHomelessHome, kHomelessElsewhere };

struct Node {
  std::size_t load = 0;
  std::size_t share = 0;
};

}  // namespace

std::map<IpAddress, std::string> Balance(const std::vector<IpAddress>& addresses, const std::vector<Candidate>& candidates,
                                         const std::map<IpAddress, std::string>& holders, const Apart& apart) {
  const std::map<IpAddress, std::string> homes = Place(addresses, candidates, {}, apart);
  std::map<std::string, Node> nodes;
  for (const Candidate& candidate : candidates) nodes[candidate.node];
  std::map<IpAddress, std::string> result;
  for (const auto& [address, home] : homes) {
    if (!home.empty()) ++nodes[home].share;
    const auto holder = holders.find(address);
    const bool is_held = holder != holders.end() && nodes.contains(holder->second);
    result[address] = is_held ? holder->second : "";
    if (is_held) ++nodes[holder->second].load;
  }
  std::vector<IpAddress> movable;
  for (const auto& [address, node] : result) {
    if (node.empty() || nodes[node].load > nodes[node].share) movable.push_back(address);
  }
  std::vector<std::string> takers;
  for (const auto& [name, node] : nodes) {
    if (node.load < node.share) takers.push_back(name);
  }
  struct Step {
    Turn turn;
    Pair pair;
  };
  std::vector<Step> steps;
  for (const Pair& pair : PairsByRank(movable, takers)) {
    const IpAddress& address = movable[pair.address];
    const bool is_home = homes.at(address) == takers[pair.node];
    const bool is_held = !result[address].empty();
    steps.push_back(
        {is_held ? (is_home ? Turn::kHome : Turn::kElsewhere) : (is_home ? Turn::kHomelessHome : Turn::kHomelessElsewhere), pair});
  }
  std::ranges::stable_sort(steps, {}, &Step::turn);
  std::set<IpAddress> placed;
  for (const Step& step : steps) {
    const IpAddress& address = movable[step.pair.address];
    Node& taker = nodes[takers[step.pair.node]];
    if (placed.contains(address) || taker.load >= taker.share) continue;
    if (const std::string& holder = result[address]; !holder.empty()) {
      if (nodes[holder].load <= nodes[holder].share) continue;
      --nodes[holder].load;
    }
    ++taker.load;
    result[address] = takers[step.pair.node];
    placed.insert(address);
  }
  return result;
}

}  // namespace egressd::placement
