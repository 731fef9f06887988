// spidernet EgressGateway: EgressGateway, EgressPolicy, EgressClusterPolicy, EgressClusterInfo.
#include <algorithm>
#include <format>
#include <utility>

#include "convert/systems.h"
#include "convert/values.h"

namespace egressd::convert {
namespace {

constexpr std::uint16_t kPriorityOfPolicies = 1000;
constexpr std::uint16_t kPriorityOfClusterPolicies = 32768;

std::vector<AddressRange> RangesOf(Manifest& manifest, const Node* list, const std::string& becomes) {
  if (list == nullptr) return {};
  std::vector<AddressRange> ranges;
  for (const Manifest::Item& item : manifest.Texts(*list)) {
    if (const auto range = RangeOf(manifest, *item.node, item.text)) ranges.push_back(*range);
  }
  const std::vector<AddressRange> once = Once(ranges);
  manifest.Exact(*list, becomes, once == ranges ? "" : "addresses that stand there several times are written once");
  return once;
}

std::optional<IpAddress> AddressAt(Manifest& manifest, std::string_view path, const std::string& becomes) {
  const Node* node = manifest.Field(path);
  if (node == nullptr) return std::nullopt;
  const auto text = manifest.Text(*node);
  const auto address = text ? AddressOf(manifest, *node, *text) : std::nullopt;
  if (address) manifest.Exact(*node, becomes);
  return address;
}

// The address of the other family at the same place of the pool.
std::optional<IpAddress> MateOf(const policy::Pool& pool, const IpAddress& address) {
  return address.family() == Family::kIpv4 ? Opposite(pool.ipv4, pool.ipv6, address) : Opposite(pool.ipv6, pool.ipv4, address);
}

// Whether the i-th IPv4 address can go with the i-th IPv6 address: as many of each, and nobody names two that are no such pair.
bool CanPair(const Draft& draft, const std::string& gateway, const policy::Pool& pool,
             const std::vector<std::pair<std::optional<IpAddress>, std::optional<IpAddress>>>& named) {
  if (CountOf(pool.ipv4) != CountOf(pool.ipv6)) return false;
  for (const auto& [ipv4, ipv6] : named) {
    if (ipv4 && ipv6 && MateOf(pool, *ipv4) != ipv6) return false;
  }
  for (const char* kind : {"EgressPolicy", "EgressClusterPolicy"}) {
    for (const Manifest* manifest : draft.OfKind(kSpidernet, kind)) {
      const Node* name = manifest->Field("spec.egressGatewayName");
      const Node* ipv4 = manifest->Field("spec.egressIP.ipv4");
      const Node* ipv6 = manifest->Field("spec.egressIP.ipv6");
      if (name == nullptr || name->text != gateway || ipv4 == nullptr || ipv6 == nullptr) continue;
      const auto first = IpAddress::Parse(ipv4->text);
      const auto second = IpAddress::Parse(ipv6->text);
      if (first && second && MateOf(pool, *first) != *second) return false;
    }
  }
  return true;
}

void AddPoolOf(Draft& draft, Manifest& manifest, policy::Gateway& gateway) {
  policy::Pool pool;
  pool.ipv4 = RangesOf(manifest, manifest.Field("spec.ippools.ipv4"), "pools.*.ipv4");
  pool.ipv6 = RangesOf(manifest, manifest.Field("spec.ippools.ipv6"), "pools.*.ipv6");
  gateway.default_ipv4 = AddressAt(manifest, "spec.ippools.ipv4DefaultEIP", "gateways.*.default_ip");
  gateway.default_ipv6 = AddressAt(manifest, "spec.ippools.ipv6DefaultEIP", "gateways.*.default_ip");
  if (pool.ipv4.empty() && pool.ipv6.empty()) return;
  if (!pool.ipv4.empty() && !pool.ipv6.empty()) {
    pool.pair = CanPair(draft, manifest.name(), pool, {{gateway.default_ipv4, gateway.default_ipv6}});
    if (!pool.pair) {
      manifest.ApproximatedAbsent("spec.ippools", "pools.*.pair",
                                  "addresses of both families go together there; here they do not, because the ones that are named "
                                  "together do not stand at the same place of both lists");
    }
  }
  const bool lacks_default = (!pool.ipv4.empty() && !gateway.default_ipv4) || (!pool.ipv6.empty() && !gateway.default_ipv6);
  if (lacks_default) {
    manifest.ApproximatedAbsent("spec.ippools.ipv4DefaultEIP", "gateways.*.default_ip",
                                "there it is drawn when the object is created, and stands in what kubectl get -o yaml prints; here it is "
                                "the first address of the pool");
  }
  const std::string path = draft.AddPool(manifest, manifest.name(), std::move(pool));
  gateway.pools = {path.substr(path.find('.') + 1)};
}

void ConvertGateway(Draft& draft, Manifest& manifest) {
  policy::Gateway gateway;
  if (const Node* value = manifest.Field("spec.clusterDefault")) {
    gateway.is_default = manifest.Boolean(*value).value_or(false);
    manifest.Exact(*value, "gateways.*.default");
  }
  AddPoolOf(draft, manifest, gateway);
  const Node* selector = manifest.Selector(manifest.root(), "spec.nodeSelector.selector");
  if (selector == nullptr) {
    manifest.Error(manifest.root(), kMissing, "an EgressGateway needs spec.nodeSelector.selector");
    return;
  }
  const auto nodes = NodesOf(manifest, selector);
  if (!nodes) return;
  gateway.nodes = *nodes;
  if (const Node* value = manifest.Field("spec.nodeSelector.policy")) manifest.Dropped(*value, "nothing there reads it");
  const std::string path = draft.AddGateway(manifest, manifest.name(), std::move(gateway));
  draft.gateway_of[std::string("EgressGateway/") + manifest.name()] = path.substr(path.find('.') + 1);
}

// --- policies ---

// True when the policy names a gateway that is there, or one is the default.
bool ChooseGateway(Draft& draft, Manifest& manifest, policy::Policy& policy) {
  if (const Node* name = manifest.Field("spec.egressGatewayName")) {
    if (draft.Named(manifest, *name, kSpidernet, "EgressGateway") == nullptr) return false;
    const auto found = draft.gateway_of.find("EgressGateway/" + name->text);
    if (found == draft.gateway_of.end()) return false;  // has errors of its own
    policy.gateway = found->second;
    manifest.Exact(*name, "policies.*.gateway");
    return true;
  }
  if (policy::GatewayOf(draft.set, policy) != nullptr) return true;
  manifest.Error(manifest.root(), kUnknownReference, "no spec.egressGatewayName, and no gateway among the files is the default one",
                 "add the EgressGateway with `clusterDefault: true`, or the Namespace with its label spidernet.io/egressgateway-default");
  return false;
}

void ChooseAllocation(Manifest& manifest, policy::Policy& policy) {
  using Kind = policy::EgressIpChoice::Kind;
  policy.egress_ip.kind = Kind::kDefault;
  const Node* allocator = manifest.Field("spec.egressIP.allocatorPolicy");
  if (allocator == nullptr) return;
  if (allocator->text == "rr") {
    policy.egress_ip.kind = Kind::kAuto;
    manifest.Approximated(*allocator, "policies.*.egress_ip",
                          "an address that no other policy has, and the same one for good; when there is none left there, policies share "
                          "one, here that is an error");
  } else if (allocator->text == "default") {
    manifest.Exact(*allocator, "policies.*.egress_ip");
  } else {
    manifest.Error(*allocator, kBadValue, std::format("expected default or rr, found {}", yaml::Describe(*allocator)));
  }
}

void ChooseEgressIp(const Draft& draft, Manifest& manifest, policy::Policy& policy) {
  using Kind = policy::EgressIpChoice::Kind;
  const Node* node_ip = manifest.Field("spec.egressIP.useNodeIP");
  const bool uses_node = node_ip != nullptr && manifest.Boolean(*node_ip).value_or(false);
  policy::AddressPair pair{.ipv4 = AddressAt(manifest, "spec.egressIP.ipv4", "policies.*.egress_ip"),
                           .ipv6 = AddressAt(manifest, "spec.egressIP.ipv6", "policies.*.egress_ip")};
  if (uses_node && (pair.ipv4 || pair.ipv6)) {
    manifest.Error(*node_ip, kContradiction, "`useNodeIP: true` beside an address", "remove one of them");
    return;
  }
  if (node_ip != nullptr) manifest.Exact(*node_ip, "policies.*.egress_ip");
  if (uses_node) {
    policy.egress_ip.kind = Kind::kNode;
    if (const Node* allocator = manifest.Field("spec.egressIP.allocatorPolicy")) {
      manifest.Exact(*allocator, "", "without a meaning beside useNodeIP, there and here");
    }
    return;
  }
  const policy::Gateway* gateway = policy::GatewayOf(draft.set, policy);
  const bool has_pool = gateway != nullptr && !gateway->pools.empty();
  if (!pair.ipv4 && !pair.ipv6) {
    ChooseAllocation(manifest, policy);
    if (!has_pool) {
      manifest.Error(manifest.root(), kContradiction, "its gateway has no egress IPs",
                     "egressIP: {useNodeIP: true}, or give it spec.ippools");
    }
    return;
  }
  if (const Node* allocator = manifest.Field("spec.egressIP.allocatorPolicy")) {
    manifest.Exact(*allocator, "", "without a meaning beside an address, there and here");
  }
  // There the other family comes along by itself.
  if (has_pool) {
    const policy::Pool& pool = draft.set.pools.at(gateway->pools.front());
    if (pool.pair && !pair.ipv6) pair.ipv6 = MateOf(pool, *pair.ipv4);
    if (pool.pair && !pair.ipv4) pair.ipv4 = MateOf(pool, *pair.ipv6);
  }
  policy.egress_ip = {.kind = Kind::kAddress, .addresses = {pair}};
}

// `podSubnet`, which is in their API, but read by nothing there.
std::vector<Prefix> SubnetsOf(Manifest& manifest, const Node& list, bool beside_labels) {
  if (beside_labels) {
    manifest.Dropped(list, "nothing there reads it: the labels alone decide, as they do here");
    return {};
  }
  manifest.Approximated(list, "policies.*.from", "nothing there reads it, so nothing is selected; here these sources are");
  return NetworksOf(manifest, list);
}

bool ChooseSources(Draft& draft, Manifest& manifest, policy::Policy& policy) {
  const Node* labels = manifest.Field("spec.appliedTo.podSelector");
  const Node* subnets = manifest.Field("spec.appliedTo.podSubnet");
  if (labels == nullptr && subnets == nullptr) {
    manifest.Error(manifest.root(), kMissing, "spec.appliedTo selects nothing", "podSelector: {matchLabels: {app: web}}");
    return false;
  }
  policy::Selector selector;
  if (labels != nullptr) {
    auto requirements = RequirementsOf(manifest, *labels);
    if (!requirements) return false;
    TellPods(manifest, *labels, *requirements);
    selector.labels = *std::move(requirements);
  }
  if (subnets != nullptr) selector.cidrs = SubnetsOf(manifest, *subnets, labels != nullptr);
  policy.from = {selector};
  const Node* namespaces = manifest.Selector(manifest.root(), "spec.appliedTo.namespaceSelector");
  if (namespaces == nullptr || manifest.kind() == "EgressPolicy") return true;
  const auto chosen = draft.NamespacesOf(manifest, *namespaces);
  if (!chosen) return false;
  policy.from = InNamespaces(selector, *chosen);
  return true;
}

void ChoosePriority(Manifest& manifest, policy::Policy& policy) {
  policy.priority = manifest.kind() == "EgressPolicy" ? kPriorityOfPolicies : kPriorityOfClusterPolicies;
  const Node* node = manifest.Field("spec.priority");
  if (node == nullptr) return;
  const auto number = manifest.Number(*node, UINT64_MAX);
  if (!number || *number == 0) {
    if (number) manifest.Exact(*node, "policies.*.priority", "0 is the default");
    return;
  }
  policy.priority = static_cast<std::uint16_t>(std::min<std::uint64_t>(*number, 65535));
  manifest.Approximated(*node, "policies.*.priority",
                        std::format("it is kept there, and read by nothing; here the lowest number decides{}",
                                    *number > 65535 ? ", and 65535 is the highest" : ""));
}

void ConvertPolicy(Draft& draft, Manifest& manifest) {
  policy::Policy policy;
  const bool namespaced = manifest.kind() == "EgressPolicy";
  const bool has_sources = ChooseSources(draft, manifest, policy);
  const bool names_workloads = std::ranges::any_of(policy.from, &policy::Selector::names_workloads);
  // A selector of networks does not say whose they are.
  if (namespaced) {
    policy.namespace_ = manifest.namespace_or_default();
    if (has_sources && !names_workloads) policy.from.front().all = true;
  }
  if (const Node* list = manifest.Field("spec.destSubnet")) {
    policy.to = policy::Reach::kListed;
    for (const Prefix& network : NetworksOf(manifest, *list)) policy.destinations.emplace_back(network);
    manifest.Exact(*list, "policies.*.to");
  }
  ChoosePriority(manifest, policy);
  if (!ChooseGateway(draft, manifest, policy)) return;
  ChooseEgressIp(draft, manifest, policy);
  if (manifest.has_errors()) return;
  const std::string name = namespaced ? manifest.namespace_or_default() + "-" + manifest.name() : manifest.name();
  draft.AddPolicy(manifest, name, std::move(policy));
}

// What `destSubnet` leaves out where it is empty.
void ConvertClusterInfo(Draft& draft, Manifest& manifest) {
  std::vector<Prefix> networks;
  if (const Node* list = manifest.Field("spec.extraCidr")) {
    networks = NetworksOf(manifest, *list);
    manifest.Exact(*list, "internal");
  }
  for (const char* path : {"status.podCIDR", "status.clusterIP"}) {
    const Node* found = manifest.Field(path);
    if (found == nullptr || !found->is_map()) continue;
    std::vector<const Node*> families{found};  // clusterIP: {ipv4:, ipv6:}; podCIDR: the same for each pool
    for (const Node::Entry& entry : found->entries) families.push_back(entry.value);
    for (const Node* family : families) {
      for (const char* key : {"ipv4", "ipv6"}) {
        if (const Node* list = manifest.Field(*family, key)) Append(networks, NetworksOf(manifest, *list));
      }
    }
    manifest.Exact(*found, "internal", "what was detected when the object was read");
  }
  if (const Node* detect = manifest.Field("spec.autoDetect")) {
    manifest.Exact(*detect, "", "every node here knows its own networks, those of its workloads and the addresses of all nodes by itself");
  }
  if (!networks.empty()) draft.AddInternal(manifest, networks);
}

}  // namespace

void ConvertSpidernet(Draft& draft) {
  for (Manifest* manifest : draft.OfKind(kSpidernet, "EgressGateway")) ConvertGateway(draft, *manifest);
  // A namespace may have been given one of them.
  for (auto& [name, named] : draft.set.namespaces) {
    if (!named.gateway) continue;
    const auto found = draft.gateway_of.find("EgressGateway/" + *named.gateway);
    if (found != draft.gateway_of.end()) named.gateway = found->second;
  }
  for (Manifest* manifest : draft.OfKind(kSpidernet, "EgressClusterInfo")) ConvertClusterInfo(draft, *manifest);
  for (const char* kind : {"EgressPolicy", "EgressClusterPolicy"}) {
    for (Manifest* manifest : draft.OfKind(kSpidernet, kind)) ConvertPolicy(draft, *manifest);
  }
}

}  // namespace egressd::convert
