#include "kernel/observe.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <map>
#include <tuple>

#include "kernel/address.h"
#include "kernel/fdb.h"
#include "kernel/link.h"
#include "kernel/neighbour.h"
#include "kernel/route.h"
#include "kernel/rule.h"
#include "kernel/sysctl.h"
#include "kernel/vlan.h"

namespace egressd::kernel {
namespace {

// A dump of a family that this kernel was built without is empty.
bool IsMissingFamily(const Refusal& refusal) {
  return refusal.error_number == EAFNOSUPPORT || refusal.error_number == EOPNOTSUPP || refusal.error_number == EPFNOSUPPORT;
}

Result<void> Dump(RouteSocket& socket, const RouteMessage& message, std::string_view what, const std::function<void()>& begin,
                  const std::function<void(const nlmsghdr&)>& visit) {
  auto done = socket.Dump(message, begin, visit);
  if (!done && !IsMissingFamily(done.error())) return std::unexpected(done.error().As("read " + std::string(what)));
  return {};
}

Result<void> ObserveLinks(RouteSocket& socket, const std::string& tunnel_device, Devices& devices, state::State& into) {
  return Dump(
      socket, DumpLinks(), "links",
      [&] {
        devices.Clear();
        into.links.clear();
        into.vlans.clear();
      },
      [&](const nlmsghdr& message) {
        const auto* const header = HeaderOf<ifinfomsg>(message);
        if (header == nullptr || message.nlmsg_type != RTM_NEWLINK) return;
        const auto index = static_cast<std::uint32_t>(header->ifi_index);
        devices.Put(index, RouteAttributes(message, sizeof *header).Text(IFLA_IFNAME));
        if (auto vlan = DecodeVlan(message, devices); vlan && vlan->ours) state::Put(into.vlans, std::move(vlan->object));
        auto seen = DecodeLink(message, tunnel_device);
        if (!seen || !seen->ours) return;
        devices.tunnel_index = index;
        state::Put(into.links, std::move(seen->object));
      });
}

Result<void> ObserveAddresses(RouteSocket& socket, const Recognition& recognition, const Devices& devices, state::State& into) {
  return Dump(
      socket, DumpAddresses(), "addresses",
      [&] {
        into.addresses.clear();
        into.egress_addresses.clear();
      },
      [&](const nlmsghdr& message) {
        const auto found = DecodeAddress(message);
        if (!found) return;
        const std::string device = devices.Name(found->device_index);
        if (devices.IsTunnel(found->device_index)) {
          if (!found->prefix.address.is_link_local()) state::Put(into.addresses, state::Address{.key = {device, found->prefix}});
        } else if (IsEgressAddress(*found, device, recognition.addresses)) {
          state::Put(into.egress_addresses, AsEgressAddress(*found, device, recognition.lifetimes));
        }
      });
}

template <typename Kind, typename Decode>
Result<void> ObserveKind(RouteSocket& socket, const std::vector<RouteMessage>& dumps, std::string_view what, state::Objects<Kind>& into,
                         const Decode& decode) {
  into.clear();
  for (const RouteMessage& dump : dumps) {
    state::Objects<Kind> found;
    auto done = Dump(
        socket, dump, what, [&] { found.clear(); },
        [&](const nlmsghdr& message) {
          std::optional<Seen<Kind>> seen = decode(message);
          if (seen && seen->ours) state::Put(found, std::move(seen->object));
        });
    if (!done) return done;
    into.merge(found);
  }
  return {};
}

// Messages cannot be copied, so they cannot stand in an initialiser list.
template <typename... Messages>
std::vector<RouteMessage> List(Messages... messages) {
  std::vector<RouteMessage> list;
  (list.push_back(std::move(messages)), ...);
  return list;
}

}  // namespace

Result<void> ObserveRoutes(RouteSocket& socket, const Recognition& recognition, Devices& devices, state::State& into) {
  const std::string& tunnel_device = recognition.tunnel_device;
  if (auto done = ObserveLinks(socket, tunnel_device, devices, into); !done) return done;
  if (auto done = ObserveAddresses(socket, recognition, devices, into); !done) return done;
  if (devices.tunnel_index != 0) {
    auto done = ObserveKind<state::Neighbour>(socket, List(DumpNeighbours(devices.tunnel_index)), "neighbours", into.neighbours,
                                              [&](const nlmsghdr& message) { return DecodeNeighbour(message, devices); });
    if (!done) return done;
    done = ObserveKind<state::FdbEntry>(socket, List(DumpFdb(devices.tunnel_index)), "FDB", into.fdb,
                                        [&](const nlmsghdr& message) { return DecodeFdbEntry(message, devices); });
    if (!done) return done;
    std::erase_if(into.neighbours, [&](const auto& entry) { return entry.first.device != tunnel_device; });
    std::erase_if(into.fdb, [&](const auto& entry) { return entry.first.device != tunnel_device; });
  }
  auto done = ObserveKind<state::Route>(socket, List(DumpRoutes(Family::kIpv4), DumpRoutes(Family::kIpv6)), "routes", into.routes,
                                        [&](const nlmsghdr& message) { return DecodeRoute(message, devices); });
  if (!done) return done;
  return ObserveKind<state::Rule>(socket, List(DumpRules(Family::kIpv4), DumpRules(Family::kIpv6)), "rules", into.rules,
                                  [](const nlmsghdr& message) { return DecodeRule(message); });
}

Result<void> ObserveEgressAddresses(RouteSocket& socket, const Recognition& recognition, Devices& devices, state::State& into) {
  if (auto done = ObserveLinks(socket, recognition.tunnel_device, devices, into); !done) return done;
  return ObserveAddresses(socket, recognition, devices, into);
}

Result<state::Host> ReadHost(RouteSocket& socket, const Recognition& recognition, Devices& devices) {
  std::map<std::uint32_t, state::HostDevice> found;
  auto done = Dump(
      socket, DumpLinks(), "links",
      [&] {
        found.clear();
        devices.Clear();
      },
      [&](const nlmsghdr& message) {
        const auto* const header = HeaderOf<ifinfomsg>(message);
        if (header == nullptr || message.nlmsg_type != RTM_NEWLINK) return;
        const RouteAttributes attributes(message, sizeof *header);
        const auto index = static_cast<std::uint32_t>(header->ifi_index);
        state::HostDevice device{.name = attributes.Text(IFLA_IFNAME), .index = index};
        devices.Put(index, device.name);
        if (const auto seen = DecodeLink(message, recognition.tunnel_device); seen && seen->ours) {
          devices.tunnel_index = index;
          return;
        }
        if (const auto vlan = DecodeVlan(message, devices); vlan && vlan->ours) return;
        device.mtu_bytes = attributes.Number(IFLA_MTU).value_or(0);
        device.mac = attributes.Mac(IFLA_ADDRESS).value_or(MacAddress{});
        device.running = (header->ifi_flags & IFF_UP) != 0 && (header->ifi_flags & IFF_RUNNING) != 0;
        device.loopback = (header->ifi_flags & IFF_LOOPBACK) != 0;
        found.emplace(index, std::move(device));
      });
  if (!done) return std::unexpected(done.error());

  std::vector<FoundAddress> addresses;
  done = Dump(
      socket, DumpAddresses(), "addresses", [&] { addresses.clear(); },
      [&](const nlmsghdr& message) {
        const auto address = DecodeAddress(message);
        if (!address || IsEgressAddress(*address, devices.Name(address->device_index), recognition.addresses)) return;
        addresses.push_back(*address);
      });
  if (!done) return std::unexpected(done.error());
  // Lasting addresses in front: the first one of a device is what others will use.
  std::ranges::stable_partition(addresses, &FoundAddress::lasting);
  for (const FoundAddress& address : addresses) {
    if (const auto device = found.find(address.device_index); device != found.end()) device->second.addresses.push_back(address.prefix);
  }

  state::Host host;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    std::vector<state::HostRoute> routes;
    done = Dump(
        socket, DumpMainRoutes(family), "routes", [&] { routes.clear(); },
        [&](const nlmsghdr& message) { std::ranges::move(DecodeHostRoute(message, devices), std::back_inserter(routes)); });
    if (!done) return std::unexpected(done.error());
    std::ranges::move(routes, std::back_inserter(host.routes));
  }
  const std::string tunnel = devices.Name(devices.tunnel_index);
  std::erase_if(host.routes, [&](const state::HostRoute& route) { return route.device.empty() || route.device == tunnel; });
  std::ranges::sort(host.routes, {}, [](const state::HostRoute& route) { return std::tie(route.destination, route.metric, route.device); });

  for (auto& [index, device] : found) {
    device.accept_ra = std::atoi(ReadSysctl("net/ipv6/conf/" + device.name + "/accept_ra").value_or("0").c_str());
    host.devices.push_back(std::move(device));
  }
  std::ranges::sort(host.devices, {}, &state::HostDevice::name);
  return host;
}

}  // namespace egressd::kernel
