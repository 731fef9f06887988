#include "plan/routing.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace egressd::plan {
namespace {

constexpr std::uint32_t kMainTable = 254;  // RT_TABLE_MAIN
constexpr Duration kShortestLifetime = std::chrono::seconds(2);  // the kernel counts in seconds, and not exactly

Prefix Everything(Family family) { return Prefix::Containing(*IpAddress::Parse(family == Family::kIpv4 ? "0.0.0.0" : "::"), 0); }

const IpAddress& TunnelAddress(const TunnelIdentity& identity, Family family) {
  return family == Family::kIpv4 ? identity.ipv4 : identity.ipv6;
}

state::Rule RuleFor(const Facts& facts, Family family, std::uint8_t slot) {
  return {.key = {.family = family,
                  .priority = facts.inputs.config->datapath.rule_priority,
                  .mark = facts.marks.Of(slot),
                  .mask = facts.marks.mask,
                  .table = facts.TableOf(slot)}};
}

void PutGateways(const Facts& facts, state::State& state) {
  for (const auto& [name, slot] : facts.inputs.slots) {
    const auto peer = std::ranges::find(facts.inputs.peers, name, &Peer::name);
    if (peer == facts.inputs.peers.end()) continue;
    for (const Family family : facts.families()) {
      state::Put(state.rules, RuleFor(facts, family, slot.value));
      state::Put(state.routes, state::Route{.key = {.table = facts.TableOf(slot.value), .destination = Everything(family)},
                                            .device = facts.tunnel().device,
                                            .next_hop = TunnelAddress(peer->identity, family),
                                            .onlink = true});
    }
  }
}

// Back to workloads that kept their address. What is not there is the host's own, and takes the main table.
void PutHomes(const Facts& facts, state::State& state) {
  if (!facts.keeps) return;
  for (const Family family : facts.families()) {
    state::Put(state.rules, RuleFor(facts, family, kHomeSlot));
    for (const Peer& peer : facts.inputs.peers) {
      if (peer.underlay.family() != facts.inputs.underlay.family()) continue;
      for (const Prefix& network : peer.networks) {
        if (network.family() != family) continue;
        state::Put(state.routes, state::Route{.key = {.table = facts.TableOf(kHomeSlot), .destination = network},
                                              .device = facts.tunnel().device,
                                              .next_hop = TunnelAddress(peer.identity, family),
                                              .onlink = true});
      }
    }
  }
}

void PutUplinks(const Facts& facts, state::State& state) {
  for (const Held& held : facts.held) {
    const std::uint8_t slot = held.way.slot;
    if (slot == 0 || held.way.subnet) continue;
    // Everything more specific than a default route stays as the main table has it: above all the way back into the tunnel.
    state::Rule specific = RuleFor(facts, held.family, slot);
    specific.key.priority -= 1;
    specific.key.table = kMainTable;
    specific.key.suppress_prefix_length = 0;
    state::Put(state.rules, std::move(specific));
    state::Put(state.rules, RuleFor(facts, held.family, slot));
    state::Put(state.routes, state::Route{.key = {.table = facts.TableOf(slot), .destination = Everything(held.family)},
                                          .device = held.way.device,
                                          .next_hop = held.way.next_hop});
  }
}

// What has an egress IP of a subnet leaves by the router of that subnet, whatever routes the host has, unless it goes to a neighbour there
// or back into the tunnel. The routes stand before the first egress IP is held.
void PutSubnets(const Facts& facts, state::State& state) {
  for (const auto& [local, slot] : facts.subnets) {
    if (slot == 0) continue;
    if (local.subnet.vlan != 0) {
      state::Put(state.vlans, state::Vlan{.key = {.name = local.uplink.device}, .parent = local.uplink.parent, .id = local.subnet.vlan});
    }
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      const auto& router = local.subnet.router(family);
      if (!router) continue;
      const std::uint32_t table = facts.TableOf(slot);
      state::Put(state.rules, RuleFor(facts, family, slot));
      state::Put(state.routes, state::Route{.key = {.table = table, .destination = Everything(family)},
                                            .device = local.uplink.device,
                                            .next_hop = router->address,
                                            .onlink = true});
      if (!router->address.is_link_local()) {
        const Prefix network = Prefix::Containing(router->address, router->length);
        state::Put(state.routes, state::Route{.key = {.table = table, .destination = network}, .device = local.uplink.device});
      }
      const Prefix& tunnel = family == Family::kIpv4 ? facts.tunnel().ipv4 : facts.tunnel().ipv6;
      state::Put(state.routes, state::Route{.key = {.table = table, .destination = tunnel}, .device = facts.tunnel().device});
    }
  }
}

void PutSysctl(state::State& state, std::string path, std::string_view value) {
  state::Put(state.sysctls, state::Sysctl{.key = {.path = std::move(path)}, .value = std::string(value)});
}

std::string OfDevice(std::string_view protocol, std::string_view device, std::string_view name) {
  std::string path = "net/";
  path.append(protocol).append("/conf/").append(device).append("/").append(name);
  return path;
}

// Does this node forward IPv6 for anybody?
bool ForwardsIpv6(const Facts& facts) {
  if (!facts.carries_ipv6) return false;
  if (std::ranges::contains(facts.held, Family::kIpv6, &Held::family)) return true;
  const policy::Selection& selection = *facts.inputs.selection;
  if (!selection.exact().empty() && selection.exact().rbegin()->first.family() == Family::kIpv6) return true;
  if (!selection.networks().empty() && selection.networks().back().range.family() == Family::kIpv6) return true;
  return selection.other(Family::kIpv6) != nullptr;
}

}  // namespace

