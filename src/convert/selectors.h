// Label selectors of Kubernetes as requirements, and what stands in the place of "everything" and "nothing".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "convert/manifest.h"
#include "egressd/policy/policy_set.h"

namespace egressd::convert {

using Requirements = std::vector<policy::Requirement>;

// The label with which Kubernetes gives every namespace its name.
inline constexpr std::string_view kNamespaceName = "kubernetes.io/metadata.name";

// `matchLabels` and `matchExpressions`; empty = everything. nullopt: reported, since half of a selector is another selector.
std::optional<Requirements> RequirementsOf(Manifest& manifest, const Node& selector);

// One part of a selector: `key` is matchLabels or matchExpressions.
std::optional<Requirements> RequirementsOfPart(Manifest& manifest, const Node& part, std::string_view key);

// Tells what becomes of a selector of pods: exact, unless it asks for labels that only the machinery of Kubernetes gives.
void TellPods(Manifest& manifest, const Node& selector, const Requirements& requirements);

// Every node: that it does not have a label which nobody gives it, until somebody wants to take it out.
policy::NodeSelector NodesWith(Requirements requirements);
// A selector that nothing fulfils, for a policy that is written disabled: who enables it as it is selects nothing.
policy::Selector Nothing();
// Everything, if the requirements leave a selector empty.
policy::Selector OrAll(policy::Selector selector);

// The selectors that stand for "these labels, in namespaces with those": one for each name where the namespaces are named.
std::vector<policy::Selector> InNamespaces(const policy::Selector& selector, Requirements namespaces);

}  // namespace egressd::convert
