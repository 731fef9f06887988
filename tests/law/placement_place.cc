#include "egressd/placement/place.h"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <ranges>

namespace egressd::placement {
namespace {

std::vector<Candidate> ArbitraryNodes(int least) {
  std::vector<Candidate> nodes;
  for (int n = *rc::gen::inRange(least, 8); n > 0; --n) nodes.push_back({.node = std::string(1, static_cast<char>('a' + n))});
  return nodes;
}

std::vector<IpAddress> ArbitraryAddresses() {
  std::vector<IpAddress> addresses;
  for (int n = *rc::gen::inRange(0, 30); n > 0; --n) addresses.push_back(IpAddress::Ipv4(static_cast<std::uint32_t>(1000 - n * 3)));
  return addresses;
}

std::vector<Candidate> ArbitraryRoom(std::vector<Candidate> nodes) {
  for (Candidate& node : nodes) {
    if (*rc::gen::arbitrary<bool>()) node.room = *rc::gen::inRange<std::size_t>(0, 12);
  }
  return nodes;
}

using Holders = std::map<IpAddress, std::string>;

// Some of the addresses are held, by candidates or by nodes that are none.
Holders ArbitraryHolders(const std::vector<IpAddress>& addresses) {
  Holders holders;
  for (const IpAddress& address : addresses) {
    const int node = *rc::gen::inRange(0, 14);
    if (node < 9) holders[address] = std::string(1, static_cast<char>('a' + node));
  }
  return holders;
}

std::map<std::string, std::size_t> LoadsOf(const std::vector<Candidate>& nodes, const Holders& placed) {
  std::map<std::string, std::size_t> loads;
  for (const Candidate& node : nodes) loads[node.node] = 0;
  for (const auto& [address, node] : placed) {
    if (loads.contains(node)) ++loads[node];
  }
  return loads;
}

// What of `after` differs from `before`, carried out in part.
Holders InPart(const Holders& before, const Holders& after) {
  Holders part = before;
  for (const auto& [address, node] : after) {
    if (!node.empty() && *rc::gen::arbitrary<bool>()) part[address] = node;
  }
  return part;
}

// Some of the addresses belong apart; no address is in two groups.
Apart ArbitraryApart(const std::vector<IpAddress>& addresses) {
  Apart apart(*rc::gen::inRange<std::size_t>(1, 6));
  for (const IpAddress& address : addresses) {
    const std::size_t group = *rc::gen::inRange<std::size_t>(0, 8);
    if (group < apart.size()) apart[group].push_back(address);
  }
  return apart;
}

std::map<std::string, std::size_t> PresenceOf(const std::vector<IpAddress>& group, const Holders& placed) {
  std::map<std::string, std::size_t> presence;
  for (const IpAddress& address : group) ++presence[placed.at(address)];
  return presence;
}

std::vector<IpAddress> Shuffled(std::vector<IpAddress> addresses) {
  for (std::size_t i = addresses.size(); i > 1; --i) std::swap(addresses[i - 1], addresses[*rc::gen::inRange<std::size_t>(0, i)]);
  return addresses;
}

}  // namespace

TEST_CASE("placing again what was placed moves nothing, whatever the order of the candidates") {
  CHECK(rc::check("stable", [] {
    std::vector<Candidate> nodes = ArbitraryNodes(1);
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const auto placed = Place(addresses, nodes, {});
    RC_ASSERT(Place(addresses, nodes, placed) == placed);
    std::ranges::reverse(nodes);
    RC_ASSERT(Place(addresses, nodes, {}) == placed);
  }));
}

TEST_CASE("the loss of a node moves only what was there") {
  CHECK(rc::check("loss", [] {
    std::vector<Candidate> nodes = ArbitraryNodes(2);
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const auto before = Place(addresses, nodes, {});
    const std::string lost = nodes.back().node;
    nodes.pop_back();
    for (const auto& [address, node] : Place(addresses, nodes, before)) {
      if (before.at(address) != lost) RC_ASSERT(node == before.at(address));
      RC_ASSERT(node != lost);
    }
  }));
}

TEST_CASE("no node holds two more than another when all is placed from nothing") {
  CHECK(rc::check("balance", [] {
    const std::vector<Candidate> nodes = ArbitraryNodes(1);
    std::map<std::string, int> load;
    for (const Candidate& node : nodes) load[node.node] = 0;
    for (const auto& [address, node] : Place(ArbitraryAddresses(), nodes, {})) ++load[node];
    const auto [least, most] = std::ranges::minmax(load | std::views::values);
    RC_ASSERT(most - least <= 1);
  }));
}

TEST_CASE("no node gets more than it has room for, and nothing stays without a place while there is room") {
  CHECK(rc::check("room", [] {
    const std::vector<Candidate> nodes = ArbitraryRoom(ArbitraryNodes(0));
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Holders holders = ArbitraryHolders(addresses);
    const Holders placed = Place(addresses, nodes, holders);
    auto before = LoadsOf(nodes, holders);
    auto after = LoadsOf(nodes, placed);
    bool is_room_left = false;
    for (const Candidate& node : nodes) {
      RC_ASSERT(after[node.node] - before[node.node] <= node.room);
      is_room_left = is_room_left || after[node.node] - before[node.node] < node.room;
    }
    for (const auto& [address, node] : placed) RC_ASSERT(!node.empty() || !is_room_left);
  }));
}

TEST_CASE("no address goes to a node while another one with room holds two less") {
  CHECK(rc::check("even", [] {
    const std::vector<Candidate> nodes = ArbitraryRoom(ArbitraryNodes(1));
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Holders holders = ArbitraryHolders(addresses);
    auto before = LoadsOf(nodes, holders);
    auto after = LoadsOf(nodes, Place(addresses, nodes, holders));
    for (const Candidate& taker : nodes) {
      if (after[taker.node] == before[taker.node]) continue;
      for (const Candidate& other : nodes) {
        const bool has_room = after[other.node] - before[other.node] < other.room;
        if (has_room) RC_ASSERT(after[other.node] + 1 >= after[taker.node]);
      }
    }
  }));
}

TEST_CASE("placing does not depend on the order of addresses, nor on who is quicker") {
  CHECK(rc::check("quicker", [] {
    std::vector<Candidate> nodes = ArbitraryRoom(ArbitraryNodes(0));
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Holders holders = ArbitraryHolders(addresses);
    const Holders placed = Place(addresses, nodes, holders);
    RC_ASSERT(Place(Shuffled(addresses), nodes, holders) == placed);
    const Holders part = InPart(holders, placed);
    const auto before = LoadsOf(nodes, holders);
    const auto then = LoadsOf(nodes, part);
    for (Candidate& node : nodes) {
      if (node.room != kNoLimit) node.room -= then.at(node.node) - before.at(node.node);
    }
    RC_ASSERT(Place(addresses, nodes, part) == placed);
  }));
}

TEST_CASE("balanced: no node has more than its share, and the moves are as few as that takes") {
  CHECK(rc::check("share", [] {
    const std::vector<Candidate> nodes = ArbitraryRoom(ArbitraryNodes(1));
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Holders holders = ArbitraryHolders(addresses);
    const Holders balanced = Balance(addresses, nodes, holders);
    const auto shares = LoadsOf(nodes, Place(addresses, nodes, {}));
    const auto before = LoadsOf(nodes, holders);
    const auto after = LoadsOf(nodes, balanced);
    std::size_t all_shares = 0, held = 0, surplus = 0, moved = 0;
    for (const auto& [node, share] : shares) {
      all_shares += share;
      held += before.at(node);
      surplus += std::max(before.at(node), share) - share;
    }
    for (const auto& [address, holder] : holders) moved += before.contains(holder) && balanced.at(address) != holder;
    RC_ASSERT(balanced.size() == addresses.size());
    RC_ASSERT(moved <= surplus);
    if (held > all_shares) return;  // more is held than the limits allow: what nobody has room for stays
    RC_ASSERT(moved == surplus);
    RC_ASSERT(after == shares);
    const bool is_unlimited = std::ranges::all_of(nodes, [](const Candidate& node) { return node.room == kNoLimit; });
    const std::size_t most = (addresses.size() + nodes.size() - 1) / nodes.size();
    for (const Candidate& node : nodes) {
      RC_ASSERT(after.at(node.node) <= node.room);
      if (is_unlimited) RC_ASSERT(after.at(node.node) <= most);
    }
  }));
}

TEST_CASE("balanced: the moves may be carried out one by one in any order, and nobody depends on the order of anything") {
  CHECK(rc::check("moves", [] {
    std::vector<Candidate> nodes = ArbitraryRoom(ArbitraryNodes(1));
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Holders holders = ArbitraryHolders(addresses);
    const Holders balanced = Balance(addresses, nodes, holders);
    RC_ASSERT(Balance(addresses, nodes, InPart(holders, balanced)) == balanced);
    std::ranges::reverse(nodes);
    RC_ASSERT(Balance(Shuffled(addresses), nodes, holders) == balanced);
  }));
}

TEST_CASE("balanced: what was lost with a node comes back to it, and nothing else moves") {
  CHECK(rc::check("failback", [] {
    const std::vector<Candidate> nodes = ArbitraryNodes(2);
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Holders before = Place(addresses, nodes, {});
    std::vector<Candidate> rest = nodes;
    rest.erase(rest.begin() + *rc::gen::inRange<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(rest.size())));
    RC_ASSERT(Balance(addresses, nodes, Place(addresses, rest, before)) == before);
  }));
}

