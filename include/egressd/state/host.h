// What the host itself brings: devices, addresses and routes that are not egressd's. Read by the kernel module, used by plan.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/address.h"

namespace egressd::state {

struct HostDevice {
  std::string name;
  std::uint32_t index = 0;
  std::uint32_t mtu_bytes = 0;
  MacAddress mac;
  bool running = false;              // up and with carrier (IFF_UP and IFF_RUNNING)
  bool loopback = false;
  std::vector<Prefix> addresses;     // host bits set; without egressd's own egress addresses
  int accept_ra = 0;                 // net.ipv6.conf.<name>.accept_ra
  auto operator<=>(const HostDevice&) const = default;
};

// A unicast route of the main table.
struct HostRoute {
  Prefix destination;                // length 0 = default route
  std::string device;
  std::optional<IpAddress> next_hop;
  std::uint32_t metric = 0;          // lower wins
  auto operator<=>(const HostRoute&) const = default;
};

struct Host {
  std::vector<HostDevice> devices;   // in order of name; the tunnel device is not among them
  std::vector<HostRoute> routes;     // in order of destination, then metric
  const HostDevice* Device(const std::string& name) const;
  // The default route with the lowest metric; nullptr = none.
  const HostRoute* DefaultRoute(Family family) const;
  // The device with a connected network that holds `address` (longest prefix; not loopback); nullptr = none.
  const HostDevice* DeviceFacing(const IpAddress& address) const;
  // First global address of the family on the device.
  std::optional<IpAddress> AddressOn(const std::string& device, Family family) const;
  auto operator<=>(const Host&) const = default;
};

}  // namespace egressd::state
