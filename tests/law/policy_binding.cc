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
      policy.egress_ip.ipv4 = *rc::gen::elementOf(AddressesOf(pool, Family::kIpv4, 16));
    }
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
    std::map<std::string, std::vector<std::size_t>> positions;
    for (const Binding& binding : first->bindings) {
      if (binding.egress_ip) ++uses[*binding.egress_ip];
    }
    for (const Binding& binding : first->bindings) {
      if (set.policies.at(binding.policy).egress_ip.kind != EgressIpChoice::Kind::kAuto) continue;
      RC_ASSERT(uses[*binding.egress_ip] == 1);
      const Pool& pool = set.pools.at(set.gateways.at(binding.gateway).pools.front());
      if (pool.pair) positions[binding.policy].push_back(Position(pool, *binding.egress_ip));
    }
    for (const auto& [policy, both] : positions) {
      RC_ASSERT(both.size() == 2);
      RC_ASSERT(both[0] == both[1]);
    }
  }));
}

}  // namespace egressd::policy
