#include "plan/sets.h"

#include <algorithm>
#include <set>
#include <utility>

namespace egressd::plan {
namespace {

using state::NftBytes;
using state::NftSet;

void Declare(state::State& state, std::string_view name, NftSet set) {
  set.key.name = name;
  state::Put(state.sets, std::move(set));
}

// Keys that come in any order, perhaps twice.
void PutAddresses(state::State& state, std::string_view stem, std::set<IpAddress> addresses) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    Elements elements(state, PerFamily(stem, family));
    for (const IpAddress& address : addresses) {
      if (address.family() == family) elements.Add(NftBytes::Of(address));
    }
  }
}

// Addresses that this host answers for, whatever rules and marks say: the kernel looks its local table up first.
std::vector<Prefix> LocalNetworks(const Facts& facts) {
  std::vector<Prefix> local;
  for (const char* text : {"127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::1/128", "fe80::/10", "ff00::/8"}) {
    local.push_back(*Prefix::Parse(text));
  }
  for (const state::HostDevice& device : facts.inputs.host->devices) {
    for (const Prefix& address : device.addresses) local.push_back(Prefix::Of(address.address));
  }
  local.push_back(Prefix::Of(facts.inputs.underlay));
  local.push_back(Prefix::Of(facts.inputs.self.ipv4));
  local.push_back(Prefix::Of(facts.inputs.self.ipv6));
  for (const auto& [address, hold] : facts.inputs.holds) {
    if (facts.IsOnDevice(address, hold)) local.push_back(Prefix::Of(address));
  }
  return local;
}

void PutNextHops(const Facts& facts, state::State& state) {
  if (facts.set == nullptr || facts.inputs.bindings == nullptr) return;
  Elements next_hops(state, set::kNextHop);
  Elements without(state, set::kWithoutGateway);
  for (const policy::Binding& binding : *facts.inputs.bindings) {
    const policy::Policy* policy = facts.PolicyOf(binding);
    if (policy == nullptr) continue;
    const NftBytes id = NftBytes::Mark(binding.id.value);
    if (const std::optional<std::uint32_t> mark = facts.NextHopMark(binding.id)) {
      next_hops.Add(NftBytes::Mark(DecidedMark(binding.id)), NftBytes::Mark(*mark));
    } else if (policy->on_no_gateway == policy::OnNoGateway::kDirect) {
      without.Add(id);
    }
  }
}

void PutHeld(const Facts& facts, state::State& state) {
  Elements held(state, set::kHeld), received(state, kReceivedSet);
  for (const Held& here : facts.held) {
    held.Add(NftBytes::Mark(here.id.value), NftBytes::Mark(facts.marks.Of(here.way.slot) | here.id.value));
    received.Add(NftBytes::Mark(DecidedMark(here.id)));
  }
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    Elements snat(state, PerFamily(stem::kSnat, family));
    Elements sources(state, PerFamily(stem::kSources, family));
    for (const Held& here : facts.held) {
      if (here.family != family || here.policy->action == policy::Action::kRoute) continue;
      const NftBytes id = NftBytes::Mark(here.id.value), address = NftBytes::Of(here.address);
      snat.Add(id, address);
      sources.Add(NftBytes::Concat({NftBytes::Mark(DecidedMark(here.id)), address}));
    }
  }
}

