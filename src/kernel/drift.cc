#include "kernel/drift.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>

#include "kernel/address.h"
#include "kernel/fdb.h"
#include "kernel/link.h"
#include "kernel/neighbour.h"
#include "kernel/route.h"
#include "kernel/rule.h"
#include "kernel/vlan.h"

namespace egressd::kernel {
namespace {

bool IsRemoval(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_DELLINK:
    case RTM_DELADDR:
    case RTM_DELROUTE:
    case RTM_DELNEIGH:
    case RTM_DELRULE: return true;
    default: return false;
  }
}

template <typename Words, typename Kind>
bool Contradicts(const Words& words, const state::Objects<Kind>& believed) {
  return std::ranges::any_of(words, [&](const auto& word) {
    const auto found = believed.find(word.first);
    if (found == believed.end()) return word.second.has_value();
    return !word.second || !(*word.second == found->second);
  });
}

}  // namespace

template <typename Kind>
void Drift::Note(LastWords<Kind>& words, Seen<Kind> seen, const nlmsghdr& message) {
  auto& word = words[seen.object.key];
  word.reset();
  if (seen.ours && !IsRemoval(message)) word = std::move(seen.object);
}

void Drift::Add(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: return AddLink(message);
    case RTM_NEWADDR:
    case RTM_DELADDR: return AddAddress(message);
    case RTM_NEWROUTE:
    case RTM_DELROUTE: return AddRoute(message);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: return AddNeighbour(message);
    case RTM_NEWRULE:
    case RTM_DELRULE:
      if (auto seen = DecodeRule(message)) Note(rules_, std::move(*seen), message);
      return;
    default: return;
  }
}

void Drift::AddLink(const nlmsghdr& message) {
  const auto* const header = HeaderOf<ifinfomsg>(message);
  if (header == nullptr || header->ifi_family != AF_UNSPEC) return;  // AF_BRIDGE: a port of a bridge changed, not the device
  const auto index = static_cast<std::uint32_t>(header->ifi_index);
  const std::string name = RouteAttributes(message, sizeof *header).Text(IFLA_IFNAME);
  const std::string known = devices_.Name(index);
  if (!known.empty() && known != name) renamed_ = true;
  if (IsRemoval(message) || (header->ifi_flags & IFF_UP) == 0) fallen_.insert(name);
  auto seen = DecodeLink(message, recognition_.tunnel_device);
  const bool is_tunnel = seen && seen->ours;
  auto vlan = DecodeVlan(message, devices_);
  if (!is_tunnel && !(vlan && vlan->ours)) host_ = true;
  if (IsRemoval(message)) {
    devices_.Remove(index);
  } else {
    devices_.Put(index, name);
    if (is_tunnel) {
      devices_.tunnel_index = index;
    } else if (devices_.IsTunnel(index)) {
      devices_.tunnel_index = 0;
    }
  }
  if (seen) Note(links_, std::move(*seen), message);
  if (vlan) Note(vlans_, std::move(*vlan), message);
}

void Drift::AddAddress(const nlmsghdr& message) {
  const auto found = DecodeAddress(message);
  if (!found) return;
  const std::string device = devices_.Name(found->device_index);
  if (devices_.IsTunnel(found->device_index)) {
    if (found->prefix.address.is_link_local()) return;
    Note(addresses_, Seen<state::Address>{.object = {.key = {device, found->prefix}}, .ours = true}, message);
    return;
  }
  const bool ours = IsEgressAddress(*found, device, recognition_.addresses);
  if (!ours) host_ = true;
  if (!found->prefix.is_single()) return;
  Note(egress_addresses_, Seen<state::EgressAddress>{.object = AsEgressAddress(*found, device, recognition_.lifetimes), .ours = ours},
       message);
}

void Drift::AddRoute(const nlmsghdr& message) {
  const auto of_host = DecodeHostRoute(message, devices_);
  const std::string tunnel = devices_.Name(devices_.tunnel_index);
  if (std::ranges::any_of(of_host, [&](const state::HostRoute& route) { return route.device.empty() || route.device != tunnel; })) {
    host_ = true;
  }
  if (!of_host.empty()) return;
  if (auto seen = DecodeRoute(message, devices_)) Note(routes_, std::move(*seen), message);
}

void Drift::AddNeighbour(const nlmsghdr& message) {
  if (auto entry = DecodeFdbEntry(message, devices_)) {
    if (entry->object.key.device == recognition_.tunnel_device) Note(fdb_, std::move(*entry), message);
  } else if (auto neighbour = DecodeNeighbour(message, devices_)) {
    if (neighbour->object.key.device == recognition_.tunnel_device) Note(neighbours_, std::move(*neighbour), message);
  }
}

bool Drift::DropsRoutesOf(const state::State& believed) const {
  const auto fell = [&](const std::string& device) { return fallen_.contains(device); };
  return std::ranges::any_of(believed.links, [&](const auto& entry) { return fell(entry.first.name); }) ||
         std::ranges::any_of(believed.vlans, [&](const auto& entry) { return fell(entry.first.name); }) ||
         std::ranges::any_of(believed.egress_addresses, [&](const auto& entry) { return fell(entry.first.device); }) ||
         std::ranges::any_of(believed.routes, [&](const auto& entry) { return fell(entry.second.device); });
}

Kernel::Dirt Drift::Judge(const state::State* believed) const {
  const state::State nothing;
  const state::State& state = believed == nullptr ? nothing : *believed;
  const bool ours = renamed_ || Contradicts(links_, state.links) || Contradicts(vlans_, state.vlans) ||
                    Contradicts(addresses_, state.addresses) || Contradicts(egress_addresses_, state.egress_addresses) ||
                    Contradicts(neighbours_, state.neighbours) || Contradicts(fdb_, state.fdb) || Contradicts(routes_, state.routes) ||
                    Contradicts(rules_, state.rules) || (!fallen_.empty() && DropsRoutesOf(state));
  return {.ours = ours, .host = host_ || renamed_};
}

}  // namespace egressd::kernel