void PutTunnel(const Facts& facts, state::State& state) {
  const Inputs& inputs = facts.inputs;
  const policy::NodeConfig::Tunnel& tunnel = facts.tunnel();
  state::Put(state.links, state::Link{.key = {.name = tunnel.device},
                                      .vni = tunnel.vni,
                                      .port = tunnel.port,
                                      .local = inputs.underlay,
                                      .mac = inputs.self.mac,
                                      .mtu_bytes = facts.mtu_bytes});
  for (const Family family : facts.families()) {
    const std::uint8_t length = family == Family::kIpv4 ? tunnel.ipv4.length : tunnel.ipv6.length;
    const Prefix own{.address = TunnelAddress(inputs.self, family), .length = length};
    state::Put(state.addresses, state::Address{.key = {.device = tunnel.device, .prefix = own}});
  }
  for (const Peer& peer : inputs.peers) {
    if (peer.underlay.family() != inputs.underlay.family()) continue;  // no way there
    state::Put(state.fdb, state::FdbEntry{.key = {.device = tunnel.device, .mac = peer.identity.mac}, .destination = peer.underlay});
    for (const Family family : facts.families()) {
      state::Put(state.neighbours, state::Neighbour{.key = {.device = tunnel.device, .address = TunnelAddress(peer.identity, family)},
                                                    .mac = peer.identity.mac});
    }
  }
}

void PutRouting(const Facts& facts, state::State& state) {
  PutGateways(facts, state);
  PutUplinks(facts, state);
  PutSubnets(facts, state);
  PutHomes(facts, state);
  // The reverse-path filter asks for the way back with the packet's mark, and with the device that the packet will leave by as its
  // input: it finds the tunnel. The packet itself came in through the tunnel device and takes the main table. IPv6 has no such filter.
  state::Rule itself = RuleFor(facts, Family::kIpv4, kReplySlot);
  itself.key.priority -= 1;
  itself.key.input_device = facts.tunnel().device;
  itself.key.table = kMainTable;
  state::Put(state.rules, std::move(itself));
  state::Put(state.rules, RuleFor(facts, Family::kIpv4, kReplySlot));
  state::Put(state.routes, state::Route{.key = {.table = facts.TableOf(kReplySlot), .destination = Everything(Family::kIpv4)},
                                        .device = facts.tunnel().device});
}

void PutSysctls(const Facts& facts, state::State& state) {
  const std::string& tunnel = facts.tunnel().device;
  PutSysctl(state, OfDevice("ipv4", tunnel, "forwarding"), "1");
  PutSysctl(state, OfDevice("ipv4", tunnel, "src_valid_mark"), "1");
  PutSysctl(state, OfDevice("ipv4", tunnel, "rp_filter"), "2");
  for (const std::string& device : facts.facing) PutSysctl(state, OfDevice("ipv4", device, "forwarding"), "1");
  const state::HostRoute* main = facts.inputs.host->DefaultRoute(Family::kIpv4);
  for (const Held& held : facts.held) {
    if (held.family != Family::kIpv4) continue;
    PutSysctl(state, OfDevice("ipv4", held.way.device, "forwarding"), "1");
    // Who asks for a neighbour in the name of an egress IP tells everybody where it lives. Asked with the host's own address, the next
    // hop is still found for what is forwarded while the egress IP itself must not be heard (chain neighbours).
    PutSysctl(state, OfDevice("ipv4", held.way.device, "arp_announce"), "2");
    // Answers come in where no route of the main table points to.
    const bool elsewhere = held.way.subnet || (main != nullptr && main->device != held.way.device);
    if (elsewhere) PutSysctl(state, OfDevice("ipv4", held.way.device, "rp_filter"), "2");
  }
  // A network for egress IPs alone gives the host no addresses and routes.
  const auto has_ipv6 = [](const state::HostDevice& device) {
    return std::ranges::any_of(device.addresses, [](const Prefix& address) { return address.family() == Family::kIpv6; });
  };
  if (std::ranges::any_of(facts.inputs.host->devices, has_ipv6)) {
    for (const auto& [local, slot] : facts.subnets) {
      if (slot != 0 && local.subnet.vlan != 0) PutSysctl(state, OfDevice("ipv6", local.uplink.device, "accept_ra"), "0");
    }
  }
  if (!ForwardsIpv6(facts)) return;
  // IPv6 has one switch for all devices. Once it is on, router advertisements count only where accept_ra is 2.
  PutSysctl(state, OfDevice("ipv6", "all", "forwarding"), "1");
  for (const state::HostDevice& device : facts.inputs.host->devices) {
    if (!device.loopback && device.accept_ra >= 1) PutSysctl(state, OfDevice("ipv6", device.name, "accept_ra"), "2");
  }
}

void PutEgressAddresses(const Facts& facts, state::State& state) {
  if (facts.set == nullptr) return;
  for (const auto& [address, hold] : facts.inputs.holds) {
    if (!facts.IsOnDevice(address, hold)) continue;
    const policy::Gateway* gateway = facts.GatewayOf(address);
    const auto uplink = UplinkFor(*facts.set, *facts.inputs.config, *facts.inputs.host, gateway == nullptr ? "" : gateway->name, address);
    if (!uplink) continue;
    state::EgressAddress egress{.key = {.device = uplink->device, .address = address}};
    if (gateway != nullptr && gateway->announce == policy::Announce::kBgp) {
      // A route is withdrawn when the address goes: with the lease, so that a dead daemon's node stops attracting what it drops.
      if (hold.lease) egress.lifetime = std::max(kShortestLifetime, Duration{std::chrono::floor<std::chrono::seconds>(*hold.lease)});
      egress.prefix_route = address.family() == Family::kIpv6;
    }
    state::Put(state.egress_addresses, std::move(egress));
  }
}

}  // namespace egressd::plan
