// Which networks of this node its gateways must know to route replies back.
#include <algorithm>
#include <optional>

#include "egressd/plan/plan.h"

namespace egressd::plan {
namespace {

using policy::Policy;
using policy::Selector;

// What is reached through a device of this host without a gateway of the cluster.
struct Behind {
  std::string device;
  Prefix network;
};

// Connected networks and routes to others, but those through which the node itself is reached and through which it leaves: what is there
// has a way of its own.
std::vector<Behind> NetworksBehind(const Inputs& inputs) {
  std::vector<Behind> networks;
  const auto faces_outside = [&](const std::string& device, Family family) {
    const state::HostRoute* main = inputs.host->DefaultRoute(family);
    return main != nullptr && main->device == device;
  };
  for (const state::HostDevice& device : inputs.host->devices) {
    if (device.loopback || std::ranges::contains(device.addresses, inputs.underlay, &Prefix::address)) continue;
    for (const Prefix& address : device.addresses) {
      const Prefix network = Prefix::Containing(address.address, address.length);
      if (address.is_single() || address.address.is_link_local() || faces_outside(device.name, network.family())) continue;
      networks.push_back({.device = device.name, .network = network});
    }
  }
  for (const state::HostRoute& route : inputs.host->routes) {
    const state::HostDevice* device = inputs.host->Device(route.device);
    if (route.destination.length == 0 || !route.next_hop || device == nullptr || device->loopback) continue;
    if (std::ranges::contains(device->addresses, inputs.underlay, &Prefix::address)) continue;
    if (faces_outside(route.device, route.destination.family())) continue;
    networks.push_back({.device = route.device, .network = route.destination});
  }
  return networks;
}

bool IsKept(const policy::SourceClass& source_class) {
  const auto keeps = [](const policy::Interest& interest) { return policy::KeepsSource(*interest.policy); };
  return std::ranges::any_of(source_class.interests, keeps);
}

// Is there a known workload in the network that keeps its address?
bool HoldsKept(const policy::Selection& selection, const Prefix& network) {
  const auto& exact = selection.exact();
  for (auto found = exact.lower_bound(network.First()); found != exact.end() && network.Contains(found->first); ++found) {
    if (IsKept(*found->second)) return true;
  }
  return false;
}

// What of the network a selector without workloads names.
void AddNamed(const Selector& selector, const Behind& behind, std::vector<Prefix>& networks) {
  if (selector.interface && *selector.interface != behind.device) return;
  if (selector.cidrs.empty()) {
    networks.push_back(behind.network);
    return;
  }
  for (const Prefix& cidr : selector.cidrs) {
    if (cidr.Overlaps(behind.network)) networks.push_back(cidr.length > behind.network.length ? cidr : behind.network);
  }
}

}  // namespace

std::vector<Prefix> KeptNetworks(const Inputs& inputs) {
  std::vector<Prefix> networks;
  if (inputs.selection == nullptr) return networks;
  const policy::Selection& selection = *inputs.selection;
  std::vector<const Selector*> selectors;
  bool any = false;
  for (const auto& [name, policy] : selection.set().policies) {
    if (!policy.enabled || !policy::KeepsSource(policy)) continue;
    any = true;
    for (const Selector& selector : policy.from) {
      if (!selector.names_workloads() && !selector.names_processes() && selection.Counts(selector)) selectors.push_back(&selector);
    }
  }
  if (!any) return networks;
  for (const Behind& behind : NetworksBehind(inputs)) {
    for (const Selector* selector : selectors) AddNamed(*selector, behind, networks);
    if (HoldsKept(selection, behind.network)) networks.push_back(behind.network);
  }
  std::ranges::sort(networks);
  // What is inside of another one goes with it.
  std::vector<Prefix> result;
  for (const Prefix& network : networks) {
    const auto holds = [&](const Prefix& other) { return other != network && other.Contains(network); };
    if (std::ranges::none_of(networks, holds) && (result.empty() || result.back() != network)) result.push_back(network);
  }
  return result;
}

std::optional<Prefix> ConnectedOverlap(const state::Host& host, const Prefix& network) {
  for (const state::HostDevice& device : host.devices) {
    for (const Prefix& address : device.addresses) {
      if (address.address.family() != network.family() || address.address.is_link_local()) continue;
      const Prefix connected = Prefix::Containing(address.address, address.length);
      if (connected.Overlaps(network)) return connected;
    }
  }
  return std::nullopt;
}

}  // namespace egressd::plan
