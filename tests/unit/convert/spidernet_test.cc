#include "expect.h"

namespace egressd::convert {
namespace {

std::string Gateway(const std::string& spec, const std::string& name = "eg1") {
  return "---\napiVersion: egressgateway.spidernet.io/v1beta1\nkind: EgressGateway\nmetadata: {name: " + name +
         "}\nspec:\n  nodeSelector: {selector: {matchLabels: {egress: \"true\"}}}\n" + spec;
}
std::string Policy(const std::string& spec, const std::string& metadata = "name: web, namespace: shop",
                   const std::string& kind = "EgressPolicy") {
  return "---\napiVersion: egressgateway.spidernet.io/v1beta1\nkind: " + kind + "\nmetadata: {" + metadata + "}\nspec:\n" + spec;
}
const std::string kPods = "  appliedTo: {podSelector: {matchLabels: {app: web}}}\n";
const std::string kPool = Gateway("  ippools: {ipv4: [10.6.1.55, 10.6.1.60-10.6.1.65]}\n");

TEST_CASE("a gateway is nodes and a pool; a policy of a namespace selects there") {
  const Conversion c = Good(kPool + Policy(kPods + "  egressGatewayName: eg1\n"));
  CHECK(Written(c, "eg1", "ipv4") == "[10.6.1.55, 10.6.1.60-10.6.1.65]");
  CHECK(c.set.gateways.at("eg1").nodes.labels.front().key == "egress");
  CHECK(Written(c, "shop-web", "namespace") == "shop");
  CHECK(Written(c, "shop-web", "from") == "{labels: {app: web}}");
  CHECK(Written(c, "shop-web", "gateway") == "eg1");
  CHECK(Written(c, "shop-web", "to") == "");  // external
  CHECK(c.comments.at("policies.shop-web") == "from: EgressPolicy shop/web (k.yaml:9)");
}

TEST_CASE("a policy without a namespace is in default") {
  CHECK(Written(Good(kPool + Policy(kPods + "  egressGatewayName: eg1\n", "name: web")), "default-web", "namespace") == "default");
}

TEST_CASE("nodeSelector.policy, which nothing reads there, is dropped; a field nobody knows is, too") {
  const Conversion c = Good(
      "apiVersion: egressgateway.spidernet.io/v1beta1\nkind: EgressGateway\nmetadata: {name: e}\nspec:\n"
      "  nodeSelector: {policy: doing, selector: {matchLabels: {a: b}}, zone: x}\n  ippools: {ipv4: [10.0.0.1], ipv4Weight: 3}\n");
  CHECK(Told(c, "spec.nodeSelector.policy") == "dropped");
  CHECK(Told(c, "spec.nodeSelector.zone") == "dropped");
  CHECK(Told(c, "spec.ippools.ipv4Weight") == "dropped");
  CHECK(Told(c, "spec.nodeSelector.selector") == "exact -> gateways.e.nodes");
}

TEST_CASE("addresses of a network are all of it, whatever host bits are set, and overlapping ranges are written once") {
  const Conversion c = Good(Gateway("  ippools: {ipv4: [10.6.1.55, 10.6.1.60-10.6.1.65, 10.6.1.70/28, \"\"]}\n"));
  CHECK(Written(c, "eg1", "ipv4") == "[10.6.1.55, 10.6.1.60-10.6.1.65, 10.6.1.66-10.6.1.79]");
}

TEST_CASE("both families are pairs, the other address of an explicit one comes along") {
  const std::string gateway = Gateway("  ippools: {ipv4: [10.0.0.1-10.0.0.3], ipv6: [\"fd00::1\", \"fd00::7-fd00::8\"]}\n");
  const Conversion c = Good(gateway + Policy(kPods + "  egressGatewayName: eg1\n  egressIP: {ipv4: 10.0.0.2, ipv6: \"\"}\n") +
                            Policy(kPods + "  egressGatewayName: eg1\n  egressIP: {ipv6: \"fd00::8\"}\n", "name: six"));
  CHECK(c.set.pools.at("eg1").pair);
  CHECK(Written(c, "shop-web", "egress_ip") == "{ipv4: 10.0.0.2, ipv6: \"fd00::7\"}");
  CHECK(Written(c, "default-six", "egress_ip") == "{ipv4: 10.0.0.3, ipv6: \"fd00::8\"}");
}

TEST_CASE("defaults that stand at different places of the two lists are no pair here") {
  const Conversion c =
      Good(Gateway("  ippools: {ipv4: [10.0.0.1, 10.0.0.2], ipv6: [\"fd00::1\", \"fd00::2\"], ipv4DefaultEIP: 10.0.0.1, ipv6DefaultEIP: "
                   "\"fd00::2\"}\n"));
  CHECK(!c.set.pools.at("eg1").pair);
  CHECK(Told(c, "spec.ippools") == "approximated -> pools.eg1.pair");
  CHECK(Written(c, "eg1", "ipv4") != "");
  CHECK(c.set.gateways.at("eg1").default_ipv6->ToString() == "fd00::2");
}

TEST_CASE("without a default address theirs draws one, ours takes the first") {
  CHECK(Told(Good(kPool), "spec.ippools.ipv4DefaultEIP") == "approximated -> gateways.eg1.default_ip");
  CHECK(Told(Good(Gateway("  ippools: {ipv4: [10.0.0.1], ipv4DefaultEIP: 10.0.0.1}\n")), "spec.ippools.ipv4DefaultEIP") ==
        "exact -> gateways.eg1.default_ip");
}

TEST_CASE("allocation: default, rr, the node's own address, an address") {
  const auto choice = [](const std::string& egress_ip) {
    return Written(Good(kPool + Policy(kPods + "  egressGatewayName: eg1\n" + egress_ip)), "shop-web", "egress_ip");
  };
  CHECK(choice("") == "default");
  CHECK(choice("  egressIP: {allocatorPolicy: default, useNodeIP: false}\n") == "default");
  CHECK(choice("  egressIP: {allocatorPolicy: rr}\n") == "");  // auto
  CHECK(choice("  egressIP: {useNodeIP: true}\n") == "node");
  CHECK(choice("  egressIP: {ipv4: 10.6.1.60}\n") == "10.6.1.60");
}

TEST_CASE("their rules hold: useNodeIP excludes addresses, addresses are in the pool, a pool is needed") {
  const auto findings = [](const std::string& gateway, const std::string& egress_ip) {
    return Findings(Read(gateway + Policy(kPods + "  egressGatewayName: eg1\n" + egress_ip)));
  };
  CHECK(findings(kPool, "  egressIP: {useNodeIP: true, ipv4: 10.6.1.60}\n") == "15:25 E407");
  CHECK(findings(kPool, "  egressIP: {ipv4: 10.9.9.9}\n") == "9:1 E409");
  CHECK(findings(Gateway(""), "") == "8:1 E407");
  CHECK(findings(Gateway(""), "  egressIP: {useNodeIP: true}\n") == "");
  CHECK(findings(kPool, "  egressIP: {ipv4: 10.6.1}\n") == "15:20 E406");
}

TEST_CASE("priority: 1000 for policies, 32768 for cluster policies, and what is written counts although nothing reads it there") {
  const auto priority = [](const std::string& kind, const std::string& line) {
    const Conversion c = Good(kPool + Policy(kPods + "  egressGatewayName: eg1\n" + line, "name: web", kind));
    return std::to_string(c.set.policies.begin()->second.priority) + " " + Told(c, "spec.priority");
  };
  CHECK(priority("EgressPolicy", "") == "1000 ");
  CHECK(priority("EgressClusterPolicy", "") == "32768 ");
  CHECK(priority("EgressPolicy", "  priority: 100\n") == "100 approximated -> policies.default-web.priority");
  CHECK(priority("EgressPolicy", "  priority: 70000\n") == "65535 approximated -> policies.default-web.priority");
  CHECK(priority("EgressPolicy", "  priority: 18446744073709551615\n") == "65535 approximated -> policies.default-web.priority");
}

TEST_CASE("podSubnet is read by nothing there: beside labels it is dropped, alone it selects here") {
  const std::string subnet = "podSubnet: [172.29.16.1/24]";
  const Conversion both =
      Good(kPool + Policy("  egressGatewayName: eg1\n  appliedTo: {podSelector: {matchLabels: {a: b}}, " + subnet + "}\n"));
  CHECK(Told(both, "spec.appliedTo.podSubnet") == "dropped");
  CHECK(Written(both, "shop-web", "from") == "{labels: {a: b}}");
  const Conversion alone = Good(kPool + Policy("  egressGatewayName: eg1\n  appliedTo: {" + subnet + "}\n"));
  CHECK(Told(alone, "spec.appliedTo.podSubnet") == "approximated -> policies.shop-web.from");
  CHECK(Written(alone, "shop-web", "from") == "{cidr: [172.29.16.0/24], all: true}");
  CHECK(Findings(Read(kPool + Policy("  egressGatewayName: eg1\n  appliedTo: {podSelector: {}}\n"))) == "9:1 E405");
}

TEST_CASE("a cluster policy selects namespaces by their labels, or all of them") {
  const std::string tail =
      "  egressGatewayName: eg1\n  appliedTo: {podSelector: {matchLabels: {app: web}}, namespaceSelector: {matchLabels: {env: prod}}}\n";
  const std::string policy = Policy(tail, "name: web", "EgressClusterPolicy");
  const Conversion unknown = Good(kPool + policy);
  CHECK(Written(unknown, "web", "from") == "{labels: {app: web}, namespace_labels: {env: prod}}");
  CHECK(Told(unknown, "spec.appliedTo.namespaceSelector") == "approximated -> policies.web.from");
  const Conversion known = Good(kPool + policy + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {env: prod}}\n");
  CHECK(Told(known, "spec.appliedTo.namespaceSelector") == "exact -> policies.web.from");
  CHECK(known.set.namespaces.at("shop").labels.at("env") == "prod");
  const Conversion all = Good(kPool + Policy(kPods + "  egressGatewayName: eg1\n", "name: web", "EgressClusterPolicy"));
  CHECK(Written(all, "web", "namespace") == "");
}

TEST_CASE("destinations are networks, host bits cleared; without them everything external") {
  const Conversion c =
      Good(kPool + Policy(kPods + "  egressGatewayName: eg1\n  destSubnet: [10.6.1.92/32, 10.1.2.3/16, \"fd00::92/128\"]\n"));
  CHECK(Written(c, "shop-web", "to") == "[10.6.1.92/32, 10.1.0.0/16, \"fd00::92/128\"]");
}

TEST_CASE("the default gateway: of the namespace, else of the cluster, else an error") {
  const std::string fallback = Gateway("  clusterDefault: true\n  ippools: {ipv4: [10.0.0.1]}\n", "fallback");
  const std::string shop =
      "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {spidernet.io/egressgateway-default: eg1}}\n";
  const auto gateway_of = [](const Conversion& c, const std::string& name) {
    return policy::GatewayOf(c.set, c.set.policies.at(name))->name;
  };
  const Conversion c = Good(kPool + fallback + shop + Policy(kPods) + Policy(kPods, "name: web, namespace: other"));
  CHECK(gateway_of(c, "shop-web") == "eg1");
  CHECK(gateway_of(c, "other-web") == "fallback");
  CHECK(Findings(Read(kPool + Policy(kPods))) == "9:1 E404");
  CHECK(Findings(Read(kPool + Policy(kPods + "  egressGatewayName: eg2\n"))) == "14:22 E404");
  CHECK(Findings(Read(fallback + Gateway("  clusterDefault: true\n  ippools: {ipv4: [10.0.0.2]}\n"))) == "2:1 E409");
}

TEST_CASE("what a cluster calls internal is internal here") {
  const Conversion c =
      Good(kPool +
           "---\napiVersion: egressgateway.spidernet.io/v1beta1\nkind: EgressClusterInfo\nmetadata: {name: default}\nspec:\n"
           "  autoDetect: {clusterIP: true, nodeIP: true, podCidrMode: auto}\n  extraCidr: [10.10.10.1]\n"
           "status:\n  clusterIP: {ipv4: [172.41.0.0/16], ipv6: [\"fd41::/108\"]}\n"
           "  nodeIP: {n1: {ipv4: [172.18.0.3]}}\n  podCIDR: {pool: {ipv4: [172.40.0.0/16]}}\n");
  CHECK(Write(c).contains("\ninternal: [10.10.10.1/32, 172.40.0.0/16, 172.41.0.0/16, \"fd41::/108\"]\n"));
}

}  // namespace
}  // namespace egressd::convert
