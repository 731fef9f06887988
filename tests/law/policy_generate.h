// Random policy sets for the laws, small enough that things meet: few labels, few networks, few devices.
#pragma once

// RapidCheck still uses std::aligned_storage, which C++23 deprecates; clang says so even for system headers' templates.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <rapidcheck.h>
#pragma GCC diagnostic pop

#include <set>
#include <string>
#include <vector>

#include "egressd/policy/policy_set.h"
#include "egressd/policy/selection.h"

namespace egressd::policy::law {

template <typename T>
T OneOf(std::initializer_list<T> values) {
  return *rc::gen::elementOf(std::vector<T>(values));
}
inline bool Chance(int percent) { return *rc::gen::inRange(0, 100) < percent; }

inline std::string ArbitraryKey() { return OneOf<std::string>({"app", "tier"}); }
inline std::string ArbitraryValue() { return OneOf<std::string>({"a", "b", "c"}); }

inline IpAddress ArbitraryAddress() {
  const int number = *rc::gen::inRange(0, 24);
  return IpAddress::Parse((Chance(70) ? "10.0.0." : "2001:db8::") + std::to_string(number)).value();
}

inline Prefix ArbitraryPrefix() {
  const IpAddress address = ArbitraryAddress();
  return Prefix::Containing(address, AddressBits(address.family()) - *rc::gen::inRange(0, 6));
}

inline Requirement ArbitraryRequirement() {
  using enum Requirement::Operator;
  Requirement requirement{.key = ArbitraryKey(), .op = OneOf({kIn, kIn, kIn, kNotIn, kExists, kNotExists})};
  if (requirement.op == kIn || requirement.op == kNotIn) {
    for (int i = *rc::gen::inRange(1, 3); i > 0; --i) requirement.values.push_back(ArbitraryValue());
  }
  return requirement;
}

inline Selector ArbitrarySelector() {
  Selector selector;
  while (selector == Selector{}) {
    if (Chance(50)) selector.labels.push_back(ArbitraryRequirement());
    if (Chance(20)) selector.labels.push_back(ArbitraryRequirement());
    if (Chance(15)) selector.namespace_ = OneOf<std::string>({"shop", "default"});
    if (Chance(20)) selector.name = OneOf<std::string>({"w1", "w*", "w[0-4]", "*2", "w?"});
    if (Chance(30)) selector.cidrs.push_back(ArbitraryPrefix());
    if (Chance(10)) selector.cidrs.push_back(ArbitraryPrefix());
    if (Chance(15)) selector.interface = OneOf<std::string>({"br0", "br1"});
    if (Chance(10)) selector.namespace_labels.push_back(ArbitraryRequirement());
    if (Chance(10)) selector.all = true;
  }
  if (Chance(15)) selector.nodes.push_back(OneOf<std::string>({"n1", "n2"}));
  if (Chance(10)) selector.node_labels.push_back(ArbitraryRequirement());
  return selector;
}

inline std::string ArbitraryPath() {
  std::string path = OneOf<std::string>({"", "", "/a.slice", "/b.slice", "/a.slice/a-c.slice", "/u.slice/user@1.service"});
  if (path.empty() || Chance(80)) path += "/" + OneOf<std::string>({"x.service", "x@1.service", "x@2.service", "y.scope"});
  return path;
}

// One that speaks of the host's own processes.
inline Selector ArbitraryProcessSelector() {
  Selector selector;
  while (!selector.names_processes()) {
    for (int i = Chance(60) ? *rc::gen::inRange(1, 3) : 0; i > 0; --i) {
      selector.units.push_back(OneOf<std::string>({"x.service", "x@*.service", "a.slice", "*.slice", "y.*", "*"}));
    }
    for (int i = Chance(60) ? *rc::gen::inRange(1, 3) : 0; i > 0; --i) {
      selector.users.push_back(OneOf<std::string>({"0", "1", "2", "4294967294", "name", "stranger"}));
    }
  }
  if (Chance(30)) selector.cidrs.push_back(ArbitraryPrefix());
  if (Chance(10)) selector.nodes.push_back(OneOf<std::string>({"n1", "n2"}));
  return selector;
}

inline Processes ArbitraryProcesses() {
  Processes processes{.cgroups = {}, .users = {{"name", 1}}, .addresses = {}};
  std::set<std::string> paths;
  for (int i = *rc::gen::inRange(0, 10); i > 0; --i) {
    const std::string path = ArbitraryPath();
    for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
      paths.insert(path.substr(0, at));
      if (at == std::string::npos) break;
    }
  }
  std::uint64_t id = 100;
  for (const std::string& path : paths) processes.cgroups.push_back({.id = ++id, .path = path});
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) processes.addresses.push_back(ArbitraryAddress());
  return processes;
}

inline Policy ArbitraryPolicy(const std::string& name) {
  Policy policy{.name = name, .priority = static_cast<std::uint16_t>(*rc::gen::inRange(1, 4)), .enabled = Chance(90)};
  if (Chance(20)) policy.namespace_ = OneOf<std::string>({"shop", "default"});
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) policy.from.push_back(Chance(25) ? ArbitraryProcessSelector() : ArbitrarySelector());
  policy.to = OneOf({Reach::kExternal, Reach::kAny, Reach::kListed});
  if (policy.to == Reach::kListed) policy.destinations = {ArbitraryPrefix(), std::string("some")};
  if (Chance(30)) policy.except.push_back(ArbitraryPrefix());
  if (Chance(30)) policy.ports.push_back({.protocol = OneOf<std::uint8_t>({6, 17}), .first = 10, .last = 20});
  return policy;
}

inline Workload ArbitraryWorkload() {
  Workload workload{.name = "w" + std::to_string(*rc::gen::inRange(0, 8))};
  if (Chance(30)) workload.namespace_ = "shop";
  for (int i = *rc::gen::inRange(1, 3); i > 0; --i) workload.addresses.push_back(ArbitraryAddress());
  if (Chance(70)) workload.labels["app"] = ArbitraryValue();
  if (Chance(40)) workload.labels["tier"] = ArbitraryValue();
  if (Chance(20)) workload.node = OneOf<std::string>({"n1", "n2"});
  return workload;
}

inline std::vector<Workload> ArbitraryWorkloads() {
  std::vector<Workload> workloads;
  for (int i = *rc::gen::inRange(0, 6); i > 0; --i) workloads.push_back(ArbitraryWorkload());
  return workloads;
}

inline PolicySet ArbitrarySet() {
  PolicySet set;
  for (int i = *rc::gen::inRange(0, 8); i > 0; --i) {
    const std::string name = "p" + std::to_string(i);
    set.policies.emplace(name, ArbitraryPolicy(name));
  }
  for (Workload& workload : ArbitraryWorkloads()) set.workloads.insert_or_assign(workload.name, workload);
  set.destinations["some"] = {ArbitraryPrefix()};
  if (Chance(50)) set.namespaces["shop"] = {.name = "shop", .labels = {{"app", ArbitraryValue()}}, .gateway = {}};
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) set.guard.push_back(ArbitraryPrefix());
  return set;
}

}  // namespace egressd::policy::law