// Who keeps its source, and where those are that may.
void PutKept(const Facts& facts, state::State& state) {
  if (!facts.keeps) return;
  Declare(state, set::kKept, {.type = NftSet::Type::kMark});
  Declare(state, set::kRouted, {.type = NftSet::Type::kMark, .counts = true});
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    PutNetworks(state, PerFamily(stem::kHomes, family), family, facts.inputs.networks);
    const std::string origins = PerFamily(stem::kOrigins, family);
    Declare(state, origins, {.type = family == Family::kIpv4 ? NftSet::Type::kMacIpv4 : NftSet::Type::kMacIpv6, .intervals = true});
    Elements elements(state, origins);
    for (const Peer& peer : facts.inputs.peers) {
      const NftBytes mac = NftBytes::Of(peer.identity.mac);
      for (const AddressRange& range : Disjoint(peer.networks, family)) {
        elements.AddRange(NftBytes::Concat({mac, NftBytes::Of(range.first)}), NftBytes::Concat({mac, NftBytes::Of(range.last)}), {});
      }
    }
  }
  const auto is_routed = [](const Held& here) { return here.policy->action == policy::Action::kRoute; };
  std::vector<Prefix> away;
  if (std::ranges::any_of(facts.held, is_routed)) {
    for (const Peer& peer : facts.inputs.peers) away.insert(away.end(), peer.networks.begin(), peer.networks.end());
  }
  for (const Family family : {Family::kIpv4, Family::kIpv6}) PutNetworks(state, PerFamily(stem::kAway, family), family, away);
  Elements kept(state, set::kKept), routed(state, set::kRouted);
  if (facts.inputs.bindings != nullptr) {
    for (const policy::Binding& binding : *facts.inputs.bindings) {
      const policy::Policy* policy = facts.PolicyOf(binding);
      if (policy != nullptr && policy::KeepsSource(*policy)) kept.Add(NftBytes::Mark(binding.id.value));
    }
  }
  for (const Held& here : facts.held) {
    if (is_routed(here)) routed.Add(NftBytes::Mark(DecidedMark(here.id)));
  }
}

// The bucket of the kernel holds what the rate gives in a second. No single packet may be larger than it: what the network card has put
// together counts as one (GRO, up to 64 KiB, and headers).
state::NftLimit LimitOf(std::string name, std::uint64_t rate_bits, std::uint64_t burst_bits) {
  constexpr std::uint64_t kSmallestBucketBytes = 128 * 1024, kBitsPerByte = 8;
  const std::uint64_t rate_bytes = rate_bits / kBitsPerByte, bucket_bytes = std::max(burst_bits / kBitsPerByte, kSmallestBucketBytes);
  return {.key = {.name = std::move(name)},
          .rate_bytes = rate_bytes,
          .extra_bytes = static_cast<std::uint32_t>(bucket_bytes - std::min(bucket_bytes, rate_bytes))};
}

// One limit for a policy and direction, whichever of its egress ids are here.
void PutLimits(const Facts& facts, state::State& state) {
  if (!facts.limits) return;
  Declare(state, set::kLimitOut, {.type = NftSet::Type::kMark, .value = NftSet::Type::kLimit});
  Declare(state, set::kLimitIn, {.type = NftSet::Type::kMark, .value = NftSet::Type::kLimit});
  Elements out(state, set::kLimitOut), in(state, set::kLimitIn);
  for (const Held& here : facts.held) {
    const policy::Bandwidth& bandwidth = here.policy->bandwidth;
    const auto put = [&](Elements& map, std::string_view direction, std::uint64_t rate_bits) {
      if (rate_bits == 0) return;
      const std::string name = LimitName(direction, here.policy->name);
      state::Put(state.limits, LimitOf(name, rate_bits, bandwidth.burst_bits));
      map.Add(NftBytes::Mark(here.id.value), state::NftLimitName{.name = name});
    };
    put(out, "out", bandwidth.egress_bits);
    put(in, "in", bandwidth.ingress_bits);
  }
}

// In order of address, so IPv4 first.
void PutLeases(const Facts& facts, state::State& state) {
  Elements lease4(state, PerFamily(stem::kLease, Family::kIpv4)), lease6(state, PerFamily(stem::kLease, Family::kIpv6));
  Elements answers4(state, set::kArpAnswers, state::NftFamily::kArp), answers6(state, PerFamily(stem::kAnswers, Family::kIpv6));
  Elements arp(state, set::kArpEgress, state::NftFamily::kArp);
  for (const auto& [address, hold] : facts.inputs.holds) {
    const bool ipv4 = address.family() == Family::kIpv4;
    const NftBytes key = NftBytes::Of(address);
    if (ipv4) arp.Add(key);
    (ipv4 ? lease4 : lease6).AddLease(key, hold.lease);
    if (hold.standing == Hold::Standing::kHeld) (ipv4 ? answers4 : answers6).AddLease(key, hold.lease);
  }
}

