#include "egressd/policy/selection.h"
#include "expect.h"

namespace egressd::convert {
namespace {

std::string Pool(const std::string& spec, const std::string& name = "ext") {
  return "---\napiVersion: crd.antrea.io/v1beta1\nkind: ExternalIPPool\nmetadata: {name: " + name + "}\nspec:\n" + spec;
}
std::string Egress(const std::string& spec, const std::string& name = "web") {
  return "---\napiVersion: crd.antrea.io/v1beta1\nkind: Egress\nmetadata: {name: " + name + "}\nspec:\n" + spec;
}
const std::string kNodes = "  nodeSelector: {matchLabels: {network-role: egress-gateway}}\n";
const std::string kPool = Pool("  ipRanges: [{start: 10.10.0.2, end: 10.10.0.10}]\n" + kNodes);
const std::string kPods = "  appliedTo: {podSelector: {matchLabels: {role: web}}}\n";
const std::string kFromPool = "  externalIPPool: ext\n";

TEST_CASE("a pool is a pool and a gateway, an Egress a policy") {
  const Conversion c = Good(kPool + Egress(kPods + kFromPool));
  CHECK(Written(c, "ext", "ipv4") == "[10.10.0.2-10.10.0.10]");
  CHECK(c.set.gateways.at("ext").nodes.labels.front().key == "network-role");
  CHECK(Written(c, "web", "gateway") == "ext");
  CHECK(Written(c, "web", "from") == "{labels: {role: web}}");
  CHECK(Written(c, "web", "egress_ip") == "");  // auto
}

TEST_CASE("a network is without its first and last address; the smallest ones are empty") {
  const auto ranges = [](const std::string& cidr, const std::string& key) {
    return Written(Good(Pool("  ipRanges: [{start: 10.9.9.9, end: 10.9.9.9}, {cidr: " + cidr + "}]\n")), "ext", key);
  };
  CHECK(ranges("10.10.1.0/28", "ipv4") == "[10.9.9.9, 10.10.1.1-10.10.1.14]");
  CHECK(ranges("10.10.1.0/31", "ipv4") == "[10.9.9.9]");
  CHECK(ranges("10.10.1.7/32", "ipv4") == "[10.9.9.9]");
  CHECK(ranges("\"2001:db8::/124\"", "ipv6") == "[\"2001:db8::1-2001:db8::f\"]");
  CHECK(ranges("\"2001:db8::1/128\"", "ipv6") == "");
  CHECK(Findings(Read(Pool("  ipRanges: [{cidr: 10.10.1.0/31}]\n"))) == "2:1 E409");
}

TEST_CASE("every node may hold the addresses when no selector is there, or an empty one") {
  for (const char* selector : {"", "  nodeSelector: {}\n"}) {
    const Conversion c = Good(Pool(std::string("  ipRanges: [{cidr: 10.10.1.0/28}]\n") + selector));
    CHECK(policy::Matches(c.set.gateways.at("ext").nodes, "any", {{"what", "ever"}}));
  }
}

TEST_CASE("the router of a subnet is never given away") {
  const std::string subnet = "  subnetInfo: {gateway: 10.10.1.1, prefixLength: 24, vlan: 10}\n";
  const Conversion inside = Good(Pool("  ipRanges: [{cidr: 10.10.1.0/28}]\n" + subnet));
  CHECK(Written(inside, "ext", "exclude") == "[10.10.1.1]");
  CHECK(Written(inside, "ext", "subnet") == "{gateway: 10.10.1.1, prefix: 24, vlan: 10}");
  CHECK(Told(inside, "spec.subnetInfo") == "approximated -> pools.ext.subnet");
  const Conversion outside = Good(Pool("  ipRanges: [{start: 10.10.1.2, end: 10.10.1.9}]\n" + subnet));
  CHECK(Written(outside, "ext", "exclude") == "");
  CHECK(Told(outside, "spec.subnetInfo.vlan") == "exact -> pools.ext.subnet.vlan");
  CHECK(Told(outside, "spec.subnetInfo") == "");
}

TEST_CASE("an empty appliedTo selects nothing, not everything") {
  const Conversion c = Good(kPool + Egress("  appliedTo: {}\n" + kFromPool));
  const policy::Policy& policy = c.set.policies.at("web");
  CHECK(!policy.enabled);
  CHECK(!policy::Matches(policy.from.front().labels, {{"role", "web"}}));
  CHECK(!policy::Matches(policy.from.front().labels, {}));
  CHECK(Told(c, "spec.appliedTo") == "approximated -> policies.web.from");
}

TEST_CASE("what nothing here selects by makes the policy select nothing, not more") {
  for (const char* other :
       {"group: g", "serviceAccount: {name: s}", "service: {name: s}", "externalEntitySelector: {}", "nodeSelector: {}"}) {
    CAPTURE(other);
    const Conversion c =
        Good(kPool + Egress(std::string("  appliedTo: {podSelector: {matchLabels: {a: b}}, ") + other + "}\n" + kFromPool));
    CHECK(!c.set.policies.at("web").enabled);
    CHECK(!policy::Matches(c.set.policies.at("web").from.front().labels, {{"a", "b"}}));
    CHECK(c.Count(Outcome::kDropped) >= 1);
  }
}

TEST_CASE("an empty podSelector is every pod; namespaces are theirs by name or by label") {
  const auto from = [](const std::string& applied) {
    return Written(Good(kPool + Egress("  appliedTo: " + applied + "\n" + kFromPool)), "web", "from");
  };
  CHECK(from("{podSelector: {}}") == "{all: true}");
  CHECK(from("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: prod}}, podSelector: {matchLabels: {app: web}}}") ==
        "{labels: {app: web}, namespace: prod}");
  CHECK(from("{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [a, b]}]}}") ==
        "[{namespace: a}, {namespace: b}]");
  CHECK(from("{namespaceSelector: {matchLabels: {env: prod}}}") == "{namespace_labels: {env: prod}}");
}

TEST_CASE("all namespaces but some: these are listed with their name as a label") {
  const Conversion c =
      Good(kPool + Egress("  appliedTo: {namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: "
                          "NotIn, values: [kube-system]}]}}\n" +
                          kFromPool));
  const policy::Selector& selector = c.set.policies.at("web").from.front();
  CHECK(policy::Matches(selector.namespace_labels, {}));
  CHECK(!policy::Matches(selector.namespace_labels, c.set.namespaces.at("kube-system").labels));
}

TEST_CASE("an address of the pool is that address, one outside of it an error") {
  const Conversion c = Good(kPool + Egress(kPods + kFromPool + "  egressIP: 10.10.0.8\n"));
  CHECK(Written(c, "web", "egress_ip") == "10.10.0.8");
  CHECK(Told(c, "spec.egressIP") == "exact -> policies.web.egress_ip");
  CHECK(Findings(Read(kPool + Egress(kPods + kFromPool + "  egressIP: 10.10.9.8\n"))) == "15:13 E407");
  CHECK(Findings(Read(kPool + Egress(kPods + "  externalIPPool: other\n"))) == "14:19 E404");
  CHECK(Findings(Read(Egress(kPods))) == "2:1 E405");
}

TEST_CASE("an address without a pool is held by a gateway of all nodes, and that is told") {
  const Conversion c = Good(Egress(kPods + "  egressIP: 10.10.0.104\n") + Egress(kPods + "  egressIP: 10.10.0.105\n", "api") +
                            Egress(kPods + "  egressIP: 10.10.0.104\n", "same"));
  CHECK(Written(c, "antrea-static", "ipv4") == "[10.10.0.104, 10.10.0.105]");
  CHECK(Written(c, "same", "egress_ip") == "10.10.0.104");
  CHECK(Told(c, "spec.egressIP") == "approximated -> policies.web.egress_ip");
  CHECK(c.objects.front().fields.back().path == "spec.egressIP");
  CHECK(c.objects.front().fields.back().note.contains("gateway antrea-static"));
}

TEST_CASE("several addresses and pools: those of the first pool") {
  const Conversion c = Good(kPool + Pool("  ipRanges: [{start: 10.20.0.1, end: 10.20.0.9}]\n", "two") +
                            Egress(kPods + "  externalIPPools: [ext, two]\n  egressIPs: [10.10.0.2, 10.20.0.2, 10.10.0.3]\n"));
  CHECK(Written(c, "web", "egress_ip") == "[10.10.0.2, 10.10.0.3]");
  CHECK(Told(c, "spec.externalIPPools[1]") == "dropped");
  CHECK(Told(c, "spec.egressIPs[1]") == "dropped");
}

TEST_CASE("the family that an Egress is not about leaves as before") {
  CHECK(Written(Good(kPool + Egress(kPods + kFromPool)), "web", "except") == "[\"::/0\"]");
  const std::string both = Pool("  ipRanges: [{start: 10.10.0.2, end: 10.10.0.10}, {start: \"fd00::1\", end: \"fd00::9\"}]\n");
  CHECK(Written(Good(both + Egress(kPods + kFromPool)), "web", "except") == "");
  CHECK(Told(Good(both + Egress(kPods + kFromPool)), "spec.egressIP") == "approximated -> policies.web.egress_ip");
  CHECK(Written(Good(both + Egress(kPods + kFromPool + "  egressIP: \"fd00::5\"\n")), "web", "except") == "[0.0.0.0/0]");
}

TEST_CASE("bandwidth is in bits; a burst that the kernel does not know is the rate's") {
  const auto limit = [](const std::string& bandwidth) {
    const Conversion c = Good(kPool + Egress(kPods + kFromPool + "  bandwidth: " + bandwidth + "\n"));
    return Written(c, "web", "bandwidth") + " " + Told(c, "spec.bandwidth").substr(0, 5);
  };
  CHECK(limit("{rate: 800M, burst: 2G}") == "{egress: 800M, burst: 2G} exact");
  CHECK(limit("{rate: 800M, burst: 300k}") == "{egress: 800M} appro");
  CHECK(limit("{rate: 1Mi, burst: 1.5Mi}") == "{egress: 1048576, burst: 1572864} exact");
  CHECK(limit("{rate: 100, burst: 2G}") == "{egress: 8k, burst: 2G} appro");
  CHECK(limit("{rate: 1e9, burst: 1E}") == "{egress: 1G, burst: 34G} appro");
  CHECK(Findings(Read(kPool + Egress(kPods + kFromPool + "  bandwidth: {rate: fast, burst: 1M}\n"))) == "15:21 E406");
}

TEST_CASE("what the agents leave out is internal, how much a node may hold is the gateways'") {
  const Conversion c =
      Good(kPool + Egress(kPods + kFromPool) +
           "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: antrea-config}\ndata:\n  antrea-agent.conf: |\n    egress:\n"
           "      exceptCIDRs: [10.20.0.0/16]\n      maxEgressIPsPerNode: 50\n");
  CHECK(Write(c).contains("\ninternal: [10.20.0.0/16]\n"));
  CHECK(c.set.gateways.at("ext").max_ips_per_node == 50);
  CHECK(Told(c, "data.antrea-agent.conf") == "exact -> internal");
  CHECK(Findings(Read(
            kPool +
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {antrea-agent.conf: \"egress: {exceptCIDRs: [x]}\"}\n")) ==
        "12:27 E406");
  CHECK(Good(kPool + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: b}\n").objects.size() == 1);
}

TEST_CASE("a list, a kind: List and items of one mean the same") {
  const std::string item =
      "apiVersion: crd.antrea.io/v1beta1\nkind: ExternalIPPool\nmetadata: {name: ext}\nspec: {ipRanges: [{cidr: 10.1.0.0/28}]}\n";
  std::string indented = "  - " + item;
  for (std::size_t at = indented.find('\n'); at + 1 < indented.size(); at = indented.find('\n', at + 5)) indented.insert(at + 1, "    ");
  const std::string expected = "[10.1.0.1-10.1.0.14]";
  CHECK(Written(Good(item), "ext", "ipv4") == expected);
  CHECK(Written(Good("apiVersion: v1\nkind: List\nitems:\n" + indented), "ext", "ipv4") == expected);
  CHECK(Written(Good("apiVersion: crd.antrea.io/v1beta1\nkind: ExternalIPPoolList\nitems:\n" + indented), "ext", "ipv4") == expected);
  CHECK(Good("apiVersion: v1\nkind: List\nitems:\n" + indented).objects.front().line == 4);
}

}  // namespace
}  // namespace egressd::convert
