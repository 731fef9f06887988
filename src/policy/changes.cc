#include "egressd/policy/changes.h"

#include <algorithm>
#include <format>
#include <map>
#include <optional>
#include <utility>

#include "policy/describe.h"

namespace egressd::policy {
namespace {

Change Compare(std::string object, const Attributes& before, const Attributes& after) {
  Change change{.object = std::move(object)};
  for (const auto& [key, value] : after) {
    const auto old = before.find(key);
    if (old != before.end() && old->second != value) {
      const auto Quoted = [](const std::string& text) { return text.empty() ? std::string("\"\"") : text; };
      change.details.push_back(std::format("{}: {} -> {}", key, Quoted(old->second), Quoted(value)));
    }
  }
  return change;
}

template <typename Object>
void AddKind(std::string_view kind, const std::map<std::string, Object>& before, const std::map<std::string, Object>& after,
             std::vector<Change>& changes) {
  for (const auto& [name, object] : after) {
    const std::string path = std::format("{}/{}", kind, name);
    const auto old = before.find(name);
    if (old == before.end()) {
      changes.push_back({.kind = ChangeKind::kCreated, .object = path});
    } else if (old->second == object) {
      changes.push_back({.kind = ChangeKind::kUnchanged, .object = path});
    } else {
      changes.push_back(Compare(path, Describe(old->second), Describe(object)));
      changes.back().kind = ChangeKind::kChanged;
    }
  }
  for (const auto& [name, object] : before) {
    if (!after.contains(name)) changes.push_back({.kind = ChangeKind::kRemoved, .object = std::format("{}/{}", kind, name)});
  }
}

std::optional<Change> CompareNetworks(const std::string& object, const std::vector<Prefix>& before, const std::vector<Prefix>& after) {
  if (before.empty() && after.empty()) return std::nullopt;
  if (before == after) return Change{.kind = ChangeKind::kUnchanged, .object = object};
  if (before.empty()) return Change{.kind = ChangeKind::kCreated, .object = object};
  if (after.empty()) return Change{.kind = ChangeKind::kRemoved, .object = object};
  Change change = Compare(object, Describe(std::vector<Destination>(before.begin(), before.end())),
                          Describe(std::vector<Destination>(after.begin(), after.end())));
  change.kind = ChangeKind::kChanged;
  return change;
}

std::string AddressText(const Binding& binding) {
  if (binding.egress_ip) return binding.egress_ip->ToString();
  return std::format("of the node ({})", ToString(binding.family));
}

}  // namespace

std::string_view ToString(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kCreated:
      return "created";
    case ChangeKind::kChanged:
      return "changed";
    case ChangeKind::kUnchanged:
      return "unchanged";
    case ChangeKind::kRemoved:
      return "removed";
  }
  return "unknown";
}

std::vector<Change> Changes(const PolicySet& before, const PolicySet& after) {
  std::vector<Change> changes;
  AddKind("destinations", before.destinations, after.destinations, changes);
  AddKind("gateway", before.gateways, after.gateways, changes);
  AddKind("namespace", before.namespaces, after.namespaces, changes);
  AddKind("policy", before.policies, after.policies, changes);
  AddKind("pool", before.pools, after.pools, changes);
  AddKind("workload", before.workloads, after.workloads, changes);
  if (const auto guard = CompareNetworks("guard", before.guard, after.guard)) changes.push_back(*guard);
  if (const auto internal = CompareNetworks("internal", before.internal, after.internal)) changes.push_back(*internal);
  std::ranges::sort(changes, {}, &Change::object);
  return changes;
}

std::vector<std::string> Effects(const Bindings& before, const Bindings& after) {
  struct Bound {
    std::vector<const Binding*> before, after;
  };
  std::map<std::pair<std::string, Family>, Bound> bound;
  for (const Binding& binding : before.bindings) bound[{binding.policy, binding.family}].before.push_back(&binding);
  for (const Binding& binding : after.bindings) bound[{binding.policy, binding.family}].after.push_back(&binding);
  std::vector<std::string> effects;
  for (auto& [key, each] : bound) {
    const std::string& policy = key.first;
    // What stays is told only if its gateway is another one; of the rest, one replaces the other as far as that goes.
    std::erase_if(each.after, [&](const Binding* now) {
      const auto old = std::ranges::find(each.before, now->egress_ip, &Binding::egress_ip);
      if (old == each.before.end()) return false;
      if ((*old)->gateway != now->gateway) {
        effects.push_back(
            std::format("egress IP {}: policy {}, gateway {}, was {}", AddressText(*now), policy, now->gateway, (*old)->gateway));
      }
      each.before.erase(old);
      return true;
    });
    const std::size_t replaced = std::min(each.before.size(), each.after.size());
    for (std::size_t i = 0; i < each.after.size(); ++i) {
      const std::string text = AddressText(*each.after[i]);
      effects.push_back(i < replaced ? std::format("egress IP {}: policy {}, was {}", text, policy, AddressText(*each.before[i]))
                                     : std::format("egress IP {}: policy {}, new", text, policy));
    }
    for (std::size_t i = replaced; i < each.before.size(); ++i) {
      effects.push_back(std::format("egress IP {}: policy {}, no longer", AddressText(*each.before[i]), policy));
    }
  }
  return effects;
}

}  // namespace egressd::policy
