// A small world to plan in: node app1 with workloads behind docker0, gateways gw1 and gw2. Tests change members, then call Inputs().
#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/plan/explain.h"
#include "egressd/plan/plan.h"
#include "egressd/policy/binding.h"
#include "egressd/state/state.h"

namespace egressd::plan {

inline IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }
inline Prefix Net(std::string_view text) { return Prefix::Parse(text).value(); }
// "10.0.0.1/24" with host bits
inline Prefix OnDevice(std::string_view address, int length) {
  return {.address = Ip(address), .length = static_cast<std::uint8_t>(length)};
}

class Scenario {
 public:
  policy::NodeConfig config;
  policy::PolicySet set;
  state::Host host;
  std::string self = "app1";
  std::map<EgressId, Carrier> carriers;
  std::map<std::string, Slot> slots{{"gw1", Slot{1}}, {"gw2", Slot{2}}};
  std::map<IpAddress, Hold> holds;
  std::set<IpAddress> former;

  Scenario() {
    config.node.name = self;
    const std::vector<Prefix> inside{OnDevice("172.17.0.1", 16), OnDevice("fd00:17::1", 64)}, outside{OnDevice("10.0.0.1", 24)};
    host.devices = {{.name = "docker0", .index = 3, .mtu_bytes = 1500, .running = true, .addresses = inside},
                    {.name = "eth0", .index = 2, .mtu_bytes = 1500, .running = true, .addresses = outside, .accept_ra = 1}};
    host.routes = {{.destination = Net("0.0.0.0/0"), .device = "eth0", .next_hop = Ip("10.0.0.254")}};
    set.pools["public"] = {.name = "public",
                           .ipv4 = {AddressRange::Parse("203.0.113.10-203.0.113.19").value()},
                           .ipv6 = {AddressRange::Parse("2001:db8:1::10-2001:db8:1::1f").value()}};
    set.gateways["edge"] = {.name = "edge", .is_default = true, .nodes = {.names = {"gw1", "gw2"}}, .pools = {"public"}};
    set.workloads["web"] = {.name = "web", .addresses = {Ip("172.17.0.2"), Ip("fd00:17::2")}, .labels = {{"app", "web"}}};
    set.workloads["mail"] = {.name = "mail", .addresses = {Ip("172.17.0.3")}, .labels = {{"app", "mail"}}};
  }

  // A policy for workloads with the label app=<app>.
  policy::Policy& Add(const std::string& name, const std::string& app) {
    policy::Policy& policy = set.policies[name];
    policy.name = name;
    policy.from = {{.labels = {{.key = "app", .values = {app}}}}};
    return policy;
  }

  void Compile() {
    bindings_ = policy::Bind(set, {}).value().bindings;
    selection_ = std::make_unique<policy::Selection>(set, self);
    carriers_ = carriers;
    const Carrier usual{.kind = Carrier::Kind::kPeer, .peer = "gw1"};
    for (const policy::Binding& binding : bindings_) carriers_.try_emplace(binding.id, usual);
  }

  Inputs Input() {
    if (!selection_) Compile();
    config.node.name = self;
    Inputs inputs{.config = &config, .selection = selection_.get(), .bindings = &bindings_, .host = &host, .underlay = Ip("10.0.0.1")};
    inputs.self = IdentityOf(1, config.tunnel);
    inputs.peers = {{.name = "gw1", .underlay = Ip("10.0.0.2"), .identity = IdentityOf(2, config.tunnel)},
                    {.name = "gw2", .underlay = Ip("10.0.0.3"), .identity = IdentityOf(3, config.tunnel)}};
    inputs.slots = slots;
    inputs.carriers = carriers_;
    inputs.holds = holds;
    inputs.former = former;
    return inputs;
  }
  state::State Plan() { return Build(Input()); }

  EgressId IdOf(const std::string& policy, Family family = Family::kIpv4) {
    if (!selection_) Compile();
    return std::ranges::find_if(bindings_, [&](const policy::Binding& b) { return b.policy == policy && b.family == family; })->id;
  }
  // Everything of the gateway `edge` is carried like this.
  void Carry(Carrier carrier) {
    Compile();
    for (auto& [id, who] : carriers_) who = carrier;
  }
  policy::Selection& selection() { return *selection_; }
  std::vector<policy::Binding>& bindings() { return bindings_; }

 private:
  std::unique_ptr<policy::Selection> selection_;
  std::vector<policy::Binding> bindings_;
  std::map<EgressId, Carrier> carriers_;
};

inline std::vector<std::string> Texts(const state::State& state, const std::string& chain,
                                      state::NftFamily family = state::NftFamily::kInet) {
  std::vector<std::string> texts;
  const auto found = state.chains.find({.family = family, .name = chain});
  if (found == state.chains.end()) return texts;
  for (const state::NftRule& rule : found->second.rules) texts.push_back(rule.text);
  return texts;
}

// Elements of a set as "first[-last][ : value][ timeout milliseconds]", addresses and marks in hexadecimal as the kernel has them.
inline std::set<std::string> Elements(const state::State& state, const std::string& set_name,
                                      state::NftFamily family = state::NftFamily::kInet) {
  std::set<std::string> elements;
  for (const auto& [key, element] : state.elements) {
    if (key.set.name != set_name || key.set.family != family) continue;
    std::string text = key.first.ToString();
    if (key.last != key.first) text += "-" + key.last.ToString();
    if (const auto* value = std::get_if<state::NftBytes>(&element.value)) text += " : " + value->ToString();
    if (const auto* verdict = std::get_if<state::NftVerdict>(&element.value)) text += " : " + verdict->chain;
    if (const auto* limit = std::get_if<state::NftLimitName>(&element.value)) text += " : " + limit->name;
    if (element.timeout) text += " timeout " + std::to_string(*element.timeout / std::chrono::milliseconds(1));
    elements.insert(text);
  }
  return elements;
}

inline std::string Mark(std::uint32_t mark) { return state::NftBytes::Mark(mark).ToString(); }
inline std::string Bytes(std::string_view address) { return state::NftBytes::Of(Ip(address)).ToString(); }

inline std::string Value(const state::State& state, const std::string& path) {
  const auto found = state.sysctls.find({.path = path});
  return found == state.sysctls.end() ? "" : found->second.value;
}

}  // namespace egressd::plan
