#include "egressd/policy/selection.h"
#include "expect.h"

namespace egressd::convert {
namespace {

std::string Gateway(const std::string& spec, const std::string& name = "gw1") {
  return "---\napiVersion: kubeovn.io/v1\nkind: VpcEgressGateway\nmetadata: {name: " + name +
         ", namespace: default}\nspec:\n  externalSubnet: ext\n" + spec;
}
std::string Subnet(const std::string& name, const std::string& spec) {
  return "---\napiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n";
}
const std::string kExternal =
    Subnet("ext", "provider: eth1.default, cidrBlock: 172.17.0.0/24, gateway: 172.17.0.1, excludeIps: [172.17.0.0..172.17.0.10]");
const std::string kBlocks = "  policies: [{snat: true, ipBlocks: [192.168.0.0/24]}]\n";
const std::string kIps = "  externalIPs: [172.17.0.50]\n";

const policy::Policy& PolicyOf(const Conversion& c, const std::string& name = "default-gw1") { return c.set.policies.at(name); }

TEST_CASE("an egress gateway is a gateway, a pool of as many addresses as it has replicas, and a policy") {
  const Conversion c = Good(kExternal + Gateway("  replicas: 2\n" + kBlocks));
  CHECK(Written(c, "default-gw1", "ipv4") == "[172.17.0.11, 172.17.0.12]");
  CHECK(Written(c, "default-gw1", "subnet") == "{gateway: 172.17.0.1, prefix: 24}");
  CHECK(policy::ReplicasOf(PolicyOf(c)) == 2);
  CHECK(PolicyOf(c).from.front().cidrs.front().ToString() == "192.168.0.0/24");
  CHECK(PolicyOf(c).action == policy::Action::kSnat);
  CHECK(PolicyOf(c).to == policy::Reach::kExternal);
  CHECK(Told(c, "spec.externalSubnet") == "approximated -> pools.default-gw1.subnet");
}

TEST_CASE("networks of policies are those of sources, and without snat they keep their addresses") {
  const Conversion c =
      Good(kExternal + Gateway("  policies: [{ipBlocks: [192.168.0.0/24]}, {snat: false, ipBlocks: [192.168.9.1]}]\n" + kIps));
  CHECK(PolicyOf(c).action == policy::Action::kRoute);
  REQUIRE(PolicyOf(c).from.size() == 2);
  CHECK(PolicyOf(c).from[1].cidrs.front().ToString() == "192.168.9.1/32");
  CHECK(PolicyOf(c).destinations.empty());
}

TEST_CASE("selectors always translate; with networks that do not there are two policies with the same addresses") {
  const Conversion c = Good(kExternal + Gateway("  replicas: 2\n  selectors: [{podSelector: {matchLabels: {app: web}}}]\n"
                                                "  policies: [{snat: true, ipBlocks: [10.1.0.0/16]}, {ipBlocks: [10.2.0.0/16]}]\n"));
  CHECK(PolicyOf(c).from.size() == 2);
  CHECK(PolicyOf(c).action == policy::Action::kSnat);
  CHECK(PolicyOf(c, "default-gw1-route").action == policy::Action::kRoute);
  CHECK(PolicyOf(c).egress_ip.addresses.size() == 2);
  // Answers come back to one of them.
  REQUIRE(PolicyOf(c, "default-gw1-route").egress_ip.addresses.size() == 1);
  CHECK(PolicyOf(c, "default-gw1-route").egress_ip.addresses.front() == PolicyOf(c).egress_ip.addresses.front());
  CHECK(Told(c, "spec.replicas") == "approximated -> policies.default-gw1.egress_ip");
  CHECK(PolicyOf(c, "default-gw1-route").priority > PolicyOf(c).priority);
}

TEST_CASE("addresses: those that it names, those that it has, those of its pool; never the same for two gateways") {
  const Conversion named = Good(kExternal + Gateway("  replicas: 1\n" + kBlocks + "  externalIPs: [172.17.0.50, 172.17.0.51]\n"));
  CHECK(PolicyOf(named).egress_ip.addresses.size() == 2);
  CHECK(PolicyOf(named).replicas == 1);
  const Conversion has = Good(kExternal + Gateway(kBlocks + "status: {externalIPs: [172.17.0.77]}\n"));
  CHECK(Written(has, "default-gw1", "ipv4") == "[172.17.0.77]");
  const std::string pool =
      "---\napiVersion: kubeovn.io/v1\nkind: IPPool\nmetadata: {name: p}\nspec: {subnet: ext, ips: [172.17.0.60..172.17.0.69]}\n";
  const Conversion c = Good(kExternal + pool + Gateway(kBlocks + "  externalIPPool: p\n") + Gateway("  replicas: 2\n" + kBlocks, "gw2") +
                            Gateway(kBlocks, "gw3") + Gateway(kBlocks + "  externalIPs: [172.17.0.12]\n", "gw4"));
  CHECK(Written(c, "default-gw1", "ipv4") == "[172.17.0.60]");
  CHECK(Written(c, "default-gw2", "ipv4") == "[172.17.0.11, 172.17.0.13]");
  CHECK(Written(c, "default-gw3", "ipv4") == "[172.17.0.14]");
}

TEST_CASE("both families are pairs of one replica") {
  const std::string dual = Subnet("ext", "cidrBlock: \"172.17.0.0/24,fd00:17::/64\", gateway: \"172.17.0.1,fd00:17::1\", provider: x.y");
  const Conversion c = Good(dual + Gateway("  replicas: 2\n" + kBlocks));
  CHECK(Written(c, "default-gw1", "subnet") == "{gateway: {ipv4: 172.17.0.1, ipv6: \"fd00:17::1\"}, prefix: {ipv4: 24, ipv6: 64}}");
  CHECK(PolicyOf(c).egress_ip.addresses.front().ipv6->ToString() == "fd00:17::2");
  const Conversion named = Good(dual + Gateway(kBlocks + "  externalIPs: [\"172.17.0.9,fd00:17::9\"]\n"));
  CHECK(PolicyOf(named).egress_ip.addresses.front().ipv6->ToString() == "fd00:17::9");
  const Conversion one = Good(dual + Gateway(kBlocks + "  externalIPs: [172.17.0.9]\n"));
  CHECK(Written(one, "default-gw1", "subnet") == "{gateway: 172.17.0.1, prefix: 24}");
}

TEST_CASE("a subnet of several gateways is told once, one that nobody names not at all") {
  const Conversion c = Good(kExternal + Subnet("s9", "vpc: other, cidrBlock: 10.9.0.0/16") + Gateway(kBlocks) + Gateway(kBlocks, "gw2"));
  REQUIRE(c.objects.size() == 3);
  CHECK(c.objects.front().kind == "Subnet");
  CHECK(c.objects.front().fields.size() == 3);
}

TEST_CASE("a VLAN is that of the subnet's Vlan") {
  const Conversion c = Good(Subnet("ext", "cidrBlock: 172.17.0.0/24, gateway: 172.17.0.1, vlan: v7") +
                            "---\napiVersion: kubeovn.io/v1\nkind: Vlan\nmetadata: {name: v7}\nspec: {id: 7}\n" + Gateway(kBlocks));
  CHECK(c.set.pools.at("default-gw1").subnet->vlan == 7);
}

TEST_CASE("what a gateway names must be among the files") {
  CHECK(Findings(Read(Gateway(kBlocks))) == "6:19 E404");
  CHECK(Findings(Read(Gateway("  policies: [{subnets: [s1]}]\n" + kIps))) == "7:25 E404");
  CHECK(Findings(Read(kExternal + Gateway(kBlocks + "  externalIPPool: p\n"))) == "13:19 E404");
  const Conversion c = Good(Gateway(kBlocks + kIps));
  CHECK(Told(c, "spec.externalSubnet") == "approximated -> pools.default-gw1");
  CHECK(!c.set.pools.at("default-gw1").subnet);
}

TEST_CASE("subnets of the same virtual router never leave: they are internal") {
  const Conversion c =
      Good(kExternal + Subnet("s1", "vpc: vpc1, cidrBlock: 192.168.0.0/24") + Subnet("s2", "vpc: vpc1, cidrBlock: 192.168.1.0/24") +
           Subnet("other", "vpc: vpc2, cidrBlock: 192.168.2.0/24") + Gateway("  vpc: vpc1\n  policies: [{snat: true, subnets: [s1]}]\n"));
  CHECK(Write(c).contains("\ninternal: [192.168.0.0/24, 192.168.1.0/24]\n"));
  CHECK(PolicyOf(c).from.front().cidrs.front().ToString() == "192.168.0.0/24");
  CHECK(Told(c, "spec.vpc") == "dropped");
}

TEST_CASE("integers are Mbit/s, with quotes or without; quantities are bit/s") {
  const auto bits = [](const std::string& rate) {
    return PolicyOf(Good(kExternal + Gateway(kBlocks + "  bandwidth: {egress: " + rate + "}\n"))).bandwidth.egress_bits;
  };
  CHECK(bits("100") == 100'000'000);
  CHECK(bits("\"100\"") == 100'000'000);
  CHECK(bits("100M") == 100'000'000);
  CHECK(bits("1.5G") == 1'500'000'000);
  CHECK(bits("1Gi") == 1'073'741'824);
  CHECK(bits("9223372036854") == 100'000'000'000);  // what the kernel can count
  CHECK(bits("0") == 0);
}

TEST_CASE("BFD timers are milliseconds, within what is possible here") {
  const auto bfd = [](const std::string& timers) {
    const Conversion c = Good(kExternal + Gateway(kBlocks + "  bfd: " + timers + "\n"));
    const auto found = c.set.gateways.at("default-gw1").bfd;
    if (!found) return std::string("none ") + Told(c, "spec.bfd").substr(0, 5);
    return std::format("{} {} {} {}", found->min_rx.count(), found->min_tx.count(), found->multiplier, Told(c, "spec.bfd").substr(0, 5));
  };
  CHECK(bfd("{enabled: true}") == "1000000 1000000 3 exact");
  CHECK(bfd("{enabled: true, minRX: 300, minTX: 500, multiplier: 5}") == "300000 500000 5 exact");
  CHECK(bfd("{enabled: true, minRX: 1, minTX: 3600000, multiplier: 1000}") == "10000 10000000 255 appro");
  CHECK(bfd("{enabled: false, minRX: 300}") == "none exact");
}

TEST_CASE("trafficPolicy Local counts with BFD and several replicas, as it does there") {
  const auto prefer = [](const std::string& more) {
    return PolicyOf(Good(kExternal + Gateway(kBlocks + "  trafficPolicy: Local\n" + more))).prefer;
  };
  CHECK(prefer("  replicas: 2\n  bfd: {enabled: true}\n") == policy::Prefer::kLocal);
  CHECK(prefer("  replicas: 2\n") == policy::Prefer::kAny);
  CHECK(prefer("  bfd: {enabled: true}\n") == policy::Prefer::kAny);
}

TEST_CASE("nodes: an entry that fits is enough, names or labels") {
  const auto nodes = [](const std::string& list) {
    const Conversion c = Good(kExternal + Gateway(kBlocks + "  nodeSelector: " + list + "\n"));
    const policy::NodeSelector& selector = c.set.gateways.at("default-gw1").nodes;
    std::string text;
    for (const std::string& name : selector.names) text += name + " ";
    for (const policy::Requirement& requirement : selector.labels) text += policy::ToString(requirement) + " ";
    return text;
  };
  CHECK(nodes("[{matchLabels: {a: b}}]") == "a=b ");
  CHECK(nodes("[{matchFields: [{key: metadata.name, operator: In, values: [n1]}]}, {matchFields: [{key: metadata.name, operator: In, "
              "values: [n2]}]}]") == "n1 n2 ");
  CHECK(nodes("[{matchLabels: {zone: a}}, {matchExpressions: [{key: zone, operator: In, values: [b, c]}]}]") == "zone in (a,b,c) ");
  CHECK(nodes("[]") == "!egressd.gateway.never ");
  CHECK(Findings(Read(kExternal + Gateway(kBlocks + "  nodeSelector: [{matchLabels: {a: b}}, {matchLabels: {c: d}}]\n"))) == "13:3 E408");
  CHECK(Findings(
            Read(kExternal + Gateway(kBlocks + "  nodeSelector: [{matchExpressions: [{key: cpus, operator: Gt, values: [\"4\"]}]}]\n"))) ==
        "13:60 E408");
}

TEST_CASE("without replicas the policies are disabled; there are at most ten") {
  CHECK(!PolicyOf(Good(kExternal + Gateway("  replicas: 0\n" + kBlocks))).enabled);
  CHECK(Findings(Read(kExternal + Gateway("  replicas: 11\n" + kBlocks))) == "12:13 E406");
}

TEST_CASE("BGP is announced by FRR, EVPN not at all; what is of pods is dropped") {
  const Conversion c =
      Good(kExternal + Gateway("  bgpConf: b\n  evpnConf: e\n  vpc: ovn-cluster\n  prefix: veg-\n  image: x\n  internalIPs: [10.16.0.13]\n"
                               "  tolerations: [{key: a}]\n  observability: {conntrack: {log: {enabled: true}}}\n" +
                               kBlocks + kIps));
  CHECK(c.set.gateways.at("default-gw1").announce == policy::Announce::kBgp);
  CHECK(Told(c, "spec.evpnConf") == "dropped");
  CHECK(Told(c, "spec.vpc") == "exact");
  for (const char* path : {"spec.prefix", "spec.image", "spec.internalIPs", "spec.tolerations", "spec.observability"})
    CHECK(Told(c, path) == "dropped");
}

TEST_CASE("other kinds of NAT are told, not converted") {
  const Conversion c = Good(kExternal + Gateway(kBlocks + kIps) +
                            "---\napiVersion: kubeovn.io/v1\nkind: IptablesSnatRule\nmetadata: {name: s}\nspec: {eip: e}\n");
  CHECK(c.objects.back().kind == "IptablesSnatRule");
  CHECK(c.objects.back().Count(Outcome::kDropped) == 1);
}

}  // namespace
}  // namespace egressd::convert