TEST_CASE("what belongs apart is on different nodes as far as there are some, whatever else there is") {
  CHECK(rc::check("apart", [] {
    const std::vector<Candidate> nodes = ArbitraryNodes(1);
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Apart apart = ArbitraryApart(addresses);
    const Holders placed = Place(addresses, nodes, {}, apart);
    for (const auto& group : apart) {
      for (const auto& [node, count] : PresenceOf(group, placed)) RC_ASSERT(count <= (group.size() + nodes.size() - 1) / nodes.size());
    }
  }));
}

TEST_CASE("apart: the loss of a node moves only what was there, and nobody depends on who is quicker") {
  CHECK(rc::check("apart, quicker", [] {
    std::vector<Candidate> nodes = ArbitraryNodes(2);
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Apart apart = ArbitraryApart(addresses);
    const Holders before = Place(addresses, nodes, {}, apart);
    const std::string lost = nodes.back().node;
    nodes.pop_back();
    Holders holders = before;
    std::erase_if(holders, [&](const auto& entry) { return entry.second == lost; });
    const Holders after = Place(addresses, nodes, holders, apart);
    for (const auto& [address, node] : holders) RC_ASSERT(after.at(address) == node);
    RC_ASSERT(Place(Shuffled(addresses), nodes, InPart(holders, after), apart) == after);
  }));
}

