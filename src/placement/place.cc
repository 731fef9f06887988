#include "egressd/placement/place.h"

#include <algorithm>
#include <set>

#include "placement/rendezvous.h"

namespace egressd::placement {
namespace {

// A candidate while places are given away.
struct Seat {
  std::size_t load = 0;  // what it holds, and what it was given
  std::size_t room = 0;  // what it may still be given
};

// How many more places there are when no seat may be filled above `level`; counts no further than `enough`.
std::size_t PlacesBelow(const std::vector<Seat>& seats, std::size_t level, std::size_t enough) {
  std::size_t places = 0;
  for (const Seat& seat : seats) {
    if (seat.load < level) places += std::min({seat.room, level - seat.load, enough - places});
  }
  return places;
}

// The lowest level up to which all seats are filled when `wanted` more are given away, as far as there is room.
std::size_t LevelFor(const std::vector<Seat>& seats, std::size_t wanted) {
  std::size_t low = 0;
  std::size_t high = wanted;
  for (const Seat& seat : seats) high = std::max(high, seat.load + wanted);
  const std::size_t reachable = PlacesBelow(seats, high, wanted);
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (PlacesBelow(seats, middle, wanted) >= reachable) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace

std::map<IpAddress, std::string> Place(const std::vector<IpAddress>& addresses, const std::vector<Candidate>& candidates,
                                       const std::map<IpAddress, std::string>& holders) {
  std::map<std::string, Seat> by_name;
  for (const Candidate& candidate : candidates) by_name[candidate.node].room = candidate.room;
  for (const auto& [address, node] : holders) {
    if (const auto found = by_name.find(node); found != by_name.end()) ++found->second.load;
  }
  std::map<IpAddress, std::string> result;
  std::vector<IpAddress> homeless;
  for (const IpAddress& address : std::set(addresses.begin(), addresses.end())) {
    const auto holder = holders.find(address);
    const bool is_kept = holder != holders.end() && by_name.contains(holder->second);
    result[address] = is_kept ? holder->second : "";
    if (!is_kept) homeless.push_back(address);
  }
  if (homeless.empty()) return result;
  std::vector<std::string> nodes;
  std::vector<Seat> seats;
  for (const auto& [node, seat] : by_name) {
    nodes.push_back(node);
    seats.push_back(seat);
  }
  const std::size_t level = LevelFor(seats, homeless.size());
  // All seats are filled to just below the level; so many of them get one more.
  std::size_t extra = level == 0 ? 0 : homeless.size() - PlacesBelow(seats, level - 1, homeless.size());
  std::vector<std::string*> places;
  for (const IpAddress& address : homeless) places.push_back(&result[address]);
  for (const Pair& pair : PairsByRank(homeless, nodes)) {
    Seat& seat = seats[pair.node];
    if (!places[pair.address]->empty() || seat.room == 0 || seat.load >= level) continue;
    if (seat.load + 1 == level && extra == 0) continue;
    if (seat.load + 1 == level) --extra;
    ++seat.load;
    --seat.room;
    *places[pair.address] = nodes[pair.node];
  }
  return result;
}

}  // namespace egressd::placement
