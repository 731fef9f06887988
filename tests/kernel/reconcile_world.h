// A desired state with every kind of object in it, for the tests of Reconcile. The namespace needs the device eth0, up.
#pragma once

#include <string>

#include "egressd/state/state.h"

namespace egressd::test {

inline IpAddress Ip(const std::string& text) { return IpAddress::Parse(text).value(); }
inline Prefix Net(const std::string& text) { return Prefix::Parse(text).value(); }
inline MacAddress Mac(const std::string& text) { return MacAddress::Parse(text).value(); }

inline state::Link TunnelLink() {
  return {.key = {"egressd0"}, .vni = 100, .port = 7789, .local = Ip("192.0.2.1"), .mac = Mac("ee:67:c6:13:00:01"), .mtu_bytes = 1450};
}

inline state::Sysctl Sysctl(const std::string& path, const std::string& value) { return {.key = {path}, .value = value}; }

inline state::Rule MarkRule(Family family, std::uint32_t slot, std::uint32_t table) {
  return {.key = {.family = family, .priority = 99, .mark = slot << 24, .mask = 0xff000000, .table = table}};
}

inline state::NftElement Answers(state::NftFamily family, const std::string& address, std::optional<Duration> lease) {
  const state::NftBytes key = state::NftBytes::Of(Ip(address));
  return {.key = {{family, "answers"}, key, key}, .value = {}, .timeout = lease};
}

inline void PutNftables(state::State& state) {
  using namespace state;
  const auto inet = NftFamily::kInet;
  Put(state.tables, NftTable{.key = {inet, "egressd"}});
  Put(state.counters, NftCounter{.key = {inet, "no_gateway"}});
  Put(state.sets, NftSet{.key = {inet, "nexthop"}, .type = NftSet::Type::kMark, .value = NftSet::Type::kMark});
  for (std::uint32_t id = 1; id <= 3; ++id) {
    const NftBytes key = NftBytes::Mark(id);
    Put(state.elements, NftElement{.key = {{inet, "nexthop"}, key, key}, .value = NftBytes::Mark(1u << 24 | id)});
  }
  const NftRule steer = Seal({.text = "meta mark set ct mark map @nexthop return",
                              .expressions = {NftCt{.key = NftCt::Key::kMark},
                                              NftLookup{.set = "nexthop", .result = NftLookup::Result::kValue},
                                              NftMeta{.store = true}, NftVerdict{.code = NftVerdict::Code::kReturn}}});
  const NftRule drop = Seal({.text = "counter no_gateway drop",
                             .expressions = {NftCount{"no_gateway"}, NftVerdict{.code = NftVerdict::Code::kDrop}}});
  Put(state.chains, NftChain{.key = {inet, "steer"}, .rules = {steer, drop}});
  Put(state.chains, NftChain{.key = {inet, "prerouting"}, .hook = NftHook{.priority = -150}, .rules = {}});
  // The other table, and sets for leases: one that never ends is in them.
  const auto arp = NftFamily::kArp;
  Put(state.tables, NftTable{.key = {arp, "egressd"}});
  Put(state.counters, NftCounter{.key = {arp, "not_answered"}});
  for (const auto family : {inet, arp}) {
    Put(state.sets, NftSet{.key = {family, "answers"}, .type = NftSet::Type::kIpv4, .timeouts = true});
    Put(state.elements, Answers(family, "203.0.113.10", {}));
  }
  const NftRule silence = Seal({.text = "arp saddr ip != @answers counter name not_answered drop",
                                .expressions = {NftPayload{.offset_bytes = 14, .length_bytes = 4}, NftLookup{.set = "answers", .negate = true},
                                                NftCount{"not_answered"}, NftVerdict{.code = NftVerdict::Code::kDrop}}});
  const NftHook output{.point = NftHook::Point::kOutput, .priority = -10}, input{.point = NftHook::Point::kInput};
  Put(state.chains, NftChain{.key = {arp, "neighbours"}, .hook = output, .rules = {silence}});
  Put(state.chains, NftChain{.key = {arp, "input"}, .hook = input, .rules = {}});
}

inline state::State FullState() {
  using namespace state;
  State state;
  Put(state.links, TunnelLink());
  Put(state.sysctls, Sysctl("net/ipv4/conf/egressd0/src_valid_mark", "1"));
  Put(state.sysctls, Sysctl("net/ipv4/conf/eth0/forwarding", "1"));
  Put(state.sysctls, Sysctl("net/ipv6/conf/all/forwarding", "1"));
  Put(state.sysctls, Sysctl("net/ipv6/conf/eth0/accept_ra", "2"));
  for (const auto& [network, length] : {std::pair{"198.19.0.1", 16}, {"fd65::1", 64}}) {
    Put(state.addresses, Address{.key = {"egressd0", {Ip(network), static_cast<std::uint8_t>(length)}}});
  }
  for (const auto* peer : {"198.19.0.2", "fd65::2"}) {
    Put(state.neighbours, Neighbour{.key = {"egressd0", Ip(peer)}, .mac = Mac("ee:67:c6:13:00:02")});
  }
  Put(state.fdb, FdbEntry{.key = {"egressd0", Mac("ee:67:c6:13:00:02")}, .destination = Ip("192.0.2.2")});
  Put(state.routes, Route{.key = {26001, Net("0.0.0.0/0")}, .device = "egressd0", .next_hop = Ip("198.19.0.2"), .onlink = true});
  Put(state.routes, Route{.key = {26001, Net("::/0")}, .device = "egressd0", .next_hop = Ip("fd65::2"), .onlink = true});
  Put(state.routes, Route{.key = {26254, Net("0.0.0.0/0")}, .device = "egressd0"});
  Put(state.routes, Route{.key = {26254, Net("::/0")}, .device = "egressd0"});
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    Put(state.rules, MarkRule(family, 1, 26001));
    Rule reply = MarkRule(family, 254, 26254);
    reply.key.input_device = "lo";
    Put(state.rules, reply);
    Rule main = MarkRule(family, 200, 254);
    main.key.priority = 98;
    main.key.suppress_prefix_length = 0;
    Put(state.rules, main);
  }
  PutNftables(state);
  Put(state.egress_addresses, EgressAddress{.key = {"eth0", Ip("203.0.113.10")}});
  Put(state.egress_addresses, EgressAddress{.key = {"eth0", Ip("2001:db8::10")}});
  return state;
}

}  // namespace egressd::test