TEST_CASE("apart: limits are kept, and nothing stays without a place while there is room") {
  CHECK(rc::check("apart, room", [] {
    std::vector<Candidate> nodes = ArbitraryRoom(ArbitraryNodes(0));
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Holders placed = Place(addresses, nodes, {}, ArbitraryApart(addresses));
    auto loads = LoadsOf(nodes, placed);
    bool is_room_left = false;
    for (const Candidate& node : nodes) {
      RC_ASSERT(loads[node.node] <= node.room);
      is_room_left = is_room_left || loads[node.node] < node.room;
    }
    for (const auto& [address, node] : placed) RC_ASSERT(!node.empty() || !is_room_left);
  }));
}

TEST_CASE("apart: what was lost with a node comes back to it by balancing, and nothing else moves") {
  CHECK(rc::check("apart, failback", [] {
    const std::vector<Candidate> nodes = ArbitraryNodes(2);
    const std::vector<IpAddress> addresses = ArbitraryAddresses();
    const Apart apart = ArbitraryApart(addresses);
    const Holders before = Place(addresses, nodes, {}, apart);
    std::vector<Candidate> rest = nodes;
    rest.erase(rest.begin() + *rc::gen::inRange<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(rest.size())));
    RC_ASSERT(Balance(addresses, nodes, Place(addresses, rest, before, apart), apart) == before);
  }));
}

}  // namespace egressd::placement
