#include "egressd/state/host.h"

#include <algorithm>

namespace egressd::state {

const HostDevice* Host::Device(const std::string& name) const {
  const auto found = std::ranges::find(devices, name, &HostDevice::name);
  return found == devices.end() ? nullptr : &*found;
}

const HostRoute* Host::DefaultRoute(Family family) const {
  const HostRoute* best = nullptr;
  for (const HostRoute& route : routes) {
    if (route.destination.length != 0 || route.destination.family() != family) continue;
    if (best == nullptr || route.metric < best->metric) best = &route;
  }
  return best;
}

const HostDevice* Host::DeviceFacing(const IpAddress& address) const {
  const HostDevice* best = nullptr;
  int best_length = -1;
  for (const HostDevice& device : devices) {
    if (device.loopback) continue;
    for (const Prefix& prefix : device.addresses) {
      if (prefix.length <= best_length || prefix.family() != address.family()) continue;
      if (!Prefix::Containing(prefix.address, prefix.length).Contains(address)) continue;
      best = &device;
      best_length = prefix.length;
    }
  }
  return best;
}

std::optional<IpAddress> Host::AddressOn(const std::string& device, Family family) const {
  const HostDevice* found = Device(device);
  if (found == nullptr) return std::nullopt;
  for (const Prefix& prefix : found->addresses) {
    const IpAddress& address = prefix.address;
    if (address.family() == family && !address.is_link_local() && !address.is_loopback()) return address;
  }
  return std::nullopt;
}

}  // namespace egressd::state
