#include "plan/facts.h"

#include <algorithm>
#include <format>
#include <limits>
#include <set>
#include <utility>

#include "egressd/base/hash.h"

namespace egressd::plan {
namespace {

constexpr std::uint32_t kVxlanOverIpv4Bytes = 50, kVxlanOverIpv6Bytes = 70;
constexpr std::uint32_t kUsualMtuBytes = 1500;

std::uint32_t TunnelMtu(const Inputs& inputs) {
  if (inputs.config->tunnel.mtu_bytes) return *inputs.config->tunnel.mtu_bytes;
  std::uint32_t underlay = kUsualMtuBytes;
  for (const state::HostDevice& device : inputs.host->devices) {
    if (std::ranges::contains(device.addresses, inputs.underlay, &Prefix::address) && device.mtu_bytes > 0) underlay = device.mtu_bytes;
  }
  const std::uint32_t overhead = inputs.underlay.family() == Family::kIpv4 ? kVxlanOverIpv4Bytes : kVxlanOverIpv6Bytes;
  // The kernel's own limit for a VXLAN device; the loopback device of a test host is larger.
  return std::min<std::uint32_t>(underlay, std::numeric_limits<std::uint16_t>::max()) - overhead;
}

const state::HostRoute* DefaultRouteOn(const state::Host& host, const std::string& device, Family family) {
  const state::HostRoute* best = nullptr;
  for (const state::HostRoute& route : host.routes) {
    if (route.destination.length != 0 || route.destination.family() != family || route.device != device) continue;
    if (best == nullptr || route.metric < best->metric) best = &route;
  }
  return best;
}

bool IsMainUplink(const state::Host& host, const std::string& device, Family family) {
  const state::HostRoute* main = host.DefaultRoute(family);
  return main != nullptr && main->device == device;
}

// The position of the device among all that could need a slot of their own, in order of name.
std::optional<std::uint8_t> SlotOf(const state::Host& host, const std::string& device) {
  std::vector<std::string_view> names;
  for (const state::HostRoute& route : host.routes) {
    if (route.destination.length == 0 && !IsMainUplink(host, route.device, route.destination.family())) names.push_back(route.device);
  }
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  const auto position = static_cast<std::size_t>(std::ranges::lower_bound(names, device) - names.begin());
  if (position > kLastUplinkSlot - kFirstUplinkSlot) return std::nullopt;
  return static_cast<std::uint8_t>(kFirstUplinkSlot + position);
}

}  // namespace

Facts::Facts(const Inputs& the_inputs) : inputs(the_inputs) {
  if (inputs.selection != nullptr) set = &inputs.selection->set();
  marks.mask = inputs.config->datapath.next_hop_mark;
  mtu_bytes = TunnelMtu(inputs);
  if (set != nullptr && inputs.bindings != nullptr) {
    for (const policy::Binding& binding : *inputs.bindings) {
      const auto gateway = set->gateways.find(binding.gateway);
      if (binding.egress_ip && gateway != set->gateways.end()) gateways_.emplace(*binding.egress_ip, &gateway->second);
      if (!set->policies.contains(binding.policy)) continue;
      bindings_[{binding.policy, binding.family}].push_back(&binding);
      carries_ipv6 = carries_ipv6 || binding.family == Family::kIpv6;
    }
    FindSubnets();
    FindHeld();
  }
  if (set != nullptr) {
    keeps = std::ranges::any_of(set->policies, [](const auto& entry) { return policy::KeepsSource(entry.second); });
    limits = std::ranges::any_of(set->policies, [](const auto& entry) { return entry.second.bandwidth != policy::Bandwidth{}; });
  }
  facing = FacingDevices(inputs);
}

// In order of subnet each one takes the slot that its hash names, or the next free one.
void Facts::FindSubnets() {
  const policy::NodeConfig& config = *inputs.config;
  for (const auto& [name, gateway] : set->gateways) {
    if (!policy::Matches(gateway.nodes, config.node.name, config.node.labels)) continue;
    for (const std::string& pool_name : gateway.pools) {
      const auto pool = set->pools.find(pool_name);
      if (pool == set->pools.end() || !pool->second.subnet) continue;
      const policy::Subnet& subnet = *pool->second.subnet;
      for (const Family family : {Family::kIpv4, Family::kIpv6}) {
        const std::vector<AddressRange>& ranges = family == Family::kIpv4 ? pool->second.ipv4 : pool->second.ipv6;
        if (ranges.empty()) continue;
        if (auto uplink = UplinkFor(*set, config, *inputs.host, name, ranges.front().first)) {
          subnets.emplace(LocalSubnet{.uplink = std::move(*uplink), .subnet = subnet}, std::uint8_t{0});
        }
      }
    }
  }
  constexpr std::uint64_t kSlots = kLastSubnetSlot - kFirstSubnetSlot + 1;
  std::set<std::uint64_t> taken;
  for (auto& [local, slot] : subnets) {
    if (taken.size() == kSlots) break;
    std::uint64_t place = StableHash(local.uplink.device);
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      if (const auto& router = local.subnet.router(family)) place = StableHash(router->ToString(), place);
    }
    place %= kSlots;
    while (!taken.insert(place).second) place = (place + 1) % kSlots;
    slot = static_cast<std::uint8_t>(kFirstSubnetSlot + place);
  }
}

