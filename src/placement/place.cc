#include "egressd/placement/place.h"

#include <cstdint>
#include <limits>

#include "egressd/base/hash.h"

namespace egressd::placement {
namespace {

std::uint64_t Rank(const std::string& node, const IpAddress& address) { return StableHash(node, StableHash(address.ToString())); }

}  // namespace

std::map<IpAddress, std::string> Place(const std::vector<IpAddress>& addresses, const std::vector<Candidate>& candidates,
                                       const std::map<IpAddress, std::string>& holders) {
  std::map<std::string, std::size_t> load;
  for (const Candidate& candidate : candidates) load[candidate.node] = 0;
  for (const auto& [address, node] : holders) {
    if (const auto found = load.find(node); found != load.end()) ++found->second;
  }
  std::map<IpAddress, std::string> result;
  for (const IpAddress& address : addresses) {
    const auto holder = holders.find(address);
    if (holder != holders.end() && load.contains(holder->second)) {
      result[address] = holder->second;
      continue;
    }
    const std::string* best = nullptr;
    std::size_t best_load = std::numeric_limits<std::size_t>::max();
    std::uint64_t best_rank = 0;
    for (const auto& [node, held] : load) {
      if (held > best_load) continue;
      const std::uint64_t rank = Rank(node, address);
      if (held == best_load && rank <= best_rank) continue;
      best = &node;
      best_load = held;
      best_rank = rank;
    }
    if (best != nullptr) ++load[*best];
    result[address] = best != nullptr ? *best : "";
  }
  return result;
}

}  // namespace egressd::placement
