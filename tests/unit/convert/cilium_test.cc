#include "expect.h"

namespace egressd::convert {
namespace {

std::string Policy(const std::string& spec, const std::string& name = "web") {
  return "---\napiVersion: cilium.io/v2\nkind: CiliumEgressGatewayPolicy\nmetadata: {name: " + name + "}\nspec:\n" + spec;
}
const std::string kPods = "  selectors: [{podSelector: {matchLabels: {org: empire}}}]\n";
const std::string kTo = "  destinationCIDRs: [192.168.60.13/32]\n";
const std::string kNodes = "nodeSelector: {matchLabels: {egress-node: \"true\"}}";
const std::string kGateway = "  egressGateway: {" + kNodes + ", egressIP: 192.168.60.100}\n";

TEST_CASE("a policy is a policy, a gateway and a pool") {
  const Conversion c = Good(Policy(kPods + kTo + kGateway));
  CHECK(Written(c, "web", "ipv4") == "[192.168.60.100]");
  CHECK(c.set.gateways.at("web").nodes.labels.front().values.front() == "true");
  CHECK(Written(c, "web", "from") == "");  // of the pool, which stands first
  CHECK(c.set.policies.at("web").from.front().labels.front().key == "org");
  CHECK(c.set.policies.at("web").destinations.size() == 1);
  CHECK(c.set.policies.at("web").on_no_gateway == policy::OnNoGateway::kDrop);
  CHECK(Told(c, "spec.egressGateway.egressIP") == "exact -> policies.web.egress_ip");
}

TEST_CASE("an empty podSelector is every pod") {
  const Conversion c = Good(Policy("  selectors: [{podSelector: {}}]\n" + kTo + kGateway));
  CHECK(c.set.policies.at("web").from.front().all);
}

TEST_CASE("labels of pods that speak of their namespace do so here, and the source of a label is left out") {
  const Conversion c =
      Good(Policy("  selectors: [{podSelector: {matchLabels: {io.kubernetes.pod.namespace: shop, \"k8s:app\": web, "
                  "io.cilium.k8s.namespace.labels.env: prod}}}]\n" +
                  kTo + kGateway));
  const policy::Selector& selector = c.set.policies.at("web").from.front();
  CHECK(selector.namespace_ == "shop");
  CHECK(selector.namespace_labels.front().key == "env");
  REQUIRE(selector.labels.size() == 1);
  CHECK(selector.labels.front().key == "app");
}

TEST_CASE("labels that only the machinery gives are kept, and told") {
  const Conversion c =
      Good(Policy("  selectors: [{podSelector: {matchLabels: {io.cilium.k8s.policy.serviceaccount: sa}}}]\n" + kTo + kGateway));
  CHECK(Told(c, "spec.selectors[0].podSelector") == "approximated -> policies.web.from");
  CHECK(c.set.policies.at("web").from.front().labels.size() == 1);
  const Conversion hash =
      Good(Policy("  selectors: [{podSelector: {matchExpressions: [{key: pod-template-hash, operator: Exists}]}}]\n" + kTo + kGateway));
  CHECK(Told(hash, "spec.selectors[0].podSelector") == "approximated -> policies.web.from");
}

TEST_CASE("several selectors are one list; nodeSelector says on which nodes") {
  const Conversion c = Good(Policy(
      "  selectors: [{podSelector: {matchLabels: {a: b}}, nodeSelector: {matchLabels: {node: n1}}}, {podSelector: {}, namespaceSelector: "
      "{matchLabels: {ns: default}}}]\n" +
      kTo + kGateway));
  const auto& from = c.set.policies.at("web").from;
  REQUIRE(from.size() == 2);
  CHECK(from[0].node_labels.front().key == "node");
  CHECK(from[1].namespace_labels.front().key == "ns");
  CHECK(!from[1].all);
}

TEST_CASE("default routes leave out what is inside of the cluster: they are `external`") {
  const auto to = [](const std::string& cidrs) {
    const Conversion c = Good(Policy(kPods + "  destinationCIDRs: " + cidrs + "\n" + kGateway));
    const policy::Policy& policy = c.set.policies.at("web");
    std::string text = policy.to == policy::Reach::kExternal ? "external" : "listed";
    for (const policy::Destination& destination : policy.except) text += " except " + std::get<Prefix>(destination).ToString();
    return text + " " + Told(c, "spec.destinationCIDRs").substr(0, 5);
  };
  CHECK(to("[0.0.0.0/0, \"::/0\"]") == "external exact");
  CHECK(to("[0.0.0.0/0]") == "external except ::/0 exact");
  CHECK(to("[\"::/0\", \"2001:db8::/32\"]") == "external except 0.0.0.0/0 exact");
  CHECK(to("[0.0.0.0/0, \"2001:db8::/32\"]") == "listed appro");
  CHECK(to("[192.0.2.0/24]") == "listed exact");
}

TEST_CASE("what is excluded is excepted") {
  const Conversion c = Good(Policy(kPods + "  destinationCIDRs: [10.0.0.0/8]\n  excludedCIDRs: [10.1.0.0/16]\n" + kGateway));
  CHECK(std::get<Prefix>(c.set.policies.at("web").except.front()).ToString() == "10.1.0.0/16");
}

TEST_CASE("without an address it is the node's, of the device that is named") {
  const Conversion plain = Good(Policy(kPods + kTo + "  egressGateway: {" + kNodes + "}\n"));
  CHECK(plain.set.policies.at("web").egress_ip.kind == policy::EgressIpChoice::Kind::kNode);
  CHECK(Told(plain, "spec.egressGateway.egressIP") == "approximated -> policies.web.egress_ip");
  const Conversion device = Good(Policy(kPods + kTo + "  egressGateway: {" + kNodes + ", interface: eth1}\n"));
  CHECK(device.set.gateways.at("web").interface == "eth1");
  CHECK(device.set.pools.empty());
  CHECK(Findings(Read(Policy(kPods + kTo + "  egressGateway: {" + kNodes + ", interface: eth1, egressIP: 10.0.0.1}\n"))) == "8:82 E407");
}

TEST_CASE("the same nodes are one gateway; another device is another one") {
  const Conversion c =
      Good(Policy(kPods + kTo + kGateway) + Policy(kPods + kTo + "  egressGateway: {" + kNodes + ", egressIP: 192.168.60.101}\n", "two") +
           Policy(kPods + kTo + "  egressGateway: {" + kNodes + ", interface: eth1}\n", "three"));
  CHECK(c.set.gateways.size() == 2);
  CHECK(c.set.policies.at("two").gateway == "web");
  CHECK(c.set.pools.at("web").ipv4.size() == 2);
  CHECK(c.objects[1].fields.back().becomes.find('*') == std::string::npos);
}

TEST_CASE("one address with two sets of nodes: the first gateway has it, and that is told") {
  const Conversion c =
      Good(Policy(kPods + kTo + kGateway) +
           Policy(kPods + kTo + "  egressGateway: {nodeSelector: {matchLabels: {zone: b}}, egressIP: 192.168.60.100}\n", "two"));
  CHECK(c.set.policies.at("two").gateway == "web");
  CHECK(c.objects[1].Count(Outcome::kApproximated) == 1);
}

TEST_CASE("several gateways are one, with as many egress IPs at work") {
  const Conversion c = Good(Policy(kPods + kTo +
                                   "  egressGateways:\n  - {nodeSelector: {matchLabels: {n: a}}, egressIP: 10.0.0.1}\n"
                                   "  - {nodeSelector: {matchLabels: {n: b}}, egressIP: 10.0.0.2}\n"));
  const policy::Policy& policy = c.set.policies.at("web");
  CHECK(policy::ReplicasOf(policy) == 2);
  CHECK(policy.spread == policy::Spread::kSource);
  CHECK(c.set.gateways.at("web").nodes.labels.front().values == std::vector<std::string>{"a", "b"});
  CHECK(Told(c, "spec.egressGateways[1].nodeSelector") == "approximated -> gateways.web.nodes");
  const Conversion other = Good(Policy(kPods + kTo +
                                       "  egressGateways:\n  - {nodeSelector: {matchLabels: {n: a}}, egressIP: 10.0.0.1}\n"
                                       "  - {nodeSelector: {matchLabels: {m: b}}, egressIP: 10.0.0.2}\n"));
  CHECK(Told(other, "spec.egressGateways[1].nodeSelector") == "dropped");
}

TEST_CASE("what is needed is asked for") {
  CHECK(Findings(Read(Policy(kTo + kGateway))) == "2:1 E405");
  CHECK(Findings(Read(Policy(kPods + kGateway))) == "2:1 E405");
  CHECK(Findings(Read(Policy(kPods + kTo))) == "2:1 E405");
  CHECK(Findings(Read(Policy(kPods + kTo + "  egressGateway: {egressIP: 10.0.0.1}\n"))) == "8:3 E405");
}

}  // namespace
}  // namespace egressd::convert
