#include <regex>

#include "egressd/policy/selection.h"
#include "expect.h"

namespace egressd::convert {
namespace {

const std::string kPool =
    "apiVersion: crd.antrea.io/v1beta1\nkind: ExternalIPPool\nmetadata: {name: ext}\nspec: {ipRanges: [{cidr: 10.1.0.0/28}]}\n";

std::string Egress(const std::string& metadata, const std::string& selector) {
  return "---\napiVersion: crd.antrea.io/v1beta1\nkind: Egress\nmetadata: " + metadata +
         "\nspec: {externalIPPool: ext, appliedTo: {podSelector: " + selector + "}}\n";
}

TEST_CASE("files are read together, and each object knows its own") {
  const Conversion c =
      Convert({{.name = "a.yaml", .text = Egress("{name: web}", "{matchLabels: {a: b}}")}, {.name = "b.yaml", .text = kPool}});
  CHECK(c.ok());
  CHECK(c.comments.at("policies.web") == "from: Egress web (a.yaml:2)");
  CHECK(c.comments.at("gateways.ext") == "from: ExternalIPPool ext (b.yaml:1)");
  CHECK(Write(c).contains("\n  # from: Egress web (a.yaml:2)\n  web:\n"));
}

TEST_CASE("what is wrong is said with its place, all at once") {
  CHECK(Findings(Read("")) == "1:1 E401");
  CHECK(Findings(Read("---\n---\n")) == "1:1 E401");
  CHECK(Findings(Read("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n")) == "1:1 E401");
  CHECK(Findings(Read("- 1\n- kind: Egress\n")) == "1:3 E402, 2:3 E402");
  CHECK(Findings(Read("version: 1\npolicies: {}\n")) == "1:1 E402");
  CHECK(Findings(Read(kPool + "---\n" + kPool)) == "6:1 E403");
  CHECK(Findings(Read("apiVersion: crd.antrea.io/v1beta1\nkind: Egress\nspec: {}\n")) == "1:1 E405");
  CHECK(Findings(Read("a: [b\n")) == "2:1 E002");
  CHECK(Findings(Read(kPool + "a: 1\na: 2\n")) == "6:1 E009");
}

TEST_CASE("other objects are left alone, status and managed fields as well") {
  const Conversion c = Good("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: []}\n---\n" + kPool +
                            "status: {usage: {total: 14, used: 0}}\n---\napiVersion: egressgateway.spidernet.io/v1beta1\nkind: "
                            "EgressTunnel\nmetadata: {name: n}\n");
  CHECK(c.objects.size() == 1);
  CHECK(c.Count(Outcome::kDropped) == 0);
}

TEST_CASE("expressions of labels; labels come first, so that equal selectors look equal") {
  const auto from = [](const std::string& selector) { return Written(Good(kPool + Egress("{name: web}", selector)), "web", "from"); };
  CHECK(
      from(
          "{matchExpressions: [{key: c, operator: In, values: [x, y]}, {key: d, operator: NotIn, values: [z]}, {key: e, operator: Exists}, "
          "{key: f, operator: DoesNotExist}], matchLabels: {a: b}}") == "{labels: {a: b}, select: \"c in (x,y),d!=z,e,!f\"}");
  CHECK(from("{matchExpressions: [{key: app.kubernetes.io/name, operator: In, values: [web]}]}") ==
        "{labels: {app.kubernetes.io/name: web}}");
  CHECK(from("{matchLabels: {egress-node: true, count: 010}}") == "{labels: {count: \"010\", egress-node: \"true\"}}");
}

TEST_CASE("half of a selector is another selector: it is an error") {
  const auto findings = [](const std::string& selector) { return Findings(Read(kPool + Egress("{name: web}", selector))); };
  CHECK(findings("{matchExpressions: [{key: a, operator: Gt, values: [\"1\"]}]}") == "9:93 E408");
  CHECK(findings("{matchLabels: {a: b}, matchFields: []}") == "9:76 E408");
  CHECK(findings("{matchExpressions: [{key: a, operator: In}]}") == "9:74 E405");
  CHECK(findings("{matchExpressions: [{operator: Exists}]}") == "9:74 E405");
  CHECK(findings("{matchLabels: {\"a b\": c}}") == "9:76 E406");
  CHECK(findings("{matchLabels: {a: [b]}}") == "9:69 E406");
  CHECK(findings("[]") == "9:41 E406");
}

TEST_CASE("names that are taken, or are none here, are changed; two ways to the same name do not meet") {
  const auto policy = [](const std::string& ns, const std::string& name) {
    return "---\napiVersion: egressgateway.spidernet.io/v1beta1\nkind: EgressPolicy\nmetadata: {namespace: " + ns + ", name: " + name +
           "}\nspec: {appliedTo: {podSelector: {matchLabels: {app: " + name + "}}}}\n";
  };
  const std::string gateway =
      "apiVersion: egressgateway.spidernet.io/v1beta1\nkind: EgressGateway\nmetadata: {name: self}\nspec: {clusterDefault: true, ippools: "
      "{ipv4: "
      "[10.0.0.1]}, nodeSelector: {selector: {matchLabels: {a: b}}}}\n";
  const Conversion c = Good(gateway + policy("a-b", "c") + policy("a", "b-c") + policy("x", std::string(80, 'y')));
  CHECK(c.set.policies.contains("a-b-c"));
  CHECK(c.set.policies.contains("a-b-c-2"));
  CHECK(c.set.policies.contains("x-" + std::string(61, 'y')));
  CHECK(c.set.gateways.contains("self-2"));
}

TEST_CASE("labels and annotations describe the policy; what kubectl writes there does not") {
  const Conversion c = Good(kPool + Egress("{name: web, labels: {team: shop}, annotations: "
                                           "{kubectl.kubernetes.io/last-applied-configuration: \"{}\", why: \"a \\\"b\\\"\"}}",
                                           "{}"));
  CHECK(c.set.policies.at("web").description == "team=shop, why=a \"b\"");
}

TEST_CASE("pools of two objects with the same address contradict each other, and that is said of the object") {
  const Conversion c = Read(kPool + "---\n" + std::regex_replace(kPool, std::regex("name: ext"), "name: two"));
  CHECK(Findings(c) == "6:1 E409");
  CHECK(c.findings.front().message.contains("ExternalIPPool two"));
}

TEST_CASE("more policies than addresses is an error here, not when it is applied") {
  const std::string small =
      "apiVersion: crd.antrea.io/v1beta1\nkind: ExternalIPPool\nmetadata: {name: ext}\nspec: {ipRanges: [{start: 10.1.0.1, end: "
      "10.1.0.1}]}\n";
  CHECK(Findings(Read(small + Egress("{name: a}", "{}") + Egress("{name: b}", "{}"))) == "11:1 E409");
}

}  // namespace
}  // namespace egressd::convert
