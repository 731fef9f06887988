#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "egressd/plan/plan.h"
#include "law/policy_generate.h"
#include "plan/choice.h"

namespace egressd::plan {
namespace {

using namespace policy::law;
using state::State;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }
Prefix Net(std::string_view text) { return Prefix::Parse(text).value(); }

struct World {
  policy::NodeConfig config;
  policy::PolicySet set = ArbitrarySet();
  state::Host host;
  std::vector<policy::Binding> bindings;
  std::map<EgressId, Carrier> carriers;
  std::map<IpAddress, Hold> holds;
  std::optional<policy::Selection> selection;

  World() {
    config.node.name = "n1";
    host.devices = {{.name = "br0", .addresses = {Prefix{Ip("10.0.0.1"), 28}}},
                    {.name = "eth0", .mtu_bytes = 1500, .addresses = {Prefix{Ip("192.0.2.1"), 24}, Prefix{Ip("2001:db8:1::1"), 64}},
                        .accept_ra = 1}};
    host.routes = {{.destination = Net("0.0.0.0/0"), .device = "eth0"}, {.destination = Net("::/0"), .device = "eth0"}};
    set.pools["pool"] = {.name = "pool", .ipv4 = {AddressRange::Parse("192.0.2.100-192.0.2.200").value()}};
    if (Chance(50)) set.pools["pool"].ipv6 = {AddressRange::Parse("2001:db8:1::100-2001:db8:1::1ff").value()};
    set.gateways["g"] = {.name = "g", .is_default = true, .nodes = {.names = {"n1", "n2"}}, .pools = {"pool"}};
    for (auto& [name, policy] : set.policies) {
      using enum policy::Action;
      policy.action = OneOf({kSnat, kSnat, kRoute, kDirect, kDrop});
      if (Chance(20)) policy.source = policy::Source::kPreserve;
      if (Chance(20)) {
        policy.egress_ip.kind = policy::EgressIpChoice::Kind::kNode;
      } else if (Chance(50)) {
        policy.replicas = OneOf<std::uint16_t>({2, 3, 5});
        policy.spread = OneOf({policy::Spread::kSource, policy::Spread::kFlow});
        policy.prefer = OneOf({policy::Prefer::kAny, policy::Prefer::kLocal});
      }
      if (Chance(30)) policy.on_no_gateway = policy::OnNoGateway::kDirect;
      if (Chance(30)) policy.bandwidth = {.egress_bits = OneOf<std::uint64_t>({0, 8000, 1'000'000'000}), .ingress_bits = 50'000'000};
    }
    bindings = policy::Bind(set, {}).value().bindings;
    for (const policy::Binding& binding : bindings) {
      carriers[binding.id] = OneOf<Carrier>({{}, {.kind = Carrier::Kind::kSelf}, {.kind = Carrier::Kind::kPeer, .peer = "n2"},
                                             {.kind = Carrier::Kind::kPeer, .peer = "stranger"}});
      // What this node does for an egress IP and where its own workloads go are two questions: in the middle of a handover they differ.
      if (!binding.egress_ip || Chance(30)) continue;
      const auto standing = OneOf({Hold::Standing::kPrepared, Hold::Standing::kHeld, Hold::Standing::kLeaving});
      holds[*binding.egress_ip] = {.standing = standing, .lease = OneOf<std::optional<Duration>>({{}, std::chrono::milliseconds(310)})};
    }
    Compile();
  }
  void Compile() { selection.emplace(set, "n1"); }

  Inputs Input() const {
    Inputs inputs{.config = &config, .selection = &*selection, .bindings = &bindings, .host = &host, .underlay = Ip("192.0.2.1")};
    inputs.self = IdentityOf(1, config.tunnel);
    inputs.peers = {{.name = "n2", .underlay = Ip("192.0.2.2"), .identity = IdentityOf(2, config.tunnel)}};
    inputs.slots = {{"n2", Slot{1}}};
    inputs.carriers = carriers;
    for (const policy::Binding& binding : bindings) {
      if (!binding.egress_ip || !holds.contains(*binding.egress_ip)) continue;
      inputs.holds.insert(*holds.find(*binding.egress_ip));
    }
    return inputs;
  }
};

// Everything that the state's rules and elements refer to.
struct References {
  std::set<state::NftName> sets, chains, counters, limits;
};

void Collect(const state::NftExpression& expression, state::NftFamily family, References& to) {
  if (const auto* lookup = std::get_if<state::NftLookup>(&expression)) to.sets.insert({family, lookup->set});
  if (const auto* limit = std::get_if<state::NftLimitBy>(&expression)) to.sets.insert({family, limit->map});
  if (const auto* count = std::get_if<state::NftCount>(&expression)) to.counters.insert({family, count->counter});
  if (const auto* verdict = std::get_if<state::NftVerdict>(&expression); verdict != nullptr && !verdict->chain.empty())
      to.chains.insert({family, verdict->chain});
}

References ReferencesOf(const State& state) {
  References references;
  for (const auto& [key, chain] : state.chains) {
    for (const state::NftRule& rule : chain.rules) {
      for (const state::NftExpression& expression : rule.expressions) Collect(expression, key.family, references);
    }
  }
  for (const auto& [key, element] : state.elements) {
    references.sets.insert(key.set);
    const auto* verdict = std::get_if<state::NftVerdict>(&element.value);
    if (verdict != nullptr) references.chains.insert({key.set.family, verdict->chain});
    const auto* limit = std::get_if<state::NftLimitName>(&element.value);
    if (limit != nullptr) references.limits.insert({key.set.family, limit->name});
  }
  return references;
}

bool IsNftName(const std::string& name) {
  const auto IsLetter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto IsPart = [&](char c) { return IsLetter(c) || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= 128 && IsLetter(name[0]) && std::ranges::all_of(name, IsPart);
}

TEST_CASE("law: the same inputs give the same state") {
  CHECK(rc::check([] {
    const World world;
    const Inputs inputs = world.Input();
    RC_ASSERT(Build(inputs) == Build(inputs));
    // Another Selection over the same set: nothing depends on where things lie in memory.
    World copy;
    copy.set = world.set;
    copy.bindings = world.bindings;
    copy.carriers = world.carriers;
    copy.holds = world.holds;
    copy.Compile();
    RC_ASSERT(Build(copy.Input()) == Build(inputs));
  }));
}

TEST_CASE("law: whatever a rule or an element names is in the state, and every name is one that nft takes") {
  CHECK(rc::check([] {
    const State state = Build(World().Input());
    const References references = ReferencesOf(state);
    for (const state::NftName& name : references.sets) RC_ASSERT(state.sets.contains(name));
    for (const state::NftName& name : references.chains) RC_ASSERT(state.chains.contains(name));
    for (const state::NftName& name : references.counters) RC_ASSERT(state.counters.contains(name));
    for (const auto& [key, limit] : state.limits) {
      RC_ASSERT(IsNftName(key.name));
      RC_ASSERT(references.limits.contains(key));  // no limit that nothing is held to
    }
    for (const state::NftName& name : references.limits) RC_ASSERT(state.limits.contains(name));
    for (const auto& [key, set] : state.sets) RC_ASSERT(state.tables.contains({.family = key.family, .name = "egressd"}));
    for (const auto& [key, set] : state.sets) RC_ASSERT(IsNftName(key.name));
    for (const auto& [key, chain] : state.chains) {
      RC_ASSERT(IsNftName(key.name));
      RC_ASSERT(chain.hook || references.chains.contains(key));  // no chain that nothing leads to
    }
  }));
}

// Ranges of (mark, user, address): boxes that have nothing in common where one field has not.
bool AreApart(const state::NftElement::Key& one, const state::NftElement::Key& other) {
  constexpr std::size_t kFields[] = {0, 4, 8};
  return std::ranges::any_of(kFields, [&](std::size_t from) {
    const auto field = [from](const state::NftBytes& bytes) {
      const auto all = bytes.bytes();
      const std::size_t end = from == 8 ? all.size() : from + 4;
      return std::vector<std::uint8_t>(all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(end));
    };
    return field(one.last) < field(other.first) || field(other.last) < field(one.first);
  });
}

TEST_CASE("law: elements have the length of their set, and ranges of one set do not meet") {
  CHECK(rc::check([] {
    const State state = Build(World().Input());
    const state::NftElement* before = nullptr;
    for (const auto& [key, element] : state.elements) {
      const state::NftSet& set = state.sets.at(key.set);
      RC_ASSERT(key.first.bytes().size() == Bytes(set.type));
      RC_ASSERT(key.last.bytes().size() == Bytes(set.type));
      RC_ASSERT((set.intervals ? key.first <= key.last : key.first == key.last));
      if (const auto* value = std::get_if<state::NftBytes>(&element.value)) RC_ASSERT(value->bytes().size() == Bytes(set.value));
      if (element.timeout) RC_ASSERT((set.timeouts && *element.timeout % state::kTimeoutGrain == Duration::zero()));
      const bool boxes = set.type == state::NftSet::Type::kMarkUserIpv4 || set.type == state::NftSet::Type::kMarkUserIpv6;
      if (before != nullptr && before->key.set == key.set && !boxes) RC_ASSERT(before->key.last < key.first);
      for (auto other = state.elements.begin(); boxes && other->first != key; ++other) {
        if (other->first.set == key.set) RC_ASSERT(AreApart(other->first, key));
      }
      before = &element;
    }
  }));
}

TEST_CASE("law: a workload that goes takes its own elements with it and nothing else of the sources") {
  CHECK(rc::check([] {
    World world;
    RC_PRE(!world.set.workloads.empty());
    // Every workload has addresses of its own, so that nobody else's class hangs on them.
    int number = 50;
    for (auto& [name, workload] : world.set.workloads) workload.addresses = {Ip("172.16.0." + std::to_string(++number))};
    world.Compile();
    const State with = Build(world.Input());
    const auto gone = world.set.workloads.begin()->second.addresses;
    world.set.workloads.erase(world.set.workloads.begin());
    world.Compile();
    const State without = Build(world.Input());
    for (const auto& [key, element] : with.elements) {
      if (key.set.name != "src4" && key.set.name != "src6") continue;
      const bool is_gone = std::ranges::any_of(gone, [&](const IpAddress& address) { return state::NftBytes::Of(address) == key.first; });
      RC_ASSERT(without.elements.contains(key) == !is_gone);
      if (!is_gone) RC_ASSERT(without.elements.at(key) == element);
    }
    RC_ASSERT(with.rules == without.rules);
    RC_ASSERT(with.routes == without.routes);
    RC_ASSERT(with.sets.size() >= without.sets.size());
  }));
}

TEST_CASE("law: the short way after a change of workloads arrives where the long way does, or changes nothing") {
  int short_ways = 0;
  CHECK(rc::check([&] {
    World world;
    const std::vector<policy::Workload> before = ArbitraryWorkloads(), after = ArbitraryWorkloads();
    world.selection->SetWorkloads("file", before);
    State state = Build(world.Input());
    const State untouched = state;
    const std::vector<IpAddress> changed = world.selection->SetWorkloads("file", after);
    state::Touched touched{std::in_place};
    if (UpdateSources(world.Input(), changed, state, touched)) {
      ++short_ways;
      RC_ASSERT(state == Build(world.Input()));
      // What it says that it touched is enough to get there.
      if (touched) RC_ASSERT(state::ToString(state::Diff(untouched, state, *touched)) == state::ToString(state::Diff(untouched, state)));
    } else {
      RC_ASSERT(state == untouched);
    }
  }));
  CHECK(short_ways > 0);
}

// Behind every range that begins at `first`.
state::NftBytes IpAddressLast(const state::NftBytes& first) {
  const std::vector<std::uint8_t> ones(first.bytes().size(), 0xff);
  return state::NftBytes::Of(IpAddress::FromBytes(ones));
}

TEST_CASE("law: a guarded source passes if and only if it is a known workload, by exactly one element") {
  CHECK(rc::check([] {
    World world;
    world.selection->SetWorkloads("file", ArbitraryWorkloads());
    const State state = Build(world.Input());
    const auto holds = [&](const std::string& stem, const IpAddress& address) {
      const state::NftName set{.name = stem + (address.family() == Family::kIpv4 ? "4" : "6")};
      const state::NftBytes key = state::NftBytes::Of(address);
      const auto behind = state.elements.upper_bound({.set = set, .first = key, .last = IpAddressLast(key)});
      return behind != state.elements.begin() && std::prev(behind)->first.set == set && key <= std::prev(behind)->first.last;
    };
    for (int i = 0; i < 20; ++i) {
      const IpAddress address = ArbitraryAddress();
      const bool guarded = std::ranges::any_of(world.set.guard, [&](const Prefix& prefix) { return prefix.Contains(address); });
      const bool known = world.selection->WorkloadAt(address) != nullptr;
      RC_ASSERT(holds("guard", address) == guarded);
      RC_ASSERT(!(holds("src", address) && holds("known", address)));
      if (guarded) RC_ASSERT((holds("src", address) || holds("known", address)) == known);
      if (!guarded) RC_ASSERT(!holds("known", address));
    }
  }));
}

TEST_CASE("law: no id is let through without its address, and no next hop leads nowhere") {
  CHECK(rc::check([] {
    const State state = Build(World().Input());
    std::set<std::uint32_t> held, translated;
    for (const auto& [key, element] : state.elements) {
      if (key.set.name == "held") held.insert(key.first.as_mark());
      if (key.set.name == "snat4" || key.set.name == "snat6") translated.insert(key.first.as_mark());
      if (key.set.name == "routed") translated.insert(key.first.as_mark() & 0xffff);  // into itself
      if (key.set.name != "nexthop") continue;
      const std::uint32_t mark = std::get<state::NftBytes>(element.value).as_mark();
      RC_ASSERT((kDecided | (mark & 0xffff)) == key.first.as_mark());
      const std::uint32_t slot = mark >> 24;
      const bool has_table = std::ranges::any_of(state.routes, [&](const auto& route) { return route.first.table == 26000 + slot; });
      RC_ASSERT(slot == 0 || has_table);
    }
    RC_ASSERT(held == translated);
  }));
}

TEST_CASE("law: every lot leads to an id of its policy, to one that is carried if there is any, evenly") {
  int tables = 0;
  CHECK(rc::check([&] {
    const World world;
    const State state = Build(world.Input());
    std::map<std::string, std::map<std::uint32_t, std::size_t>> shares;  // by set
    std::set<std::uint32_t> carried;
    for (const auto& [key, element] : state.elements) {
      if (key.set.name == "nexthop") carried.insert(key.first.as_mark());
      if (!key.set.name.starts_with("spread")) continue;
      ++shares[key.set.name][std::get<state::NftBytes>(element.value).as_mark() & 0xffff];
    }
    for (const auto& [set, ids] : shares) {
      ++tables;
      std::set<std::string> policies;
      std::size_t lots = 0, most = 0, least = kLots;
      for (const auto& [id, count] : ids) {
        policies.insert(std::ranges::find(world.bindings, EgressId{static_cast<std::uint16_t>(id)}, &policy::Binding::id)->policy);
        lots += count;
        most = std::max(most, count);
        least = std::min(least, count);
      }
      RC_ASSERT(lots == kLots);
      RC_ASSERT(most - least <= 2u);
      RC_ASSERT(policies.size() == 1u);
      const auto is_carried = [&](const policy::Binding& binding) { return carried.contains(binding.id.value); };
      const bool any = std::ranges::any_of(world.bindings, [&](const policy::Binding& binding) {
        return binding.policy == *policies.begin() && set.starts_with(PerFamily("spread", binding.family)) && is_carried(binding);
      });
      for (const auto& [id, count] : ids) RC_ASSERT(!any || carried.contains(id));
    }
  }));
  CHECK(tables > 0);
}

TEST_CASE("law: who is answered for has a lease and an address, who has a lease is known, and nothing lives longer than its hold") {
  CHECK(rc::check([] {
    const World world;
    const Inputs inputs = world.Input();
    const State state = Build(inputs);
    const auto has = [&](state::NftFamily family, const std::string& set, const IpAddress& address) -> std::optional<state::NftElement> {
      const state::NftBytes key = state::NftBytes::Of(address);
      const auto found = state.elements.find({.set = {family, set}, .first = key, .last = key});
      return found == state.elements.end() ? std::nullopt : std::optional(found->second);
    };
    for (const auto& [address, hold] : inputs.holds) {
      const bool ipv4 = address.family() == Family::kIpv4;
      const auto inet = state::NftFamily::kInet, arp = state::NftFamily::kArp;
      const auto lease = has(inet, ipv4 ? "lease4" : "lease6", address);
      const auto answers = has(ipv4 ? arp : inet, ipv4 ? "answers" : "answers6", address);
      const auto is_of = [&](const auto& entry) { return entry.first.address == address; };
      const bool on_device = std::ranges::any_of(state.egress_addresses, is_of);
      RC_ASSERT(lease.has_value());
      RC_ASSERT(lease->timeout.has_value() == hold.lease.has_value());
      if (lease->timeout) RC_ASSERT(*lease->timeout <= *hold.lease);
      RC_ASSERT(answers.has_value() == (hold.standing == Hold::Standing::kHeld));
      if (answers) RC_ASSERT(answers->timeout == lease->timeout);
      if (on_device) RC_ASSERT(hold.standing != Hold::Standing::kPrepared);
      RC_ASSERT(has(inet, ipv4 ? "egress4" : "egress6", address).has_value());
      if (ipv4) RC_ASSERT(has(arp, "egress", address).has_value());
    }
    for (const auto& [key, element] : state.elements) {
      if (!element.timeout) continue;
      RC_ASSERT(inputs.holds.contains(IpAddress::FromBytes(key.first.bytes())));
    }
  }));
}

}  // namespace
}  // namespace egressd::plan
