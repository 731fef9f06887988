#include "agent/identity.h"

#include <algorithm>

#include "egressd/base/hash.h"

namespace egressd::agent {

std::optional<IpAddress> UnderlayOf(const policy::NodeConfig& config, const state::Host& host, const std::optional<IpAddress>& current) {
  if (config.node.address) return config.node.address;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const state::HostRoute* route = host.DefaultRoute(family);
    if (route == nullptr) continue;
    if (const auto address = host.AddressOn(route->device, family)) return address;
  }
  if (current) {
    for (const state::HostDevice& device : host.devices) {
      if (std::ranges::contains(device.addresses, *current, &Prefix::address)) return current;
    }
  }
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    for (const state::HostDevice& device : host.devices) {
      if (!device.running || device.loopback) continue;
      if (const auto address = host.AddressOn(device.name, family)) return address;
    }
  }
  return std::nullopt;
}

std::uint16_t LastTunnelNumber(const policy::NodeConfig::Tunnel& tunnel) {
  const int host_bits = std::min({16, 32 - int{tunnel.ipv4.length}, 128 - int{tunnel.ipv6.length}});
  const int last = (1 << std::max(host_bits, 2)) - 2;  // neither the network nor the broadcast address
  return static_cast<std::uint16_t>(std::min(last, 65534));
}

std::uint16_t FirstChoice(const std::string& name, std::uint16_t last) {
  return static_cast<std::uint16_t>(1 + StableHash(name) % last);
}

std::uint16_t NextFree(std::uint16_t wanted, std::uint16_t last, const std::function<bool(std::uint16_t)>& in_use) {
  std::uint16_t number = wanted == 0 || wanted > last ? 1 : wanted;
  for (std::uint32_t tried = 0; tried < last; ++tried) {
    if (!in_use(number)) return number;
    number = number == last ? std::uint16_t{1} : static_cast<std::uint16_t>(number + 1);
  }
  return wanted;
}

}  // namespace egressd::agent
