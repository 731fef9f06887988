// Manifests with arbitrary edits: reading must end, and either say what is wrong or give a policy file that reads as the same set.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "egressd/base/error.h"
#include "egressd/convert/convert.h"
#include "egressd/yaml/yaml.h"

namespace {

// From valid ones an edit gets further than from nothing.
constexpr std::array<std::string_view, 5> kManifests{
    "",
    R"(apiVersion: egressgateway.spidernet.io/v1beta1
kind: EgressGateway
metadata: {name: eg1}
spec:
  clusterDefault: true
  ippools: {ipv4: [10.6.1.55-10.6.1.57, 10.6.1.60/31], ipv6: ["fd00::1-fd00::5"], ipv4DefaultEIP: 10.6.1.56}
  nodeSelector: {selector: {matchLabels: {a: b}}}
---
apiVersion: egressgateway.spidernet.io/v1beta1
kind: EgressClusterPolicy
metadata: {name: web, labels: {a: b}}
spec:
  {egressGatewayName: eg1, egressIP: {ipv4: 10.6.1.55}, priority: 7, destSubnet: [10.0.0.0/8],
   appliedTo: {podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]},
               namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}
)",
    R"(apiVersion: v1
kind: List
items:
- apiVersion: crd.antrea.io/v1beta1
  kind: ExternalIPPool
  metadata: {name: ext}
  spec: {ipRanges: [{cidr: 10.10.0.0/28}, {start: "fd00::1", end: "fd00::9"}], subnetInfo: {gateway: 10.10.0.1, prefixLength: 24, vlan: 7}}
- apiVersion: crd.antrea.io/v1beta1
  kind: Egress
  metadata: {name: web}
  spec: {externalIPPool: ext, egressIP: 10.10.0.8, bandwidth: {rate: 800M, burst: 2Gi}, appliedTo: {podSelector: {matchLabels: {a: b}}}}
- apiVersion: crd.antrea.io/v1beta1
  kind: Egress
  metadata: {name: static}
  spec: {egressIPs: [10.20.0.8, "fd01::8"], appliedTo: {namespaceSelector: {}}}
)",
    R"(apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: ext}
spec: {provider: a.b, cidrBlock: "172.17.0.0/24,fd00:17::/64", gateway: "172.17.0.1,fd00:17::1", excludeIps: [172.17.0.2..172.17.0.9]}
---
apiVersion: kubeovn.io/v1
kind: VpcEgressGateway
metadata: {name: gw, namespace: default}
spec:
  {replicas: 2, externalSubnet: ext, bfd: {enabled: true, minRX: 300}, bandwidth: {egress: 100, ingress: 1.5G}, trafficPolicy: Local,
   nodeSelector: [{matchFields: [{key: metadata.name, operator: In, values: [n1]}]}],
   selectors: [{podSelector: {matchLabels: {a: b}}}], policies: [{snat: false, ipBlocks: [10.1.0.0/16]}]}
)",
    R"(apiVersion: cilium.io/v2
kind: CiliumEgressGatewayPolicy
metadata: {name: web}
spec:
  {destinationCIDRs: [0.0.0.0/0], excludedCIDRs: [10.0.0.0/8],
   selectors: [{podSelector: {matchLabels: {io.kubernetes.pod.namespace: a}}, nodeSelector: {matchLabels: {c: d}}}],
   egressGateways: [{nodeSelector: {matchLabels: {n: a}}, egressIP: 10.0.0.1}, {nodeSelector: {matchLabels: {n: b}}, interface: eth1}]}
)"};

// Each edit: where (two bytes), how much goes, how much comes, and that.
std::string Edited(std::string text, std::span<const std::uint8_t> edits) {
  while (edits.size() >= 4) {
    const std::size_t at = (edits[0] | static_cast<std::size_t>(edits[1]) << 8U) % (text.size() + 1);
    const std::size_t more = std::min<std::size_t>(edits[3], edits.size() - 4);
    text.replace(at, edits[2], reinterpret_cast<const char*>(edits.data()) + 4, more);
    edits = edits.subspan(4 + more);
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> rest(bytes + 1, size - 1);
  const std::size_t index = bytes[0] % kManifests.size();
  const std::string text = index == 0 ? std::string(rest.begin(), rest.end()) : Edited(std::string(kManifests[index]), rest);
  const auto conversion = egressd::convert::Convert({{.name = "k.yaml", .text = text}});
  for (const egressd::policy::Finding& finding : conversion.findings) {
    EGRESSD_ASSERT(!finding.code.empty() && !finding.message.empty() && finding.file == "k.yaml");
    EGRESSD_ASSERT(!egressd::yaml::Render(finding, text, false).empty());
  }
  if (!conversion.ok()) return 0;
  const auto read = egressd::yaml::ParsePolicy(egressd::convert::Write(conversion), "policy.yaml");
  EGRESSD_ASSERT(read.ok());
  EGRESSD_ASSERT(read.value == conversion.set);
  return 0;
}
