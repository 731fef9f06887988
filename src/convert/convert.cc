#include "egressd/convert/convert.h"

#include <algorithm>
#include <deque>
#include <format>
#include <set>
#include <tuple>
#include <utility>

#include "convert/draft.h"
#include "convert/manifest.h"
#include "convert/systems.h"
#include "egressd/policy/binding.h"
#include "egressd/policy/validate.h"

namespace egressd::convert {
namespace {

constexpr std::string_view kDefaultGatewayLabel = "spidernet.io/egressgateway-default";
constexpr std::string_view kHint =
    "kubectl get egressgateways,egresspolicies,egressclusterpolicies -A -o yaml (spidernet), egresses,externalippools (Antrea), "
    "vpc-egress-gateways -A and subnets (Kube-OVN), ciliumegressgatewaypolicies (Cilium)";

enum class Role : std::uint8_t {
  kConverted,
  kNamed,    // read for what others name of it
  kRuntime,  // says what is, not what shall be
  kRelated,  // is about egress, and has no place here
};

struct Kind {
  const char* group;
  const char* kind;
  Role role;
  const char* note = "";  // of kRelated
};

constexpr const char* kNat =
    "NAT for single hosts and ports is not what a policy says; SNAT of a network is `from: {cidr: [...]}` with `egress_ip`";
constexpr const char* kBgp = "BGP is the business of the FRR beside egressd: config/frr.conf, and `announce: bgp`";

constexpr Kind kKinds[] = {
    {kSpidernet, "EgressGateway", Role::kConverted},
    {kSpidernet, "EgressPolicy", Role::kConverted},
    {kSpidernet, "EgressClusterPolicy", Role::kConverted},
    {kSpidernet, "EgressClusterInfo", Role::kConverted},
    {kSpidernet, "EgressTunnel", Role::kRuntime},
    {kSpidernet, "EgressEndpointSlice", Role::kRuntime},
    {kSpidernet, "EgressClusterEndpointSlice", Role::kRuntime},
    {kAntrea, "Egress", Role::kConverted},
    {kAntrea, "ExternalIPPool", Role::kConverted},
    {kAntrea, "BGPPolicy", Role::kRelated, kBgp},
    {kKubeOvn, "VpcEgressGateway", Role::kConverted},
    {kKubeOvn, "Subnet", Role::kNamed},
    {kKubeOvn, "IPPool", Role::kNamed},
    {kKubeOvn, "Vlan", Role::kNamed},
    {kKubeOvn, "BgpConf", Role::kRelated, kBgp},
    {kKubeOvn, "EvpnConf", Role::kRelated, kBgp},
    {kKubeOvn, "VpcNatGateway", Role::kRelated, kNat},
    {kKubeOvn, "IptablesEIP", Role::kRelated, kNat},
    {kKubeOvn, "IptablesSnatRule", Role::kRelated, kNat},
    {kKubeOvn, "IptablesDnatRule", Role::kRelated, kNat},
    {kKubeOvn, "IptablesFIPRule", Role::kRelated, kNat},
    {kKubeOvn, "OvnEip", Role::kRelated, kNat},
    {kKubeOvn, "OvnSnatRule", Role::kRelated, kNat},
    {kKubeOvn, "OvnDnatRule", Role::kRelated, kNat},
    {kKubeOvn, "OvnFip", Role::kRelated, kNat},
    {kCilium, "CiliumEgressGatewayPolicy", Role::kConverted},
    {kCilium, "CiliumEgressNATPolicy", Role::kRelated, "Cilium itself has replaced it by CiliumEgressGatewayPolicy"},
    {"", "Namespace", Role::kNamed},
    {"", "ConfigMap", Role::kNamed},
};

const Kind* KindOf(const Manifest& manifest) {
  const std::string group = manifest.group();
  const auto* found = std::ranges::find_if(kKinds, [&](const Kind& kind) { return kind.kind == manifest.kind() && kind.group == group; });
  return found == std::end(kKinds) ? nullptr : found;
}

// The files, and the objects in them that are about egress.
struct Input {
  std::deque<yaml::Documents> files;
  std::deque<Manifest> manifests;
};

void Collect(const Node& node, yaml::Documents& file, const std::string& name, std::deque<Manifest>& manifests) {
  if (node.is_list()) {
    for (const Node::Entry& entry : node.entries) Collect(*entry.value, file, name, manifests);
    return;
  }
  Manifest manifest(node, file, name);
  if (!node.is_map() || manifest.kind().empty() || yaml::Find(node, "apiVersion") == nullptr) {
    const bool is_policy = yaml::Find(node, "version") != nullptr;
    file.Error(node, kNoObject, std::format("expected a Kubernetes object with apiVersion and kind, found {}", yaml::Describe(node)),
               is_policy ? "a file with `version: 1` needs no conversion: egressctl validate -f" : "");
    return;
  }
  const Node* items = yaml::Find(node, "items");
  if (manifest.kind().ends_with("List") && items != nullptr) {
    if (items->is_list()) Collect(*items, file, name, manifests);
    return;
  }
  if (KindOf(manifest) == nullptr || (manifest.kind() == "ConfigMap" && AntreaAgentOf(manifest) == nullptr)) return;
  manifests.push_back(std::move(manifest));
}

Input ReadAll(const std::vector<Source>& sources) {
  Input input;
  for (const Source& source : sources) {
    yaml::Documents& file = input.files.emplace_back(source.text, source.name);
    for (const Node* root : file.roots()) Collect(*root, file, source.name, input.manifests);
  }
  std::set<std::tuple<std::string, std::string, std::string, std::string>> seen;
  for (Manifest& manifest : input.manifests) {
    if (manifest.name().empty()) {
      manifest.Error(manifest.root(), kMissing, std::format("the {} has no metadata.name", manifest.kind()));
    } else if (!seen.insert({manifest.group(), manifest.kind(), manifest.object().namespace_, manifest.name()}).second) {
      manifest.Error(manifest.root(), kTwice, std::format("{} stands here a second time", manifest.object().Title()), "remove one of them");
    }
  }
  return input;
}

// The findings of all files, in their order.
std::vector<policy::Finding> TakeFindings(Input& input) {
  std::vector<policy::Finding> findings;
  for (yaml::Documents& file : input.files) Append(findings, file.TakeFindings());
  return findings;
}

// What contradicts itself in what came out, said of the object that it came from.
void CheckResult(const Draft& draft, Input& input) {
  std::vector<policy::Finding> findings = policy::Validate(draft.set);
  if (!policy::HasErrors(findings)) {
    if (auto bound = policy::Bind(draft.set, {}); !bound) findings = std::move(bound.error());
  }
  for (const policy::Finding& finding : findings) {
    if (finding.severity != policy::Severity::kError) continue;
    Manifest* origin = draft.OriginOf(finding.path);
    Manifest& manifest = origin != nullptr ? *origin : input.manifests.front();
    manifest.Error(manifest.root(), kInvalidResult,
                   std::format("converted, {} contradicts itself: {} ({})", manifest.object().Title(), finding.message, finding.path));
  }
}

std::string HeadComment(const Conversion& conversion) {
  return std::format(
      "Converted by egressctl from manifests of Kubernetes; fields: {} exact, {} approximated, {} dropped (egressctl convert --report).\n"
      "Labels of pods are labels of workloads here, and labels of nodes are `node.labels` in their egressd.yaml.",
      conversion.Count(Outcome::kExact), conversion.Count(Outcome::kApproximated), conversion.Count(Outcome::kDropped));
}

}  // namespace

std::string_view ToString(Outcome outcome) {
  switch (outcome) {
    case Outcome::kExact:
      return "exact";
    case Outcome::kApproximated:
      return "approximated";
    case Outcome::kDropped:
      return "dropped";
  }
  return "?";
}

std::string Object::Title() const { return std::format("{} {}{}", kind, namespace_.empty() ? "" : namespace_ + "/", name); }

std::size_t Object::Count(Outcome outcome) const { return static_cast<std::size_t>(std::ranges::count(fields, outcome, &Field::outcome)); }

std::size_t Conversion::Count(Outcome outcome) const {
  std::size_t count = 0;
  for (const Object& object : objects) count += object.Count(outcome);
  return count;
}

std::optional<policy::NodeSelector> NodesOf(Manifest& manifest, const Node* selector) {
  if (selector == nullptr) return NodesWith({});
  auto requirements = RequirementsOf(manifest, *selector);
  if (!requirements) return std::nullopt;
  manifest.Exact(*selector, "gateways.*.nodes", requirements->empty() ? "all nodes" : "");
  return NodesWith(*std::move(requirements));
}

void ConvertNamespaces(Draft& draft) {
  for (Manifest* manifest : draft.OfKind("", "Namespace")) {
    const Node* labels = manifest->Field("metadata.labels");
    if (labels == nullptr || !labels->is_map()) continue;
    policy::Namespace& named = draft.NamespaceNamed(*manifest, manifest->name());
    for (const Node::Entry& label : labels->entries) {
      if (!label.value->is_scalar()) continue;
      if (label.key->text == kDefaultGatewayLabel) {
        named.gateway = label.value->text;
      } else {
        named.labels[label.key->text] = label.value->text;
      }
    }
    manifest->Exact(*labels, "namespaces." + manifest->name());
  }
}

Conversion Convert(const std::vector<Source>& sources) {
  Input input = ReadAll(sources);
  Conversion out;
  const auto is_converted = [](const Manifest& manifest) { return KindOf(manifest)->role == Role::kConverted; };
  out.findings = TakeFindings(input);
  if (!out.ok()) return out;
  if (std::ranges::none_of(input.manifests, is_converted)) {
    const std::string file = sources.empty() ? "" : sources.front().name;
    out.findings.push_back({.code = kNothing,
                            .path = {},
                            .message = "there is no object that can be converted",
                            .hint = std::string(kHint),
                            .file = file,
                            .line = 1,
                            .column = 1});
    return out;
  }
  Draft draft(input.manifests);
  ConvertNamespaces(draft);
  ConvertSpidernet(draft);
  ConvertAntrea(draft);
  ConvertKubeOvn(draft);
  ConvertCilium(draft);
  out.findings = TakeFindings(input);
  if (out.ok()) {
    CheckResult(draft, input);
    out.findings = TakeFindings(input);
  }
  for (Manifest& manifest : input.manifests) {
    const Kind& kind = *KindOf(manifest);
    if (kind.role == Role::kRuntime) continue;
    if (kind.role == Role::kRelated) manifest.Dropped(manifest.root(), kind.note);
    manifest.Finish(kind.role == Role::kConverted ? Manifest::Rest::kReported : Manifest::Rest::kLeft);
    // What nobody has named is none of the objects that were converted.
    if (kind.role != Role::kNamed || !manifest.object().fields.empty()) out.objects.push_back(manifest.object());
  }
  out.set = std::move(draft.set);
  out.comments = std::move(draft.comments);
  out.comments[""] = HeadComment(out);
  return out;
}

std::string Write(const Conversion& conversion) { return yaml::Write(conversion.set, conversion.comments); }

}  // namespace egressd::convert
