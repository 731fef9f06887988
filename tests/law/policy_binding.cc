#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "egressd/policy/binding.h"
#include "law/policy_generate.h"

namespace egressd::policy {
namespace {

using namespace law;

// A valid set: policies of all kinds over one gateway with a pool of pairs and one with plain pools.
PolicySet ArbitraryBindable() {
  PolicySet set;
  set.pools["pairs"] = {.name = "pairs",
                        .ipv4 = {AddressRange::Parse("203.0.113.0-203.0.113.31").value()},
                        .ipv6 = {AddressRange::Parse("2001:db8:1::-2001:db8:1::1f").value()},
                        .pair = true};
  set.pools["plain"] = {
      .name = "plain", .ipv4 = {AddressRange::Parse("198.51.100.0/26").value()}, .ipv6 = {AddressRange::Parse("2001:db8:2::/64").value()}};
  if (Chance(30)) set.pools["pairs"].exclude = {AddressRange::Parse("203.0.113.3").value(), AddressRange::Parse("2001:db8:1::9").value()};
  if (Chance(30)) set.pools["plain"].exclude = {AddressRange::Parse("198.51.100.0-198.51.100.7").value()};
  set.gateways["edge"] = {.name = "edge", .is_default = true, .pools = {"pairs"}};
  set.gateways["core"] = {.name = "core", .pools = {"plain"}};
  for (int i = 0; i < 12; ++i) {
    if (Chance(40)) continue;
    Policy policy{.name = "p" + std::to_string(i), .enabled = Chance(90)};
    if (Chance(30)) policy.gateway = "core";
    using enum EgressIpChoice::Kind;
    policy.egress_ip.kind = OneOf({kAuto, kAuto, kAuto, kDefault, kNode, kAddress});
    if (policy.egress_ip.kind == kAddress) {
      const Pool& pool = set.pools[set.gateways[policy.gateway.value_or("edge")].pools.front()];
      const std::vector<IpAddress> offered = AddressesOf(pool, Family::kIpv4, 16);
      const std::size_t first = *rc::gen::inRange<std::size_t>(0, offered.size() - 3);
      for (std::size_t n = *rc::gen::inRange<std::size_t>(1, 4); n > 0; --n)
        policy.egress_ip.addresses.push_back({.ipv4 = offered[first + n - 1], .ipv6 = {}});
    }
    if (policy.egress_ip.kind == kAuto && Chance(40)) policy.replicas = *rc::gen::inRange<std::uint16_t>(1, 4);
    set.policies.emplace(policy.name, policy);
  }
  return set;
}

using Pair = std::tuple<std::string, Family, std::optional<IpAddress>>;
std::map<Pair, EgressId> IdsOf(const Bindings& bindings) {
  std::map<Pair, EgressId> ids;
  for (const Binding& binding : bindings.bindings) ids[{binding.policy, binding.family, binding.egress_ip}] = binding.id;
  return ids;
}

void CheckIds(const Bindings& bindings) {
  std::set<EgressId> seen;
  for (const Binding& binding : bindings.bindings) {
    RC_ASSERT(binding.id >= EgressId{1});
    RC_ASSERT(binding.id <= kLastEgressId);
    RC_ASSERT(seen.insert(binding.id).second);
  }
  RC_ASSERT(std::ranges::is_sorted(bindings.bindings));
}

// The position of an address in its pool.
std::size_t Position(const Pool& pool, const IpAddress& address) {
  const std::vector<IpAddress> all = AddressesOf(pool, address.family(), 64);
  return static_cast<std::size_t>(std::ranges::find(all, address) - all.begin());
}

}  // namespace

TEST_CASE("a pair that lives on keeps its id, and ids are never given twice") {
  CHECK(rc::check("ids are stable", [] {
    Bindings bindings;
    bindings.cursor = EgressId{OneOf<std::uint16_t>({0, 5, 65530, 65534})};
    for (int step = 0; step < 6; ++step) {
      const auto next = Bind(ArbitraryBindable(), bindings);
      RC_ASSERT(static_cast<bool>(next));
      CheckIds(*next);
      const std::map<Pair, EgressId> before = IdsOf(bindings);
      for (const auto& [pair, id] : IdsOf(*next)) {
        const auto old = before.find(pair);
        if (old != before.end()) RC_ASSERT(id == old->second);
      }
      bindings = *next;
    }
  }));
}

TEST_CASE("a freed id rests until all others have had their turn") {
  CHECK(rc::check("ids go upwards", [] {
    const auto first = Bind(ArbitraryBindable(), {});
    const auto second = Bind(ArbitraryBindable(), *first);
    RC_ASSERT(second.has_value());
    const std::map<Pair, EgressId> before = IdsOf(*first);
    for (const auto& [pair, id] : IdsOf(*second)) {
      if (!before.contains(pair)) RC_ASSERT(id > first->cursor);
    }
  }));
}

TEST_CASE("automatic addresses are unused ones, stay, and come in pairs from a pool of pairs") {
  CHECK(rc::check("auto", [] {
    const PolicySet set = ArbitraryBindable();
    const auto first = Bind(set, {});
    RC_ASSERT(first.has_value());
    const auto again = Bind(set, *first);
    RC_ASSERT(static_cast<bool>(again));
    RC_ASSERT(*again == *first);
    std::map<IpAddress, int> uses;
    std::map<std::pair<std::string, std::size_t>, std::vector<Family>> positions;
    for (const Binding& binding : first->bindings) {
      if (binding.egress_ip) ++uses[*binding.egress_ip];
    }
    for (const Binding& binding : first->bindings) {
      if (set.policies.at(binding.policy).egress_ip.kind != EgressIpChoice::Kind::kAuto) continue;
      RC_ASSERT(uses[*binding.egress_ip] == 1);
      const Pool& pool = set.pools.at(set.gateways.at(binding.gateway).pools.front());
      if (pool.pair) positions[{binding.policy, Position(pool, *binding.egress_ip)}].push_back(binding.family);
    }
    std::map<std::string, std::size_t> pairs;
    for (const auto& [place, families] : positions) {
      RC_ASSERT(families.size() == 2u);
      RC_ASSERT(families[0] != families[1]);
      ++pairs[place.first];
    }
    for (const auto& [policy, count] : pairs) RC_ASSERT(count == ReplicasOf(set.policies.at(policy)));
  }));
}

// What somebody else's policy gets, loses or asks for does not matter to an automatic address, as long as the pools stay.
TEST_CASE("an edit of other policies never moves an automatic address, and more replicas only add to those that are there") {
  CHECK(rc::check("unmoved", [] {
    PolicySet set = ArbitraryBindable();
    Bindings bindings = Bind(set, {}).value();
    for (int step = 0; step < 6; ++step) {
      PolicySet next = ArbitraryBindable();
      next.pools = set.pools;
      // Who shared an address by wish and now wants one of its own may keep it: the bindings do not say whose it was first.
      std::erase_if(next.policies, [&](const auto& entry) {
        const auto before = set.policies.find(entry.first);
        return before != set.policies.end() && entry.second.egress_ip.kind == EgressIpChoice::Kind::kAuto &&
               before->second.egress_ip.kind != EgressIpChoice::Kind::kAuto;
      });
      std::set<std::string> kept;
      for (const auto& [name, policy] : set.policies) {
        if (!Chance(60)) continue;
        next.policies[name] = policy;
        kept.insert(name);
        const bool grows = policy.egress_ip.kind == EgressIpChoice::Kind::kAuto && Chance(30);
        if (grows) next.policies[name].replicas = static_cast<std::uint16_t>(ReplicasOf(policy) + 1);
      }
      const auto bound = Bind(next, bindings);
      if (!bound) RC_DISCARD("the pool is too small");
      const std::map<Pair, EgressId> now = IdsOf(*bound);
      for (const auto& [pair, id] : IdsOf(bindings)) {
        if (!kept.contains(std::get<0>(pair))) continue;
        const auto found = now.find(pair);
        RC_ASSERT(found != now.end());
        RC_ASSERT(found->second == id);
      }
      set = next;
      bindings = *bound;
    }
  }));
}

}  // namespace egressd::policy
