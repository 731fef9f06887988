#include "placement/rendezvous.h"

#include <algorithm>
#include <tuple>

#include "egressd/base/hash.h"

namespace egressd::placement {

std::vector<Pair> PairsByRank(const std::vector<IpAddress>& addresses, const std::vector<std::string>& nodes) {
  std::vector<Pair> pairs;
  pairs.reserve(addresses.size() * nodes.size());
  for (std::size_t address = 0; address < addresses.size(); ++address) {
    const std::uint64_t seed = StableHash(addresses[address].ToString());
    for (std::size_t node = 0; node < nodes.size(); ++node) {
      pairs.push_back({.rank = StableHash(nodes[node], seed), .address = address, .node = node});
    }
  }
  std::ranges::sort(pairs,
                    [](const Pair& a, const Pair& b) { return std::tie(b.rank, a.address, a.node) < std::tie(a.rank, b.address, b.node); });
  return pairs;
}

}  // namespace egressd::placement
