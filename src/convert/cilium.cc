// Cilium: CiliumEgressGatewayPolicy.
//
// It has no gateways of its own: those with the same nodes (and device) become one gateway here, whose pool is the addresses that they
// name.
#include <algorithm>
#include <format>
#include <map>
#include <utility>

#include "convert/systems.h"
#include "convert/values.h"
#include "egressd/policy/selection.h"

namespace egressd::convert {
namespace {

constexpr std::string_view kPodNamespace = "io.kubernetes.pod.namespace";
constexpr std::string_view kNamespaceLabel = "io.cilium.k8s.namespace.labels.";

using Operator = policy::Requirement::Operator;

// What one entry of egressGateways says.
struct Way {
  const Node* node = nullptr;  // the entry
  Requirements nodes;
  std::optional<std::string> interface;
  std::optional<IpAddress> address;
  const Node* address_node = nullptr;
};

struct Gateways {
  std::map<std::string, std::string> by_nodes;  // requirements and device → the gateway here
  std::map<IpAddress, std::string> by_address;
};

std::string KeyOf(const Way& way) {
  std::string key = way.interface.value_or("") + '\n';
  for (const policy::Requirement& requirement : way.nodes) key += policy::ToString(requirement) + '\n';
  return key;
}

// Labels of pods that speak of something else: their namespace, and its labels. And the source of a label, which is always Kubernetes.
Requirements Sorted(Requirements labels, Requirements& namespaces) {
  Requirements pods;
  for (policy::Requirement& requirement : labels) {
    for (const std::string_view source : {"k8s:", "any:", "k8s.", "any."}) {
      if (requirement.key.starts_with(source)) requirement.key.erase(0, source.size());
    }
    if (requirement.key == kPodNamespace) {
      requirement.key = kNamespaceName;
      namespaces.push_back(std::move(requirement));
    } else if (requirement.key.starts_with(kNamespaceLabel)) {
      requirement.key.erase(0, kNamespaceLabel.size());
      namespaces.push_back(std::move(requirement));
    } else {
      pods.push_back(std::move(requirement));
    }
  }
  return pods;
}

// One of spec.selectors. False: reported.
bool AddSources(Draft& draft, Manifest& manifest, const Node& entry, policy::Policy& policy) {
  policy::Selector selector;
  Requirements namespaces;
  const Node* pods = manifest.Selector(entry, "podSelector");
  const Node* named = manifest.Selector(entry, "namespaceSelector");
  const Node* nodes = manifest.Selector(entry, "nodeSelector");
  if (pods == nullptr && named == nullptr) {
    manifest.Error(entry, kMissing, "a selector needs `podSelector` or `namespaceSelector`", "podSelector: {} selects every pod");
    return false;
  }
  if (pods != nullptr) {
    auto labels = RequirementsOf(manifest, *pods);
    if (!labels) return false;
    selector.labels = Sorted(*std::move(labels), namespaces);
    TellPods(manifest, *pods, selector.labels);
  }
  if (named != nullptr) {
    const auto chosen = draft.NamespacesOf(manifest, *named);
    if (!chosen) return false;
    Append(namespaces, *chosen);
  }
  // `io.kubernetes.pod.namespace notin (…)` speaks of namespaces that have to be listed.
  for (const policy::Requirement& requirement : namespaces) {
    if (requirement.key != kNamespaceName || requirement.op != Operator::kNotIn) continue;
    for (const std::string& name : requirement.values) draft.NamespaceNamed(manifest, name).labels[std::string(kNamespaceName)] = name;
  }
  if (nodes != nullptr) {
    auto labels = RequirementsOf(manifest, *nodes);
    if (!labels) return false;
    selector.node_labels = *std::move(labels);
    manifest.Exact(*nodes, "policies.*.from");
  }
  for (policy::Selector& each : InNamespaces(selector, std::move(namespaces))) policy.from.push_back(std::move(each));
  return true;
}

// What is internal to the cluster is never matched there. Of a default route nothing but that is left: `external`.
void ChooseDestinations(Manifest& manifest, policy::Policy& policy) {
  const Node* list = manifest.Field("spec.destinationCIDRs");
  if (list == nullptr) {
    manifest.Error(manifest.root(), kMissing, "a CiliumEgressGatewayPolicy needs spec.destinationCIDRs", "destinationCIDRs: [0.0.0.0/0]");
    return;
  }
  std::vector<Prefix> networks = NetworksOf(manifest, *list);
  const auto has_default = [&](Family family) {
    return std::ranges::any_of(networks, [&](const Prefix& network) { return network.family() == family && network.length == 0; });
  };
  const bool ipv4 = has_default(Family::kIpv4);
  const bool ipv6 = has_default(Family::kIpv6);
  const auto is_ipv4 = [](const Prefix& network) { return network.family() == Family::kIpv4; };
  const bool one_family = std::ranges::all_of(networks, is_ipv4) || std::ranges::none_of(networks, is_ipv4);
  if (ipv4 && ipv6) {
    manifest.Exact(*list, "policies.*.to", "everything external: there, too, destinations inside of the cluster are left out");
  } else if ((ipv4 || ipv6) && one_family) {
    policy.except.emplace_back(*Prefix::Parse(ipv4 ? "::/0" : "0.0.0.0/0"));
    manifest.Exact(*list, "policies.*.to",
                   "everything external of that family: there, too, destinations inside of the cluster are left out");
  } else {
    policy.to = policy::Reach::kListed;
    for (const Prefix& network : networks) policy.destinations.emplace_back(network);
    if (ipv4 || ipv6) {
      manifest.Approximated(*list, "policies.*.to", "destinations inside of the cluster are left out there, and not here");
    } else {
      manifest.Exact(*list, "policies.*.to");
    }
  }
  if (const Node* excluded = manifest.Field("spec.excludedCIDRs")) {
    for (const Prefix& network : NetworksOf(manifest, *excluded)) policy.except.emplace_back(network);
    manifest.Exact(*excluded, "policies.*.except");
  }
}

std::optional<Way> WayOf(Manifest& manifest, const Node& entry) {
  Way way{.node = &entry, .nodes = {}, .interface = {}, .address = {}};
  const Node* selector = manifest.Selector(entry, "nodeSelector");
  if (selector == nullptr) {
    manifest.Error(entry, kMissing, "a gateway needs `nodeSelector`", "nodeSelector: {matchLabels: {egress-node: \"true\"}}");
    return std::nullopt;
  }
  auto nodes = RequirementsOf(manifest, *selector);
  if (!nodes) return std::nullopt;
  way.nodes = *std::move(nodes);
  const Node* interface = manifest.Field(entry, "interface");
  way.address_node = manifest.Field(entry, "egressIP");
  if (interface != nullptr && way.address_node != nullptr) {
    manifest.Error(*interface, kContradiction, "`interface` beside `egressIP`: Cilium ignores such a policy", "remove one of them");
    return std::nullopt;
  }
  if (interface != nullptr) way.interface = manifest.Text(*interface);
  if (way.address_node == nullptr) return way;
  const auto text = manifest.Text(*way.address_node);
  way.address = text ? AddressOf(manifest, *way.address_node, *text) : std::nullopt;
  return way.address ? std::optional(way) : std::nullopt;
}

// Several gateways as one: their nodes together, where one selector can say that.
void Join(Manifest& manifest, Way& first, const Way& other) {
  const Node& selector = *manifest.Selector(*other.node, "nodeSelector");
  const bool same_device = first.interface == other.interface;
  const auto is_label = [](const Requirements& nodes) { return nodes.size() == 1 && nodes.front().op == Operator::kIn; };
  if (first.nodes != other.nodes) {
    if (!is_label(first.nodes) || !is_label(other.nodes) || first.nodes.front().key != other.nodes.front().key) {
      manifest.Dropped(selector, "its nodes and those of the first gateway cannot be said as one: a policy here has one gateway");
      return;
    }
    for (const std::string& value : other.nodes.front().values) {
      auto& values = first.nodes.front().values;
      if (!std::ranges::contains(values, value)) values.push_back(value);
    }
  }
  manifest.Approximated(
      selector, "gateways.*.nodes",
      "the gateways are one here; which node a source uses is decided here by its address, and there by its endpoint's id");
  if (!same_device) {
    const Node* interface = manifest.Field(*other.node, "interface");
    if (interface != nullptr) manifest.Dropped(*interface, "a gateway here has one device, that of the first");
  }
}

std::string GatewayFor(Draft& draft, Gateways& gateways, Manifest& manifest, const Way& way) {
  const std::string key = KeyOf(way);
  const auto known = gateways.by_nodes.find(key);
  if (known != gateways.by_nodes.end()) {
    manifest.Uses("gateways." + known->second);
    return known->second;
  }
  const std::string path =
      draft.AddGateway(manifest, manifest.name(), {.nodes = NodesWith(way.nodes), .pools = {}, .interface = way.interface});
  return gateways.by_nodes.emplace(key, path.substr(path.find('.') + 1)).first->second;
}

// An egress IP has one gateway here: the first that names it.
void AddAddress(Draft& draft, Gateways& gateways, Manifest& manifest, const Way& way, policy::Policy& policy) {
  const auto [held, is_new] = gateways.by_address.try_emplace(*way.address, *policy.gateway);
  if (!is_new && held->second != *policy.gateway && policy.egress_ip.addresses.empty()) {
    policy.gateway = held->second;
    manifest.Approximated(
        *way.address_node, "policies.*.gateway",
        std::format("another policy has this address with other nodes, and an egress IP has one gateway here: {}", held->second));
  } else if (held->second != *policy.gateway) {
    manifest.Dropped(*way.address_node, std::format("the address belongs to gateway {}, and a policy here has one", held->second));
    return;
  } else {
    manifest.Exact(*way.address_node, "policies.*.egress_ip",
                   "Cilium wants it configured on the node; here the node that holds it is given it, and it must not be a node's own");
  }
  if (is_new) {
    policy::Gateway& gateway = draft.set.gateways.at(*policy.gateway);
    if (gateway.pools.empty()) {
      const std::string path = draft.AddPool(manifest, gateway.name, {});
      gateway.pools = {path.substr(path.find('.') + 1)};
    }
    policy::Pool& pool = draft.set.pools.at(gateway.pools.front());
    (way.address->family() == Family::kIpv4 ? pool.ipv4 : pool.ipv6).push_back({.first = *way.address, .last = *way.address});
  }
  const bool is_ipv4 = way.address->family() == Family::kIpv4;
  policy.egress_ip.kind = policy::EgressIpChoice::Kind::kAddress;
  policy.egress_ip.addresses.push_back({.ipv4 = is_ipv4 ? way.address : std::nullopt, .ipv6 = is_ipv4 ? std::nullopt : way.address});
}

void ChooseEgress(Draft& draft, Gateways& gateways, Manifest& manifest, policy::Policy& policy) {
  std::vector<const Node*> entries;
  if (const Node* one = manifest.Field("spec.egressGateway")) entries.push_back(one);
  if (const Node* list = manifest.Field("spec.egressGateways")) Append(entries, manifest.Maps(*list));
  std::vector<Way> ways;
  for (const Node* entry : entries) {
    if (auto way = WayOf(manifest, *entry)) ways.push_back(std::move(*way));
  }
  if (manifest.has_errors()) return;
  if (ways.empty()) {
    manifest.Error(manifest.root(), kMissing, "a CiliumEgressGatewayPolicy needs spec.egressGateway");
    return;
  }
  Way joined = ways.front();
  manifest.Exact(
      *manifest.Selector(*joined.node, "nodeSelector"), "gateways.*.nodes",
      ways.size() == 1 ? "there the first of these nodes by name is the only one; here another one takes over when it dies" : "");
  for (std::size_t i = 1; i < ways.size(); ++i) Join(manifest, joined, ways[i]);
  policy.gateway = GatewayFor(draft, gateways, manifest, joined);
  for (const Way& way : ways) {
    if (way.address) AddAddress(draft, gateways, manifest, way, policy);
  }
  if (!policy.egress_ip.addresses.empty()) return;
  policy.egress_ip.kind = policy::EgressIpChoice::Kind::kNode;
  const std::string note =
      "the address of whichever of the gateway's nodes carries the connection: the same as there while it has one node";
  if (const Node* interface = manifest.Field(*joined.node, "interface")) {
    manifest.Approximated(*interface, "gateways.*.interface", note);
  } else {
    manifest.ApproximatedAbsent("spec.egressGateway.egressIP", "policies.*.egress_ip", note);
  }
}

void ConvertPolicy(Draft& draft, Gateways& gateways, Manifest& manifest) {
  policy::Policy policy;
  const Node* selectors = manifest.Field("spec.selectors");
  if (selectors == nullptr) {
    manifest.Error(manifest.root(), kMissing, "a CiliumEgressGatewayPolicy needs spec.selectors", "selectors: [{podSelector: {}}]");
    return;
  }
  for (const Node* entry : manifest.Maps(*selectors)) {
    if (!AddSources(draft, manifest, *entry, policy)) break;
  }
  ChooseDestinations(manifest, policy);
  ChooseEgress(draft, gateways, manifest, policy);
  if (!manifest.has_errors()) draft.AddPolicy(manifest, manifest.name(), std::move(policy));
}

}  // namespace

void ConvertCilium(Draft& draft) {
  Gateways gateways;
  for (Manifest* manifest : draft.OfKind(kCilium, "CiliumEgressGatewayPolicy")) ConvertPolicy(draft, gateways, *manifest);
}

}  // namespace egressd::convert
