// The four systems, each in a file of its own, and what all of them share.
// Called by Convert in the order in which they stand here.
#pragma once

#include <optional>
#include <string>

#include "convert/draft.h"

namespace egressd::convert {

inline constexpr const char* kSpidernet = "egressgateway.spidernet.io";
inline constexpr const char* kAntrea = "crd.antrea.io";
inline constexpr const char* kKubeOvn = "kubeovn.io";
inline constexpr const char* kCilium = "cilium.io";

// Labels of namespaces, and the gateway that spidernet's label gives to one.
void ConvertNamespaces(Draft& draft);
void ConvertSpidernet(Draft& draft);
void ConvertAntrea(Draft& draft);
void ConvertKubeOvn(Draft& draft);
void ConvertCilium(Draft& draft);

// The configuration of Antrea's agents, if this ConfigMap holds it.
const Node* AntreaAgentOf(const Manifest& config);

// The nodes that a selector of Kubernetes nodes stands for; nullopt: reported. Without a selector, all of them.
std::optional<policy::NodeSelector> NodesOf(Manifest& manifest, const Node* selector);

}  // namespace egressd::convert
