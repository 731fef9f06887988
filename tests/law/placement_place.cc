#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <ranges>

#include "egressd/placement/place.h"

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

}  // namespace egressd::placement
