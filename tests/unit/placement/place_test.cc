#include "egressd/placement/place.h"

#include <doctest/doctest.h>

#include <set>

namespace egressd::placement {
namespace {

IpAddress Nth(std::uint32_t n) { return IpAddress::Ipv4(0xcb007100 + n); }

std::vector<IpAddress> FirstOnes(std::uint32_t count) {
  std::vector<IpAddress> addresses;
  for (std::uint32_t n = 0; n < count; ++n) addresses.push_back(Nth(n));
  return addresses;
}

std::map<std::string, std::size_t> Loads(const std::map<IpAddress, std::string>& placed) {
  std::map<std::string, std::size_t> loads;
  for (const auto& [address, node] : placed) ++loads[node];
  return loads;
}

std::size_t Moves(const std::map<IpAddress, std::string>& before, const std::map<IpAddress, std::string>& after) {
  std::size_t moves = 0;
  for (const auto& [address, node] : after) moves += before.at(address) != node;
  return moves;
}

using Loaded = std::map<std::string, std::size_t>;

}  // namespace

TEST_CASE("a living holder keeps its address") {
  const auto placed = Place({Nth(1)}, {{"a"}, {"b"}, {"c"}}, {{Nth(1), "b"}, {Nth(2), "b"}, {Nth(3), "b"}});
  CHECK(placed.at(Nth(1)) == "b");
}

TEST_CASE("a holder that is no candidate loses its address") { CHECK(Place({Nth(1)}, {{"a"}}, {{Nth(1), "gone"}}).at(Nth(1)) == "a"); }

TEST_CASE("without candidates an address has no place") { CHECK(Place({Nth(1)}, {}, {}).at(Nth(1)).empty()); }

TEST_CASE("what a lost node held is spread over all the others and nothing else moves") {
  const auto addresses = FirstOnes(40);
  const auto before = Place(addresses, {{"a"}, {"b"}, {"c"}, {"d"}}, {});
  CHECK(Loads(before) == Loaded{{"a", 10}, {"b", 10}, {"c", 10}, {"d", 10}});
  const auto after = Place(addresses, {{"a"}, {"b"}, {"c"}}, before);
  for (const auto& [address, node] : after) {
    if (before.at(address) != "d") CHECK(node == before.at(address));
  }
  for (const auto& [node, held] : Loads(after)) CHECK((held == 13 || held == 14));
}

TEST_CASE("a node with less than the others gets the next ones") {
  std::map<IpAddress, std::string> holders;
  for (std::uint32_t n = 100; n < 105; ++n) holders[Nth(n)] = "a";
  CHECK(Loads(Place(FirstOnes(4), {{"a"}, {"b"}}, holders)) == Loaded{{"b", 4}});
  CHECK(Loads(Place(FirstOnes(7), {{"a"}, {"b"}}, holders)) == Loaded{{"a", 1}, {"b", 6}});
}

TEST_CASE("a node takes no more than it has room for, and what nobody has room for has no place") {
  CHECK(Loads(Place(FirstOnes(6), {{"a", 1}, {"b"}}, {})) == Loaded{{"a", 1}, {"b", 5}});
  CHECK(Loads(Place(FirstOnes(6), {{"a", 1}, {"b", 2}, {"c", 0}}, {})) == Loaded{{"", 3}, {"a", 1}, {"b", 2}});
  CHECK(Loads(Place(FirstOnes(2), {{"a", 0}}, {{Nth(0), "a"}})) == Loaded{{"", 1}, {"a", 1}});
  // Room counts beside what is held: four held, room for two more.
  const std::map<IpAddress, std::string> holders = {{Nth(50), "a"}, {Nth(51), "a"}, {Nth(52), "a"}, {Nth(53), "a"}};
  CHECK(Loads(Place(FirstOnes(8), {{"a", 2}, {"b", 3}}, holders)) == Loaded{{"", 3}, {"a", 2}, {"b", 3}});
}

TEST_CASE("an address listed twice is one address") { CHECK(Loads(Place({Nth(1), Nth(1), Nth(2)}, {{"a", 2}}, {})) == Loaded{{"a", 2}}); }

TEST_CASE("failback: the only address goes home when its node is back, and nowhere else") {
  for (std::uint32_t n = 0; n < 20; ++n) {
    const std::string home = Place({Nth(n)}, {{"a"}, {"b"}}, {}).at(Nth(n));
    const std::string other = home == "a" ? "b" : "a";
    CHECK(Balance({Nth(n)}, {{"a"}, {"b"}}, {{Nth(n), other}}).at(Nth(n)) == home);
    CHECK(Balance({Nth(n)}, {{"a"}, {"b"}}, {{Nth(n), home}}).at(Nth(n)) == home);
    CHECK(Balance({Nth(n)}, {{other}}, {{Nth(n), other}}).at(Nth(n)) == other);
  }
}

TEST_CASE("failback: after a loss and the return of the node everything is where it was") {
  const auto addresses = FirstOnes(41);
  const std::vector<Candidate> all = {{"a"}, {"b"}, {"c"}, {"d"}};
  const auto before = Place(addresses, all, {});
  const auto without = Place(addresses, {{"a"}, {"b"}, {"c"}}, before);
  const auto after = Balance(addresses, all, without);
  CHECK(after == before);
  CHECK(Moves(without, after) == Loads(before).at("d"));
}

TEST_CASE("failback: a node that is new takes its share, and nothing moves between the others") {
  const auto addresses = FirstOnes(40);
  const auto before = Place(addresses, {{"a"}, {"b"}, {"c"}}, {});
  const auto after = Balance(addresses, {{"a"}, {"b"}, {"c"}, {"d"}}, before);
  CHECK(Loads(after) == Loaded{{"a", 10}, {"b", 10}, {"c", 10}, {"d", 10}});
  for (const auto& [address, node] : after) {
    if (node != before.at(address)) CHECK(node == "d");
  }
}

TEST_CASE("failback: a lowered limit makes a node give what others have room for, and keep what nobody has room for") {
  const auto addresses = FirstOnes(6);
  std::map<IpAddress, std::string> holders;
  for (const IpAddress& address : addresses) holders[address] = "a";
  CHECK(Loads(Balance(addresses, {{"a", 2}, {"b"}}, holders)) == Loaded{{"a", 2}, {"b", 4}});
  CHECK(Loads(Balance(addresses, {{"a", 2}, {"b", 1}}, holders)) == Loaded{{"a", 5}, {"b", 1}});
}

TEST_CASE("failback: addresses without a holder are placed as well") {
  const auto addresses = FirstOnes(6);
  const auto placed = Balance(addresses, {{"a"}, {"b"}}, {{Nth(0), "a"}, {Nth(1), "gone"}});
  CHECK(Loads(placed) == Loaded{{"a", 3}, {"b", 3}});
  CHECK(placed.at(Nth(0)) == "a");
  CHECK(Balance(addresses, {}, {}).at(Nth(0)).empty());
}

}  // namespace egressd::placement
