// Namespaces: what they add to the workloads in them, and which gateway the policies of one use.
#include <algorithm>
#include <format>
#include <set>

#include "egressd/policy/selection.h"
#include "policy/checks.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

// The namespaces of this set that a selector certainly speaks of.
std::set<std::string> SpokenOf(const PolicySet& set, const Selector& selector) {
  std::set<std::string> names;
  if (selector.namespace_) names.insert(*selector.namespace_);
  for (const auto& [name, named] : set.namespaces) {
    if (!selector.namespace_labels.empty() && Matches(selector.namespace_labels, named.labels)) names.insert(name);
  }
  return names;
}

// A policy uses one gateway, whatever its selectors say. Who gave namespaces gateways of their own may expect something else.
void CheckGatewayOf(const PolicySet& set, const Policy& policy, std::vector<Finding>& findings) {
  if (!UsesGateway(policy) || policy.gateway || policy.namespace_) return;
  const Gateway* used = GatewayOf(set, policy);
  if (used == nullptr) return;
  std::set<std::string> names;
  for (const Selector& selector : policy.from) names.merge(SpokenOf(set, selector));
  for (const std::string& name : names) {
    const auto named = set.namespaces.find(name);
    if (named == set.namespaces.end() || !named->second.gateway || *named->second.gateway == used->name) continue;
    findings.push_back(
        Warning(rule::kOtherNamespaceGateway, "policies." + policy.name,
                std::format("namespace {} has the gateway {}, but this policy uses the default one, {}: only the policy's own `namespace` "
                            "counts",
                            name, *named->second.gateway, used->name),
                names.size() == 1 ? std::format("`namespace: {}` in the policy, or `gateway: {}`", name, used->name)
                                  : std::format("`gateway: {}`, or a policy for each namespace", used->name)));
    return;
  }
}

}  // namespace

void CheckNamespaces(const PolicySet& set, std::vector<Finding>& findings) {
  for (const auto& [name, named] : set.namespaces) {
    const std::string path = "namespaces." + name;
    if (name.empty()) findings.push_back(Error(rule::kName, path, "the name of a namespace is empty"));
    if (named.gateway && !set.gateways.contains(*named.gateway)) {
      findings.push_back(Error(rule::kUnknownGateway, path + ".gateway", std::format("there is no gateway `{}`", *named.gateway),
                               SuggestName(*named.gateway, NamesOf(set.gateways))));
    }
  }
  for (const auto& [name, policy] : set.policies) CheckGatewayOf(set, policy, findings);
}

}  // namespace egressd::policy
