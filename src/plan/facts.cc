#include "plan/facts.h"

#include <algorithm>
#include <limits>

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
      if (!set->policies.contains(binding.policy)) continue;
      bindings_[{binding.policy, binding.family}].push_back(&binding);
      carries_ipv6 = carries_ipv6 || binding.family == Family::kIpv6;
    }
    FindHeld();
  }
  if (set != nullptr) {
    keeps = std::ranges::any_of(set->policies, [](const auto& entry) { return policy::KeepsSource(entry.second); });
    limits = std::ranges::any_of(set->policies, [](const auto& entry) { return entry.second.bandwidth != policy::Bandwidth{}; });
  }
  facing = FacingDevices(inputs);
}

void Facts::FindHeld() {
  const policy::NodeConfig& config = *inputs.config;
  const state::Host& host = *inputs.host;
  std::map<std::string_view, bool> member;  // of the gateway
  for (const policy::Binding& binding : *inputs.bindings) {
    const policy::Policy* policy = PolicyOf(binding);
    if (policy == nullptr) continue;
    std::optional<std::string> device;
    std::optional<IpAddress> address = binding.egress_ip;
    if (address) {
      if (!inputs.holds.contains(*address)) continue;
      device = UplinkFor(*set, config, host, binding.gateway, *address);
    } else {
      auto known = member.find(binding.gateway);
      if (known == member.end()) {
        const auto gateway = set->gateways.find(binding.gateway);
        const bool matches = gateway != set->gateways.end() && policy::Matches(gateway->second.nodes, config.node.name, config.node.labels);
        known = member.emplace(binding.gateway, matches || binding.gateway == policy::kSelf).first;
      }
      if (!known->second) continue;
      device = OwnUplink(*set, config, host, binding.gateway, binding.family);
      if (device) address = host.AddressOn(*device, binding.family);
    }
    if (!device || !address) continue;
    held.push_back({.id = binding.id,
                    .policy = policy,
                    .family = binding.family,
                    .address = *address,
                    .uplink = UplinkOn(inputs, *device, binding.family)});
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

std::optional<std::uint32_t> Facts::NextHopMark(EgressId id) const {
  const auto carrier = inputs.carriers.find(id);
  if (carrier == inputs.carriers.end()) return std::nullopt;
  switch (carrier->second.kind) {
    case Carrier::Kind::kNobody: return std::nullopt;
    case Carrier::Kind::kSelf: {
      const Held* here = HeldAs(id);
      if (here == nullptr) return std::nullopt;
      return marks.Of(here->uplink.slot) | id.value;
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

Uplink UplinkOn(const Inputs& inputs, const std::string& device, Family family) {
  Uplink uplink{.device = device};
  if (IsMainUplink(*inputs.host, device, family)) return uplink;
  const state::HostRoute* route = DefaultRouteOn(*inputs.host, device, family);
  if (route == nullptr) return uplink;
  if (const std::optional<std::uint8_t> slot = SlotOf(*inputs.host, device)) {
    uplink.slot = *slot;
    uplink.next_hop = route->next_hop;
  }
  return uplink;
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

std::optional<std::string> UplinkFor(const policy::PolicySet& set, const policy::NodeConfig& config, const state::Host& host,
                                     const std::string& gateway, const IpAddress& egress_ip) {
  const auto Present = [&](const std::string& device) { return host.Device(device) ? std::optional(device) : std::nullopt; };
  const auto found = set.gateways.find(gateway);
  if (found != set.gateways.end() && found->second.interface) return Present(*found->second.interface);
  if (config.node.interface) return Present(*config.node.interface);
  if (const state::HostDevice* device = host.DeviceFacing(egress_ip)) return device->name;
  const state::HostRoute* main = host.DefaultRoute(egress_ip.family());
  return main == nullptr ? std::nullopt : Present(main->device);
}

}  // namespace egressd::plan
