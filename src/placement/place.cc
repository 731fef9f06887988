#include "egressd/placement/place.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

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

// A group that belongs apart: how many of it a node may have, and has. Fixed before anything is placed, so that it does not matter in
// which order that happens.
struct Group {
  std::size_t most = 0;
  std::map<std::string_view, std::size_t> present;
};

// While places are given away.
struct Placing {
  std::vector<std::string> nodes;           // in order, one for each seat
  std::vector<Seat> seats;
  std::map<IpAddress, std::string> result;  // "" = not yet

  std::vector<IpAddress> Homeless() const {
    std::vector<IpAddress> homeless;
    for (const auto& [address, node] : result) {
      if (node.empty()) homeless.push_back(address);
    }
    return homeless;
  }
  void Give(const IpAddress& address, std::size_t node) {
    result[address] = nodes[node];
    ++seats[node].load;
    --seats[node].room;
  }
};

std::map<IpAddress, std::vector<Group*>> GroupsOf(const Apart& apart, const Placing& placing,
                                                  const std::map<IpAddress, std::string>& holders, std::vector<Group>& groups) {
  std::map<IpAddress, std::vector<Group*>> groups_of;
  groups.resize(apart.size());
  for (std::size_t i = 0; i < apart.size(); ++i) {
    const std::set<IpAddress> members(apart[i].begin(), apart[i].end());
    if (members.size() < 2 || placing.nodes.empty()) continue;
    groups[i].most = (members.size() + placing.nodes.size() - 1) / placing.nodes.size();
    for (const IpAddress& address : members) {
      groups_of[address].push_back(&groups[i]);
      if (const auto holder = holders.find(address); holder != holders.end()) ++groups[i].present[holder->second];
    }
  }
  return groups_of;
}

void PlaceApart(const Apart& apart, const std::map<IpAddress, std::string>& holders, Placing& placing) {
  std::vector<Group> groups;
  const std::map<IpAddress, std::vector<Group*>> groups_of = GroupsOf(apart, placing, holders, groups);
  std::vector<IpAddress> homeless = placing.Homeless();
  std::erase_if(homeless, [&](const IpAddress& address) { return !groups_of.contains(address); });
  for (const Pair& pair : PairsByRank(homeless, placing.nodes)) {
    const IpAddress& address = homeless[pair.address];
    const std::string& node = placing.nodes[pair.node];
    if (!placing.result[address].empty() || placing.seats[pair.node].room == 0) continue;
    const std::vector<Group*>& own = groups_of.at(address);
    if (std::ranges::any_of(own, [&](Group* group) { return group->present[node] >= group->most; })) continue;
    for (Group* group : own) ++group->present[node];
    placing.Give(address, pair.node);
  }
}

void PlaceEvenly(Placing& placing) {
  const std::vector<IpAddress> homeless = placing.Homeless();
  if (homeless.empty()) return;
  const std::size_t level = LevelFor(placing.seats, homeless.size());
  // All seats are filled to just below the level; so many of them get one more.
  std::size_t extra = level == 0 ? 0 : homeless.size() - PlacesBelow(placing.seats, level - 1, homeless.size());
  for (const Pair& pair : PairsByRank(homeless, placing.nodes)) {
    const Seat& seat = placing.seats[pair.node];
    if (!placing.result[homeless[pair.address]].empty() || seat.room == 0 || seat.load >= level) continue;
    if (seat.load + 1 == level && extra == 0) continue;
    if (seat.load + 1 == level) --extra;
    placing.Give(homeless[pair.address], pair.node);
  }
}

}  // namespace

std::map<IpAddress, std::string> Place(const std::vector<IpAddress>& addresses, const std::vector<Candidate>& candidates,
                                       const std::map<IpAddress, std::string>& holders, const Apart& apart) {
  std::map<std::string, Seat> by_name;
  for (const Candidate& candidate : candidates) by_name[candidate.node].room = candidate.room;
  for (const auto& [address, node] : holders) {
    if (const auto found = by_name.find(node); found != by_name.end()) ++found->second.load;
  }
  Placing placing;
  for (const auto& [node, seat] : by_name) {
    placing.nodes.push_back(node);
    placing.seats.push_back(seat);
  }
  for (const IpAddress& address : addresses) {
    const auto holder = holders.find(address);
    placing.result[address] = holder != holders.end() && by_name.contains(holder->second) ? holder->second : "";
  }
  if (!apart.empty()) PlaceApart(apart, holders, placing);
  PlaceEvenly(placing);
  return std::move(placing.result);
}

}  // namespace egressd::placement