void PutSubnetNetworks(const Facts& facts, state::State& state) {
  if (facts.subnets.empty()) return;
  std::vector<Prefix> networks;
  for (const auto& [local, slot] : facts.subnets) {
    if (local.subnet.ipv4) networks.push_back(Prefix::Containing(local.subnet.ipv4->address, local.subnet.ipv4->length));
  }
  Declare(state, set::kArpSubnets,
          {.key = {.family = state::NftFamily::kArp, .name = {}}, .type = NftSet::Type::kIpv4, .intervals = true});
  Elements elements(state, set::kArpSubnets, state::NftFamily::kArp);
  for (const AddressRange& range : Disjoint(networks, Family::kIpv4)) {
    elements.AddRange(NftBytes::Of(range.first), NftBytes::Of(range.last), {});
  }
}

// Who has an element in src4/6 is classified before the guard is asked.
void PutGuard(const Facts& facts, state::State& state) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const std::string name = PerFamily(stem::kGuard, family);
    Declare(state, name, {.type = AddressType(family), .intervals = true});
    Elements elements(state, name);
    for (const AddressRange& range : GuardedSources(facts.inputs, family)) {
      elements.AddRange(NftBytes::Of(range.first), NftBytes::Of(range.last), {});
    }
  }
  if (facts.inputs.selection == nullptr) return;
  const policy::Selection& selection = *facts.inputs.selection;
  Elements known4(state, PerFamily(stem::kKnown, Family::kIpv4)), known6(state, PerFamily(stem::kKnown, Family::kIpv6));
  for (const IpAddress& address : selection.known_in_guard()) {
    if (!selection.exact().contains(address)) (address.family() == Family::kIpv4 ? known4 : known6).Add(NftBytes::Of(address));
  }
}

}  // namespace

Elements::Elements(state::State& state, std::string_view set_name, state::NftFamily family)
    : state_(state), set_{.family = family, .name = std::string(set_name)} {
  next_ = state_.elements.lower_bound({.set = set_, .first = {}, .last = {}});
}

void Elements::AddRange(const NftBytes& first, const NftBytes& last, decltype(state::NftElement::value) value) {
  Insert({.key = {.set = set_, .first = first, .last = last}, .value = std::move(value), .timeout = {}});
}

void Elements::AddLease(const NftBytes& key, std::optional<Duration> lease) {
  if (lease) lease = state::TimeoutWithin(*lease);
  Insert({.key = {.set = set_, .first = key, .last = key}, .value = {}, .timeout = lease});
}

void Elements::Insert(state::NftElement element) {
  state::NftElement::Key key = element.key;
  // In order, the place is right behind the element before, which is in front of `next_`.
  next_ = std::next(state_.elements.insert_or_assign(next_, std::move(key), std::move(element)));
}

