#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "egressd/plan/plan.h"
#include "law/policy_generate.h"

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
      policy.action = OneOf({policy::Action::kSnat, policy::Action::kSnat, policy::Action::kDirect, policy::Action::kDrop});
      if (Chance(20)) policy.egress_ip.kind = policy::EgressIpChoice::Kind::kNode;
      if (Chance(30)) policy.on_no_gateway = policy::OnNoGateway::kDirect;
    }
    bindings = policy::Bind(set, {}).value().bindings;
    for (const policy::Binding& binding : bindings) {
      carriers[binding.id] = OneOf<Carrier>({{}, {.kind = Carrier::Kind::kSelf}, {.kind = Carrier::Kind::kPeer, .peer = "n2"},
                                             {.kind = Carrier::Kind::kPeer, .peer = "stranger"}});
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
      const bool here = carriers.at(binding.id).kind == Carrier::Kind::kSelf && binding.egress_ip;
      if (here) inputs.holds[*binding.egress_ip] = {};
    }
    return inputs;
  }
};

// Everything that the state's rules and elements refer to.
struct References {
  std::set<std::string> sets, chains, counters;
};

void Collect(const state::NftExpression& expression, References& to) {
  if (const auto* lookup = std::get_if<state::NftLookup>(&expression)) to.sets.insert(lookup->set);
  if (const auto* count = std::get_if<state::NftCount>(&expression)) to.counters.insert(count->counter);
  if (const auto* verdict = std::get_if<state::NftVerdict>(&expression); verdict != nullptr && !verdict->chain.empty())
      to.chains.insert(verdict->chain);
}

References ReferencesOf(const State& state) {
  References references;
  for (const auto& [key, chain] : state.chains) {
    for (const state::NftRule& rule : chain.rules) {
      for (const state::NftExpression& expression : rule.expressions) Collect(expression, references);
    }
  }
  for (const auto& [key, element] : state.elements) {
    references.sets.insert(key.set.name);
    if (const auto* verdict = std::get_if<state::NftVerdict>(&element.value)) references.chains.insert(verdict->chain);
  }
  return references;
}

template <typename Objects>
bool Has(const Objects& objects, const std::string& name) {
  return objects.contains(state::NftName{.name = name});
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
    copy.Compile();
    RC_ASSERT(Build(copy.Input()) == Build(inputs));
  }));
}

TEST_CASE("law: whatever a rule or an element names is in the state, and every name is one that nft takes") {
  CHECK(rc::check([] {
    const State state = Build(World().Input());
    const References references = ReferencesOf(state);
    for (const std::string& name : references.sets) RC_ASSERT(Has(state.sets, name));
    for (const std::string& name : references.chains) RC_ASSERT(Has(state.chains, name));
    for (const std::string& name : references.counters) RC_ASSERT(Has(state.counters, name));
    for (const auto& [key, set] : state.sets) RC_ASSERT(IsNftName(key.name));
    for (const auto& [key, chain] : state.chains) {
      RC_ASSERT(IsNftName(key.name));
      RC_ASSERT(chain.hook || references.chains.contains(key.name));  // no chain that nothing leads to
    }
  }));
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
      if (before != nullptr && before->key.set == key.set) RC_ASSERT(before->key.last < key.first);
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
    if (UpdateSources(world.Input(), changed, state)) {
      ++short_ways;
      RC_ASSERT(state == Build(world.Input()));
    } else {
      RC_ASSERT(state == untouched);
    }
  }));
  CHECK(short_ways > 0);
}

TEST_CASE("law: no id is let through without its address, and no next hop leads nowhere") {
  CHECK(rc::check([] {
    const State state = Build(World().Input());
    std::set<std::uint32_t> held, translated;
    for (const auto& [key, element] : state.elements) {
      if (key.set.name == "held") held.insert(key.first.as_mark());
      if (key.set.name == "snat4" || key.set.name == "snat6") translated.insert(key.first.as_mark());
      if (key.set.name != "nexthop") continue;
      const std::uint32_t mark = std::get<state::NftBytes>(element.value).as_mark();
      RC_ASSERT((mark & 0xffff) == key.first.as_mark());
      const std::uint32_t slot = mark >> 24;
      const bool has_table = std::ranges::any_of(state.routes, [&](const auto& route) { return route.first.table == 26000 + slot; });
      RC_ASSERT(slot == 0 || has_table);
    }
    RC_ASSERT(held == translated);
  }));
}

}  // namespace
}  // namespace egressd::plan
