// Kube-OVN: VpcEgressGateway, which is a gateway and policies in one object.
#include <algorithm>
#include <array>
#include <format>
#include <set>
#include <utility>

#include "convert/outside.h"
#include "convert/systems.h"
#include "convert/values.h"
#include "egressd/base/duration.h"
#include "egressd/policy/limits.h"

namespace egressd::convert {
namespace {

constexpr std::uint64_t kMostReplicasThere = 10;
constexpr std::uint64_t kLongestTimer = 3'600'000;  // milliseconds
constexpr std::uint64_t kMegabit = 1'000'000;
constexpr std::uint16_t kPriorityOfRoutes = 1001;  // behind the policy that translates: a source in both is translated there
constexpr const char* kDefaultVpc = "ovn-cluster";

std::string VpcOf(const Manifest& manifest) {
  const Node* vpc = manifest.Field("spec.vpc");
  return vpc != nullptr && vpc->is_scalar() ? vpc->text : kDefaultVpc;
}

// --- the gateway ---

// One entry of spec.nodeSelector: names, or requirements on labels.
std::optional<policy::NodeSelector> TermOf(Manifest& manifest, const Node& entry) {
  policy::NodeSelector nodes;
  Requirements labels;
  for (const Node::Entry& part : entry.entries) {
    if (part.key->text != "matchFields") continue;
    for (const Node* field : manifest.Maps(*part.value)) {
      const Node* key = manifest.Field(*field, "key");
      const Node* word = manifest.Field(*field, "operator");
      const Node* values = manifest.Field(*field, "values");
      if (key == nullptr || key->text != "metadata.name" || word == nullptr || word->text != "In" || values == nullptr) {
        manifest.Error(*field, kCannotSay, "of fields, only `metadata.name` with `In` can be said here");
        return std::nullopt;
      }
      for (const Manifest::Item& item : manifest.Texts(*values)) nodes.names.push_back(item.text);
    }
  }
  // The rest is a label selector; RequirementsOf refuses what it does not know, so it gets only that.
  for (const char* key : {"matchLabels", "matchExpressions"}) {
    const Node* part = manifest.Field(entry, key);
    if (part == nullptr) continue;
    const auto some = RequirementsOfPart(manifest, *part, key);
    if (!some) return std::nullopt;
    Append(labels, *some);
  }
  if (!nodes.names.empty() && !labels.empty()) {
    manifest.Error(entry, kCannotSay, "names and labels in one entry: nodes that have both cannot be said here", "name the nodes");
    return std::nullopt;
  }
  nodes.labels = std::move(labels);
  return nodes;
}

// A list of which one entry is enough.
std::optional<policy::NodeSelector> NodesOfList(Manifest& manifest) {
  const Node* list = manifest.Field("spec.nodeSelector");
  if (list == nullptr) return NodesWith({});
  std::vector<policy::NodeSelector> terms;
  for (const Node* entry : manifest.Maps(*list)) {
    auto term = TermOf(manifest, *entry);
    if (!term) return std::nullopt;
    terms.push_back(*std::move(term));
  }
  if (terms.size() == 1) {
    manifest.Exact(*list, "gateways.*.nodes");
    return terms.front().names.empty() ? NodesWith(terms.front().labels) : terms.front();
  }
  // Names together; and values of one label together.
  policy::NodeSelector joined;
  for (const policy::NodeSelector& term : terms) {
    const bool is_label = term.labels.size() == 1 && term.labels.front().op == policy::Requirement::Operator::kIn;
    if (!term.names.empty() && joined.labels.empty()) {
      Append(joined.names, term.names);
    } else if (is_label && joined.names.empty() && (joined.labels.empty() || joined.labels.front().key == term.labels.front().key)) {
      if (joined.labels.empty()) {
        joined.labels = term.labels;
      } else {
        Append(joined.labels.front().values, term.labels.front().values);
      }
    } else {
      manifest.Error(*list, kCannotSay, "these entries cannot be said as one: nodes here are names, or labels that all must be there",
                     "give all of these nodes one label, and select that");
      return std::nullopt;
    }
  }
  manifest.Exact(*list, "gateways.*.nodes");
  return joined;
}

std::optional<policy::BfdTimers> BfdOf(Manifest& manifest) {
  const Node* bfd = manifest.Field("spec.bfd");
  if (bfd == nullptr) return std::nullopt;
  const Node* enabled = manifest.Field(*bfd, "enabled");
  if (enabled == nullptr || !manifest.Boolean(*enabled).value_or(false)) {
    manifest.Exact(*bfd, "gateways.*.bfd", "nodes watch each other in any case here");
    return std::nullopt;
  }
  policy::BfdTimers timers{.min_rx = Duration(1'000'000), .min_tx = Duration(1'000'000), .multiplier = 3};
  std::string notes;
  const auto read = [&](const char* key, Duration& value) {
    const Node* node = manifest.Field(*bfd, key);
    if (node == nullptr) return;
    const Duration wanted = std::chrono::milliseconds(manifest.Number(*node, kLongestTimer).value_or(1000));
    value = std::clamp(wanted, policy::kBfdLimits.lowest, policy::kBfdLimits.highest);
    if (value != wanted) notes += std::format("{}{} is {} here", notes.empty() ? "" : "; ", key, FormatDuration(value));
  };
  read("minRX", timers.min_rx);
  read("minTX", timers.min_tx);
  if (const Node* node = manifest.Field(*bfd, "multiplier")) {
    const std::uint64_t wanted = manifest.Number(*node, kLongestTimer).value_or(3);
    timers.multiplier = static_cast<std::uint8_t>(std::clamp<std::uint64_t>(wanted, 1, 255));
    if (wanted != timers.multiplier) notes += std::format("{}multiplier is {} here", notes.empty() ? "" : "; ", timers.multiplier);
  }
  if (notes.empty()) {
    manifest.Exact(*bfd, "gateways.*.bfd");
  } else {
    manifest.Approximated(*bfd, "gateways.*.bfd", notes);
  }
  return timers;
}

void ReadRouting(Manifest& manifest, policy::Gateway& gateway) {
  if (const Node* bgp = manifest.Field("spec.bgpConf")) {
    gateway.announce = policy::Announce::kBgp;
    manifest.Approximated(*bgp, "gateways.*.announce", "neighbours and AS numbers belong into the FRR beside egressd: config/frr.conf");
  }
  if (const Node* evpn = manifest.Field("spec.evpnConf")) manifest.Dropped(*evpn, "EVPN is the business of the FRR beside egressd");
}

// What pods and their virtual network need, and hosts do not.
void DropWhatIsOfPods(Manifest& manifest) {
  if (const Node* vpc = manifest.Field("spec.vpc")) {
    if (vpc->text == kDefaultVpc) {
      manifest.Exact(*vpc, "", "the default one");
    } else {
      manifest.Dropped(*vpc, "networks of workloads are known by their devices here");
    }
  }
  manifest.DropAll({"prefix", "image", "internalSubnet", "internalIPs", "internalIPPool", "tolerations", "resources"},
                   "there are no gateway pods here");
  manifest.DropAll({"observability"}, "egressctl metrics and egressctl events tell what there is; flows are not logged");
  const Node* affinity = manifest.Field("spec.podAntiAffinity");
  if (affinity == nullptr) return;
  if (affinity->text == "Preferred") {
    manifest.Exact(*affinity, "", "egress IPs are spread over the nodes as far as there are some");
  } else {
    manifest.Approximated(*affinity, "", "with fewer nodes than replicas, a node holds several egress IPs");
  }
}

// --- the policies ---

// Integers are Mbit/s, with quotes or without; everything else is a quantity of bit/s.
std::uint64_t RateOf(Manifest& manifest, const Node& node) {
  const bool is_number = node.is_scalar() && !node.text.empty() && node.text.find_first_not_of("0123456789") == std::string::npos;
  const auto quantity = node.is_scalar() ? ParseQuantity(node.text) : std::nullopt;
  if (!quantity || (is_number && *quantity > UINT64_MAX / kMegabit)) {
    manifest.Error(node, kBadValue, std::format("expected Mbit/s as a number, or a quantity such as 100M, found {}", yaml::Describe(node)));
    return 0;
  }
  return is_number ? *quantity * kMegabit : *quantity;
}

policy::Bandwidth LimitOf(Manifest& manifest, bool is_shared) {
  const Node* limit = manifest.Field("spec.bandwidth");
  if (limit == nullptr) return {};
  policy::Bandwidth wanted;
  if (const Node* node = manifest.Field(*limit, "egress")) wanted.egress_bits = RateOf(manifest, *node);
  if (const Node* node = manifest.Field(*limit, "ingress")) wanted.ingress_bits = RateOf(manifest, *node);
  std::string notes;
  const policy::Bandwidth limited = Limited(wanted, notes);
  if (is_shared) notes += std::format("{}it is the limit of each of the policies here, not of all together", notes.empty() ? "" : "; ");
  if (notes.empty()) {
    manifest.Exact(*limit, "policies.*.bandwidth");
  } else {
    manifest.Approximated(*limit, "policies.*.bandwidth", notes);
  }
  return limited;
}

// The sources of one VpcEgressGateway, by what becomes of them.
struct Sources {
  std::vector<policy::Selector> translated;
  std::vector<policy::Selector> routed;
};

void AddSelectors(Draft& draft, Manifest& manifest, Sources& sources) {
  const Node* list = manifest.Field("spec.selectors");
  if (list == nullptr) return;
  for (const Node* entry : manifest.Maps(*list)) {
    const Node* pods = manifest.Selector(*entry, "podSelector");
    const Node* namespaces = manifest.Selector(*entry, "namespaceSelector");
    policy::Selector selector;
    if (pods != nullptr) {
      auto labels = RequirementsOf(manifest, *pods);
      if (!labels) return;
      TellPods(manifest, *pods, *labels);
      selector.labels = *std::move(labels);
    }
    std::optional<Requirements> chosen{Requirements{}};
    if (namespaces != nullptr) chosen = draft.NamespacesOf(manifest, *namespaces);
    if (!chosen) return;
    Append(sources.translated, InNamespaces(selector, *std::move(chosen)));
  }
}

// spec.policies: networks of *sources*, which leave with their own addresses unless they ask for SNAT.
void AddPolicies(const Draft& draft, Manifest& manifest, Sources& sources) {
  const Node* list = manifest.Field("spec.policies");
  if (list == nullptr) return;
  for (const Node* entry : manifest.Maps(*list)) {
    const Node* snat = manifest.Field(*entry, "snat");
    const bool translates = snat != nullptr && manifest.Boolean(*snat).value_or(false);
    policy::Selector selector;
    if (const Node* blocks = manifest.Field(*entry, "ipBlocks")) {
      selector.cidrs = NetworksOf(manifest, *blocks);
      manifest.Exact(*blocks, "policies.*.from");
    }
    if (const Node* names = manifest.Field(*entry, "subnets")) {
      for (const Manifest::Item& item : manifest.Texts(*names)) {
        Manifest* subnet = draft.Named(manifest, *item.node, kKubeOvn, "Subnet");
        if (subnet != nullptr) Append(selector.cidrs, NetworksOfSubnet(*subnet, "policies.*.from"));
      }
      manifest.Exact(*names, "policies.*.from");
    }
    if (manifest.Field(*entry, "ipBlocks") == nullptr && manifest.Field(*entry, "subnets") == nullptr) {
      manifest.Error(*entry, kMissing, "a policy needs `ipBlocks` or `subnets`");
      return;
    }
    if (selector.cidrs.empty()) continue;  // reported
    if (snat != nullptr) manifest.Exact(*snat, "policies.*.action");
    (translates ? sources.translated : sources.routed).push_back(std::move(selector));
  }
}

// What is not about the addresses: the same in all policies of one gateway.
policy::Policy CommonPolicy(Manifest& manifest, const std::string& gateway, const OutsideAddresses::Taken& taken, std::size_t replicas) {
  policy::Policy policy;
  policy.gateway = gateway;
  policy.egress_ip = {.kind = policy::EgressIpChoice::Kind::kAddress, .addresses = taken.addresses};
  if (replicas < taken.addresses.size()) policy.replicas = static_cast<std::uint16_t>(replicas);
  if (const Node* traffic = manifest.Field("spec.trafficPolicy")) {
    const Node* bfd = manifest.Field("spec.bfd.enabled");
    const bool counts = bfd != nullptr && bfd->text == "true";
    if (traffic->text == "Local" && counts && replicas > 1) policy.prefer = policy::Prefer::kLocal;
    manifest.Exact(*traffic, "policies.*.prefer",
                   traffic->text == "Local" && policy.prefer == policy::Prefer::kAny
                       ? "without BFD or with one replica it changes nothing, there and here"
                       : "");
  }
  return policy;
}

std::uint64_t ReplicasThere(Manifest& manifest) {
  const Node* node = manifest.Field("spec.replicas");
  return node == nullptr ? 1 : manifest.Number(*node, kMostReplicasThere).value_or(1);
}

void TellReplicas(Manifest& manifest, std::uint64_t replicas, const Sources& sources) {
  const Node* node = manifest.Field("spec.replicas");
  if (node == nullptr) return;
  if (replicas == 0) {
    manifest.Approximated(*node, "policies.*.enabled", "without a replica there is no gateway: the policies are written disabled");
  } else if (replicas > 1 && !sources.routed.empty()) {
    manifest.Approximated(*node, "policies.*.egress_ip",
                          "what keeps its address leaves through one node at a time, since only that one takes the answers");
  } else {
    manifest.Exact(*node, "policies.*.replicas");
  }
}

// Networks that the virtual router reaches by itself, so that they never leave by a gateway.
void AddInternalNetworks(Draft& draft) {
  std::set<std::string> outside;
  std::set<std::string> vpcs;
  for (const Manifest* gateway : draft.OfKind(kKubeOvn, "VpcEgressGateway")) {
    if (const Node* name = gateway->Field("spec.externalSubnet")) outside.insert(name->text);
    vpcs.insert(VpcOf(*gateway));
  }
  for (Manifest* subnet : draft.OfKind(kKubeOvn, "Subnet")) {
    const Node* provider = subnet->Field("spec.provider");
    const bool is_overlay = provider == nullptr || provider->text == "ovn" || provider->text.ends_with(".ovn");
    if (!is_overlay || subnet->Field("spec.vlan") != nullptr || outside.contains(subnet->name()) || !vpcs.contains(VpcOf(*subnet)))
      continue;
    const auto networks = NetworksOfSubnet(*subnet, "internal");
    if (!networks.empty()) draft.AddInternal(*subnet, networks);
  }
}

void ConvertGateway(Draft& draft, OutsideAddresses& outside, Manifest& manifest) {
  const std::uint64_t wanted = ReplicasThere(manifest);
  const std::size_t replicas = std::max<std::size_t>(wanted, 1);
  const auto nodes = NodesOfList(manifest);
  const auto taken = outside.TakeFor(manifest, replicas);
  Sources sources;
  AddSelectors(draft, manifest, sources);
  AddPolicies(draft, manifest, sources);
  if (!nodes || !taken || manifest.has_errors()) return;
  if (sources.translated.empty() && sources.routed.empty()) {
    manifest.Error(manifest.root(), kMissing, "a VpcEgressGateway needs spec.selectors or spec.policies");
    return;
  }
  const std::string name = Draft::NameOf(manifest);
  policy::Pool pool{.subnet = taken->subnet};
  for (const policy::AddressPair& pair : taken->addresses) {
    if (pair.ipv4) pool.ipv4.push_back({.first = *pair.ipv4, .last = *pair.ipv4});
    if (pair.ipv6) pool.ipv6.push_back({.first = *pair.ipv6, .last = *pair.ipv6});
  }
  const std::string pool_path = draft.AddPool(manifest, name, std::move(pool));
  policy::Gateway gateway{.nodes = *nodes, .pools = {pool_path.substr(pool_path.find('.') + 1)}, .bfd = BfdOf(manifest)};
  ReadRouting(manifest, gateway);
  const std::string path = draft.AddGateway(manifest, name, std::move(gateway));
  policy::Policy policy = CommonPolicy(manifest, path.substr(path.find('.') + 1), *taken, replicas);
  policy.enabled = wanted > 0;
  TellReplicas(manifest, wanted, sources);
  const bool has_both = !sources.translated.empty() && !sources.routed.empty();
  policy.bandwidth = LimitOf(manifest, has_both);
  if (!sources.translated.empty()) {
    policy.from = std::move(sources.translated);
    draft.AddPolicy(manifest, name, policy);
  }
  if (!sources.routed.empty()) {
    policy.from = std::move(sources.routed);
    policy.action = policy::Action::kRoute;
    // Answers come back to one address: that of the route to these networks.
    policy.egress_ip.addresses.resize(1);
    policy.replicas = 0;
    policy.prefer = policy::Prefer::kAny;
    if (has_both) policy.priority = kPriorityOfRoutes;
    draft.AddPolicy(manifest, has_both ? name + "-route" : name, policy);
  }
  DropWhatIsOfPods(manifest);
}

}  // namespace

void ConvertKubeOvn(Draft& draft) {
  OutsideAddresses outside(draft);
  for (Manifest* manifest : draft.OfKind(kKubeOvn, "VpcEgressGateway")) ConvertGateway(draft, outside, *manifest);
  if (!draft.OfKind(kKubeOvn, "VpcEgressGateway").empty()) AddInternalNetworks(draft);
}

}  // namespace egressd::convert