std::vector<AddressRange> Disjoint(const std::vector<Prefix>& prefixes, Family family) {
  std::vector<AddressRange> ranges;
  for (const Prefix& prefix : prefixes) {
    if (prefix.family() == family) ranges.push_back({.first = prefix.First(), .last = prefix.Last()});
  }
  std::ranges::sort(ranges);
  std::vector<AddressRange> merged;
  for (const AddressRange& range : ranges) {
    const std::optional<IpAddress> after = merged.empty() ? std::nullopt : merged.back().last.Next();
    const bool joins = !merged.empty() && (!after || range.first <= *after);
    if (joins) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

std::vector<policy::PortRange> Disjoint(std::vector<policy::PortRange> ranges) {
  std::ranges::sort(ranges);
  std::vector<policy::PortRange> merged;
  for (const policy::PortRange& range : ranges) {
    const bool joins = !merged.empty() && merged.back().protocol == range.protocol
        && std::uint32_t{range.first} <= std::uint32_t{merged.back().last} + 1;
    if (joins) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

NftSet::Type AddressType(Family family) { return family == Family::kIpv4 ? NftSet::Type::kIpv4 : NftSet::Type::kIpv6; }

void PutNetworks(state::State& state, std::string_view set_name, Family family, const std::vector<Prefix>& prefixes) {
  Declare(state, set_name, {.type = AddressType(family), .intervals = true});
  Elements elements(state, set_name);
  for (const AddressRange& range : Disjoint(prefixes, family)) elements.AddRange(NftBytes::Of(range.first), NftBytes::Of(range.last), {});
}

void PutMarkTable(state::State& state, std::string_view map_name, const std::vector<std::uint32_t>& marks) {
  Declare(state, map_name, {.type = NftSet::Type::kMark, .value = NftSet::Type::kMark});
  Elements elements(state, map_name);
  for (std::uint32_t i = 0; i < marks.size(); ++i) elements.Add(NftBytes::Mark(i), NftBytes::Mark(marks[i]));
}

void PutPorts(state::State& state, std::string_view set_name, const std::vector<policy::PortRange>& ports) {
  Declare(state, set_name, {.type = NftSet::Type::kProtocolPort, .intervals = true});
  Elements elements(state, set_name);
  for (const policy::PortRange& range : Disjoint(ports)) {
    const NftBytes protocol = NftBytes::Byte(range.protocol);
    const NftBytes first = NftBytes::Concat({protocol, NftBytes::Port(range.first)});
    elements.AddRange(first, NftBytes::Concat({protocol, NftBytes::Port(range.last)}), {});
  }
}

void PutInternal(const Facts& facts, state::State& state) {
  const policy::InternalNetworks internal = InternalOf(facts.inputs);
  for (const Family family : {Family::kIpv4, Family::kIpv6}) PutNetworks(state, PerFamily(stem::kInternal, family), family, internal);
}

void PutSkeletonSets(const Facts& facts, state::State& state) {
  using Type = NftSet::Type;
  PutInternal(facts, state);
  const std::vector<Prefix> local = LocalNetworks(facts);
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const Type address = AddressType(family);
    Declare(state, PerFamily(stem::kSource, family), {.type = address, .value = Type::kMark});
    Declare(state, PerFamily(stem::kNetwork, family), {.type = address, .value = Type::kMark, .intervals = true});
    Declare(state, PerFamily(stem::kSnat, family), {.type = Type::kMark, .value = address});
    Declare(state, PerFamily(stem::kSources, family),
            {.type = family == Family::kIpv4 ? Type::kMarkIpv4 : Type::kMarkIpv6, .counts = true});
    Declare(state, PerFamily(stem::kPeers, family), {.type = address});
    Declare(state, PerFamily(stem::kEgress, family), {.type = address});
    Declare(state, PerFamily(stem::kLease, family), {.type = address, .timeouts = true});
    Declare(state, PerFamily(stem::kKnown, family), {.type = address});
    PutNetworks(state, PerFamily(stem::kLocal, family), family, local);
  }
  Declare(state, set::kClasses, {.type = Type::kMark, .value = Type::kVerdict});
  Declare(state, set::kNextHop, {.type = Type::kMark, .value = Type::kMark});
  Declare(state, set::kWithoutGateway, {.type = Type::kMark});
  Declare(state, set::kHeld, {.type = Type::kMark, .value = Type::kMark});
  Declare(state, kReceivedSet, {.type = Type::kMark, .counts = true});
  Declare(state, PerFamily(stem::kAnswers, Family::kIpv6), {.type = Type::kIpv6, .timeouts = true});
  Declare(state, set::kArpEgress, {.key = {.family = state::NftFamily::kArp, .name = {}}, .type = Type::kIpv4});
  Declare(state, set::kArpAnswers, {.key = {.family = state::NftFamily::kArp, .name = {}}, .type = Type::kIpv4, .timeouts = true});

  PutSubnetNetworks(facts, state);

  std::set<IpAddress> peers;
  for (const Peer& peer : facts.inputs.peers) peers.insert(peer.underlay);
  PutAddresses(state, stem::kPeers, std::move(peers));
  std::set<IpAddress> egress;
  for (const auto& [address, hold] : facts.inputs.holds) egress.insert(address);
  PutAddresses(state, stem::kEgress, std::move(egress));
  if (!facts.inputs.former.empty()) {
    for (const Family family : {Family::kIpv4, Family::kIpv6})
      Declare(state, PerFamily(stem::kFormer, family), {.type = AddressType(family)});
    PutAddresses(state, stem::kFormer, facts.inputs.former);
  }
  PutNextHops(facts, state);
  PutHeld(facts, state);
  PutKept(facts, state);
  PutLimits(facts, state);
  PutLeases(facts, state);
  PutGuard(facts, state);
}

}  // namespace egressd::plan
