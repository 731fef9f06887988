// Which destinations are never external on this node, and behind which devices workloads are.
#include <algorithm>
#include <set>

#include "plan/facts.h"
#include "plan/sets.h"

namespace egressd::plan {
namespace {

// 0/8, loopback, link-local, multicast, class E with broadcast, ::1, link-local, multicast.
const std::vector<Prefix>& NeverExternal() {
  static const std::vector<Prefix> kPrefixes = [] {
    std::vector<Prefix> prefixes;
    for (const char* text : {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::1/128", "fe80::/10",
        "ff00::/8"}) {
      prefixes.push_back(*Prefix::Parse(text));
    }
    return prefixes;
  }();
  return kPrefixes;
}

Prefix NetworkOf(const Prefix& address) { return Prefix::Containing(address.address, address.length); }

struct Connected {
  const state::HostDevice* device = nullptr;
  Prefix network;
  bool selected = false;  // a policy speaks about sources in it
};

std::vector<Connected> ConnectedNetworks(const state::Host& host) {
  std::vector<Connected> networks;
  for (const state::HostDevice& device : host.devices) {
    if (device.loopback) continue;
    for (const Prefix& address : device.addresses) {
      if (!address.is_single() && !address.address.is_link_local()) networks.push_back({.device = &device, .network = NetworkOf(address)});
    }
  }
  return networks;
}

bool IsOwn(const state::HostDevice& device, const IpAddress& address) {
  return std::ranges::contains(device.addresses, address, &Prefix::address);
}

// A selected address inside the network that is not the host's own: a process of the host does not make the underlay a workload network.
bool HoldsSelected(const policy::Selection& selection, const Connected& connected) {
  const auto& exact = selection.exact();
  const auto Inside = [&](auto found) { return found != exact.end() && connected.network.Contains(found->first); };
  for (auto found = exact.lower_bound(connected.network.First()); Inside(found); ++found) {
    if (!IsOwn(*connected.device, found->first)) return true;
  }
  return false;
}

bool HoldsWorkload(const policy::Selection& selection, const Connected& connected) {
  return selection.AnyWorkloadAddress(connected.network, [&](const IpAddress& address) { return !IsOwn(*connected.device, address); });
}

// Networks and devices that enabled policies name themselves (`cidr:`, `interface:`).
struct Named {
  std::vector<Prefix> networks;
  std::set<std::string> devices;
};

Named NamedSources(const policy::Selection& selection) {
  Named named;
  for (const auto& [name, policy] : selection.set().policies) {
    if (!policy.enabled) continue;
    for (const policy::Selector& selector : policy.from) {
      if (selector.names_processes() || !selection.Counts(selector)) continue;
      named.networks.insert(named.networks.end(), selector.cidrs.begin(), selector.cidrs.end());
      if (selector.interface) named.devices.insert(*selector.interface);
    }
  }
  std::ranges::sort(named.networks);
  named.networks.erase(std::ranges::unique(named.networks).begin(), named.networks.end());
  return named;
}

// The connected networks in which sources are. The device of the default route counts only where a known workload is behind it.
std::vector<Connected> WorkloadNetworks(const Inputs& inputs) {
  std::vector<Connected> result;
  if (inputs.selection == nullptr) return result;
  const policy::Selection& selection = *inputs.selection;
  const Named named = NamedSources(selection);
  for (const Connected& connected : ConnectedNetworks(*inputs.host)) {
    const state::HostRoute* main = inputs.host->DefaultRoute(connected.network.family());
    const bool faces_outside = main != nullptr && main->device == connected.device->name;
    const auto Overlaps = [&](const Prefix& prefix) { return prefix.Overlaps(connected.network); };
    const bool in_named = named.devices.contains(connected.device->name) || std::ranges::any_of(named.networks, Overlaps);
    const bool is_named = in_named && !faces_outside;
    const bool selected = is_named || HoldsSelected(selection, connected);
    // Guarded networks are those of workloads, before one is known there.
    const bool is_guarded = !faces_outside && std::ranges::any_of(selection.set().guard, Overlaps);
    if (selected || is_guarded || HoldsWorkload(selection, connected)) {
      result.push_back({.device = connected.device, .network = connected.network, .selected = selected});
    }
  }
  return result;
}

}  // namespace

std::vector<std::string> FacingDevices(const Inputs& inputs) {
  std::set<std::string> devices;
  if (inputs.selection == nullptr) return {};
  for (const Connected& connected : WorkloadNetworks(inputs)) {
    if (connected.selected) devices.insert(connected.device->name);
  }
  for (const std::string& device : NamedSources(*inputs.selection).devices) {
    if (inputs.host->Device(device) != nullptr) devices.insert(device);
  }
  // Workloads without a connected network: a route of their own (or of the network behind another router).
  for (const state::HostRoute& route : inputs.host->routes) {
    const state::HostDevice* device = inputs.host->Device(route.device);
    if (route.destination.length == 0 || device == nullptr || device->loopback) continue;
    if (HoldsSelected(*inputs.selection, {.device = device, .network = route.destination})) devices.insert(route.device);
  }
  return {devices.begin(), devices.end()};
}

std::vector<AddressRange> GuardedSources(const Inputs& inputs, Family family) {
  if (inputs.selection == nullptr) return {};
  std::vector<AddressRange> elsewhere, guarded;
  for (const state::HostRoute& route : inputs.host->routes) {
    if (route.next_hop && route.destination.length > 0 && route.destination.family() == family)
      elsewhere.push_back({.first = route.destination.First(), .last = route.destination.Last()});
  }
  std::ranges::sort(elsewhere);
  for (AddressRange range : Disjoint(inputs.selection->set().guard, family)) {
    bool is_left = true;
    for (const AddressRange& hole : elsewhere) {
      if (!range.Overlaps(hole)) continue;
      // Routes within an address range are its smaller parts, or all of it.
      if (range.first < hole.first) guarded.push_back({.first = range.first, .last = *hole.first.Previous()});
      is_left = hole.last < range.last;
      if (!is_left) break;
      range.first = *hole.last.Next();
    }
    if (is_left) guarded.push_back(range);
  }
  return guarded;
}

bool IsGuardedAgainst(const Inputs& inputs, const policy::InternalNetworks& internal, const policy::Flow& flow) {
  if (inputs.selection == nullptr || inputs.selection->GuardAgainst(flow.source) == nullptr) return false;
  if (std::ranges::any_of(internal, [&](const Prefix& network) { return network.Contains(flow.destination); })) return false;
  // What the host says itself with an address of its own is not forwarded.
  if (std::ranges::any_of(inputs.host->devices, [&](const state::HostDevice& device) { return IsOwn(device, flow.source); })) return false;
  const auto guarded = GuardedSources(inputs, flow.source.family());
  return std::ranges::any_of(guarded, [&](const AddressRange& range) { return range.Contains(flow.source); });
}

policy::InternalNetworks InternalOf(const Inputs& inputs) {
  policy::InternalNetworks internal = NeverExternal();
  if (inputs.selection != nullptr) {
    const std::vector<Prefix>& configured = inputs.selection->set().internal;
    internal.insert(internal.end(), configured.begin(), configured.end());
  }
  internal.push_back(Prefix::Of(inputs.underlay));
  for (const Peer& peer : inputs.peers) internal.push_back(Prefix::Of(peer.underlay));
  for (const Endpoint& endpoint : inputs.config->cluster.join) internal.push_back(Prefix::Of(endpoint.address));
  internal.push_back(inputs.config->tunnel.ipv4);
  internal.push_back(inputs.config->tunnel.ipv6);
  for (const state::HostDevice& device : inputs.host->devices) {
    for (const Prefix& address : device.addresses) internal.push_back(Prefix::Of(address.address));
  }
  for (const Connected& connected : WorkloadNetworks(inputs)) internal.push_back(connected.network);
  std::ranges::sort(internal);
  internal.erase(std::ranges::unique(internal).begin(), internal.end());
  return internal;
}

}  // namespace egressd::plan