std::optional<Way> Facts::WayOf(const policy::Binding& binding, const IpAddress& egress_ip) const {
  auto uplink = UplinkFor(*set, *inputs.config, *inputs.host, binding.gateway, egress_ip);
  if (!uplink) return std::nullopt;
  const policy::Subnet* subnet = policy::SubnetOf(*set, egress_ip);
  if (subnet == nullptr || !subnet->router(binding.family)) return WayThrough(inputs, uplink->device, binding.family);
  const Prefix& router = *subnet->router(binding.family);
  const auto found = subnets.find({.uplink = std::move(*uplink), .subnet = *subnet});
  if (found == subnets.end() || found->second == 0) return std::nullopt;
  const IpAddress& inside = router.address.is_link_local() ? egress_ip : router.address;
  return Way{.device = found->first.uplink.device,
             .slot = found->second,
             .next_hop = router.address,
             .subnet = Prefix::Containing(inside, router.length)};
}

void Facts::FindHeld() {
  const policy::NodeConfig& config = *inputs.config;
  const state::Host& host = *inputs.host;
  std::map<std::string_view, bool> member;  // of the gateway
  std::map<std::pair<std::string_view, IpAddress>, std::optional<Way>> ways;  // many policies share an egress IP
  for (const policy::Binding& binding : *inputs.bindings) {
    const policy::Policy* policy = PolicyOf(binding);
    if (policy == nullptr) continue;
    std::optional<Way> way;
    std::optional<IpAddress> address = binding.egress_ip;
    if (address) {
      if (!inputs.holds.contains(*address)) continue;
      const auto [known, is_new] = ways.try_emplace({binding.gateway, *address});
      if (is_new) known->second = WayOf(binding, *address);
      way = known->second;
    } else {
      auto known = member.find(binding.gateway);
      if (known == member.end()) {
        const auto gateway = set->gateways.find(binding.gateway);
        const bool matches = gateway != set->gateways.end() && policy::Matches(gateway->second.nodes, config.node.name, config.node.labels);
        known = member.emplace(binding.gateway, matches || binding.gateway == policy::kSelf).first;
      }
      if (!known->second) continue;
      const std::optional<std::string> device = OwnUplink(*set, config, host, binding.gateway, binding.family);
      if (device) address = host.AddressOn(*device, binding.family);
      if (device) way = WayThrough(inputs, *device, binding.family);
    }
    if (!way || !address) continue;
    held.push_back({.id = binding.id, .policy = policy, .family = binding.family, .address = *address, .way = std::move(*way)});
  }
  std::ranges::sort(held, {}, &Held::id);
}

std::span<const policy::Binding* const> Facts::BindingsOf(const std::string& policy, Family family) const {
  const auto found = bindings_.find(std::pair(std::string_view(policy), family));
  if (found == bindings_.end()) return {};
  return found->second;
}

const policy::Policy* Facts::PolicyOf(const policy::Binding& binding) const {
  if (set == nullptr) return nullptr;
  const auto found = set->policies.find(binding.policy);
  return found == set->policies.end() ? nullptr : &found->second;
}

const Held* Facts::HeldAs(EgressId id) const {
  const auto found = std::ranges::lower_bound(held, id, {}, &Held::id);
  return found == held.end() || found->id != id ? nullptr : &*found;
}

const policy::Gateway* Facts::GatewayOf(const IpAddress& egress_ip) const {
  const auto found = gateways_.find(egress_ip);
  return found == gateways_.end() ? nullptr : found->second;
}

