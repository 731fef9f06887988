#include "egressd/placement/place.h"

#include <doctest/doctest.h>

namespace egressd::placement {
namespace {

IpAddress Nth(std::uint32_t n) { return IpAddress::Ipv4(0xcb007100 + n); }

}  // namespace

TEST_CASE("a living holder keeps its address") {
  const auto placed = Place({Nth(1)}, {{"a"}, {"b"}, {"c"}}, {{Nth(1), "b"}, {Nth(2), "b"}, {Nth(3), "b"}});
  CHECK(placed.at(Nth(1)) == "b");
}

TEST_CASE("a holder that is no candidate loses its address") {
  CHECK(Place({Nth(1)}, {{"a"}}, {{Nth(1), "gone"}}).at(Nth(1)) == "a");
}

TEST_CASE("without candidates an address has no place") { CHECK(Place({Nth(1)}, {}, {}).at(Nth(1)).empty()); }

TEST_CASE("what a lost node held is spread over all the others and nothing else moves") {
  std::vector<IpAddress> addresses;
  for (std::uint32_t n = 0; n < 40; ++n) addresses.push_back(Nth(n));
  const auto before = Place(addresses, {{"a"}, {"b"}, {"c"}, {"d"}}, {});
  std::map<std::string, int> load;
  for (const auto& [address, node] : before) ++load[node];
  for (const auto& [node, held] : load) CHECK(held == 10);
  const auto after = Place(addresses, {{"a"}, {"b"}, {"c"}}, before);
  load.clear();
  for (const auto& [address, node] : after) {
    ++load[node];
    if (before.at(address) != "d") CHECK(node == before.at(address));
  }
  for (const auto& [node, held] : load) CHECK((held == 13 || held == 14));
}

}  // namespace egressd::placement