// With ARP and neighbour discovery, who goes keeps the address for a while and who comes does not have it yet: it is answered for or not.
// A route cannot be kept silent: who comes has it announced early, so that the routers know it when it is withdrawn by who goes.
bool Facts::IsOnDevice(const IpAddress& egress_ip, const Hold& hold) const {
  const policy::Gateway* gateway = GatewayOf(egress_ip);
  const bool by_routing = gateway != nullptr && gateway->announce == policy::Announce::kBgp;
  return hold.standing != (by_routing ? Hold::Standing::kLeaving : Hold::Standing::kPrepared);
}

std::optional<std::uint32_t> Facts::NextHopMark(EgressId id) const {
  const auto carrier = inputs.carriers.find(id);
  if (carrier == inputs.carriers.end()) return std::nullopt;
  switch (carrier->second.kind) {
    case Carrier::Kind::kNobody: return std::nullopt;
    case Carrier::Kind::kSelf: {
      const Held* here = HeldAs(id);
      if (here == nullptr) return std::nullopt;
      return marks.Of(here->way.slot) | id.value;
    }
    case Carrier::Kind::kPeer: {
      const auto slot = inputs.slots.find(carrier->second.peer);
      const auto peer = std::ranges::find(inputs.peers, carrier->second.peer, &Peer::name);
      if (slot == inputs.slots.end() || peer == inputs.peers.end()) return std::nullopt;
      if (peer->underlay.family() != inputs.underlay.family()) return std::nullopt;  // the tunnel has no way there
      return marks.Of(slot->second.value) | id.value;
    }
  }
  return std::nullopt;
}

std::vector<Family> Facts::families() const {
  if (carries_ipv6) return {Family::kIpv4, Family::kIpv6};
  return {Family::kIpv4};
}

Way WayThrough(const Inputs& inputs, const std::string& device, Family family) {
  Way way{.device = device, .slot = 0, .next_hop = {}, .subnet = {}};
  if (IsMainUplink(*inputs.host, device, family)) return way;
  const state::HostRoute* route = DefaultRouteOn(*inputs.host, device, family);
  if (route == nullptr) return way;
  if (const std::optional<std::uint8_t> slot = SlotOf(*inputs.host, device)) {
    way.slot = *slot;
    way.next_hop = route->next_hop;
  }
  return way;
}

std::optional<std::string> OwnUplink(const policy::PolicySet& set, const policy::NodeConfig& config, const state::Host& host,
                                     const std::string& gateway, Family family) {
  const auto found = set.gateways.find(gateway);
  if (found != set.gateways.end() && found->second.interface) return found->second.interface;
  if (config.node.interface) return config.node.interface;
  const state::HostRoute* main = host.DefaultRoute(family);
  if (main == nullptr) return std::nullopt;
  return main->device;
}

std::optional<Uplink> UplinkFor(const policy::PolicySet& set, const policy::NodeConfig& config, const state::Host& host,
                                const std::string& gateway, const IpAddress& egress_ip) {
  const policy::Subnet* subnet = policy::SubnetOf(set, egress_ip);
  const std::uint16_t vlan = subnet == nullptr ? std::uint16_t{0} : subnet->vlan;
  const auto On = [&](const std::string& device) -> std::optional<Uplink> {
    if (!host.Device(device)) return std::nullopt;
    return Uplink{.device = vlan == 0 ? device : VlanName(device, vlan), .parent = device};
  };
  const auto found = set.gateways.find(gateway);
  if (found != set.gateways.end() && found->second.interface) return On(*found->second.interface);
  if (config.node.interface) return On(*config.node.interface);
  // The network of a VLAN is not that of any device of the host.
  const std::optional<Prefix> router = subnet == nullptr ? std::nullopt : subnet->router(egress_ip.family());
  const state::HostDevice* facing = vlan == 0 ? host.DeviceFacing(router ? router->address : egress_ip) : nullptr;
  if (facing != nullptr) return On(facing->name);
  const state::HostRoute* main = host.DefaultRoute(egress_ip.family());
  return main == nullptr ? std::nullopt : On(main->device);
}

std::string VlanName(const std::string& parent, std::uint16_t vlan) {
  constexpr std::size_t kLongest = 15, kHashDigits = 4;
  const std::string stem = std::format("eg{}-", vlan);
  const std::size_t room = kLongest - stem.size();
  if (parent.size() <= room && !parent.contains('.')) return stem + parent;
  std::string kept = parent.substr(0, room - kHashDigits);
  std::ranges::replace(kept, '.', '_');
  return stem + kept + std::format("{:04x}", StableHash(parent) & 0xffff);
}

}  // namespace egressd::plan
