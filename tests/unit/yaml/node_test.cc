#include <doctest/doctest.h>

#include "expect.h"

namespace egressd::yaml {
namespace {

constexpr std::string_view kWhole = R"(version: 1
node:
  name: gw1
  labels: {role: gateway, zone: a}
  address: 192.0.2.10
  interface: eth1
  on_stop: keep
cluster:
  name: prod
  join: [192.0.2.11, "192.0.2.12:7000", "[2001:db8::3]:7947"]
  listen: "192.0.2.10:7948"
  key_file: /etc/egressd/other.key
  profile: wan
  quorum: majority
tunnel: {device: eg0, vni: 200, port: 7790, mtu: 1400, ipv4: 198.18.0.0/16, ipv6: "fd00:1::/64"}
datapath: {rule_priority: 98, tables: 27000-27255, next_hop_mark: 0x00ff0000}
workloads: {directory: /srv/workloads, docker: /run/other/docker.sock, podman: off}
policy_file: /etc/egressd/site.yaml
policy: file
control: {group: egressd}
metrics: {listen: "192.0.2.10:9800"}
)";

TEST_CASE("every key of the node file is read") {
  const auto parsed = ParseNodeConfig(kWhole, "egressd.yaml");
  for (const policy::Finding& finding : parsed.findings) MESSAGE(Render(finding, kWhole, false));
  CHECK(PlacesOf(parsed.findings).empty());
  const policy::NodeConfig& config = parsed.value;
  CHECK(config.node.name == "gw1");
  CHECK(config.node.labels == policy::Labels{{"role", "gateway"}, {"zone", "a"}});
  CHECK(config.node.address == *IpAddress::Parse("192.0.2.10"));
  CHECK(config.node.interface == "eth1");
  CHECK(config.node.on_stop == policy::OnStop::kKeep);
  CHECK(config.cluster.name == "prod");
  CHECK(config.cluster.quorum == policy::Quorum::kMajority);
  CHECK(config.cluster.join == std::vector<Endpoint>{{*IpAddress::Parse("192.0.2.11"), 7947},
                                                     {*IpAddress::Parse("192.0.2.12"), 7000},
                                                     {*IpAddress::Parse("2001:db8::3"), 7947}});
  CHECK(config.cluster.listen_address == *IpAddress::Parse("192.0.2.10"));
  CHECK(config.cluster.listen_port == 7948);
  CHECK(config.cluster.key_file == "/etc/egressd/other.key");
  CHECK(config.cluster.profile == policy::Profile::kWan);
  CHECK(config.tunnel.device == "eg0");
  CHECK(config.tunnel.vni == 200);
  CHECK(config.tunnel.port == 7790);
  CHECK(config.tunnel.mtu_bytes == 1400);
  CHECK(config.tunnel.ipv4 == *Prefix::Parse("198.18.0.0/16"));
  CHECK(config.tunnel.ipv6 == *Prefix::Parse("fd00:1::/64"));
  CHECK(config.datapath.rule_priority == 98);
  CHECK(config.datapath.first_table == 27000);
  CHECK(config.datapath.last_table == 27255);
  CHECK(config.datapath.next_hop_mark == 0x00ff0000);
  CHECK(config.workloads_directory == "/srv/workloads");
  CHECK(config.docker == policy::EngineSocket{.use = policy::EngineSocket::Use::kPath, .path = "/run/other/docker.sock"});
  CHECK(config.podman.use == policy::EngineSocket::Use::kOff);
  CHECK(config.policy_file == "/etc/egressd/site.yaml");
  CHECK_FALSE(config.replicate_policy);
  CHECK(config.control_group == "egressd");
  CHECK(config.metrics == policy::NodeConfig::Metrics{.serve = true, .address = *IpAddress::Parse("192.0.2.10"), .port = 9800});
}

TEST_CASE("what is left out has its default, and `auto` is the default") {
  CHECK(ParseNodeConfig("", "").value == policy::NodeConfig{});
  CHECK(ParseNodeConfig("version: 1\nnode: {address: auto, interface: auto}\ncluster: {listen: \":7947\"}\ntunnel: {mtu: auto}\n", "")
            .value == policy::NodeConfig{});
}

TEST_CASE("faults of the node file are found where they stand") {
  CHECK(NodePlaces("nodes: {}\n") == Places{"1:1 E008"});
  CHECK(NodePlaces("node: gw1\n") == Places{"1:7 E007"});
  CHECK(NodePlaces("node: {name: no}\n") == Places{"1:14 E012"});
  CHECK(NodePlaces("node: {address: 192.0.2.0/24}\n") == Places{"1:17 E150"});
  CHECK(NodePlaces("cluster: {join: [gw3.example.net]}\n") == Places{"1:18 E150"});
  CHECK(NodePlaces("cluster: {join: [\"192.0.2.1:0\"]}\n") == Places{"1:18 E150"});
  CHECK(NodePlaces("cluster: {join: [{a: b}]}\n") == Places{"1:18 E007"});
  CHECK(NodePlaces("cluster: {listen: \":07947\"}\n") == Places{"1:19 E153"});
  CHECK(NodePlaces("cluster: {listen: \":70000\"}\n") == Places{"1:19 E153"});
  CHECK(NodePlaces("cluster: {listen: \":\"}\n") == Places{"1:19 E153"});
  CHECK(NodePlaces("cluster: {profile: slow}\n") == Places{"1:20 E152"});
  CHECK(NodePlaces("cluster: {quorum: most}\n") == Places{"1:19 E152"});
  CHECK(NodePlaces("cluster: {quorum: 2}\n") == Places{"1:19 E152"});
  CHECK(NodePlaces("node: {on_stop: hold}\n") == Places{"1:17 E152"});
  CHECK(NodePlaces("node: {on_stop: true}\n") == Places{"1:17 E152"});
  CHECK(NodePlaces("tunnel: {vni: 0}\n") == Places{"1:15 E151"});
  CHECK(NodePlaces("tunnel: {vni: 16777216}\n") == Places{"1:15 E151"});
  CHECK(NodePlaces("tunnel: {port: 0}\n") == Places{"1:16 E151"});
  CHECK(NodePlaces("tunnel: {mtu: big}\n") == Places{"1:15 E151"});
  CHECK(NodePlaces("tunnel: {ipv4: \"fd00::/64\"}\n") == Places{"1:16 E150"});
  CHECK(NodePlaces("datapath: {rule_priority: 1}\n") == Places{"1:27 E151"});
  CHECK(NodePlaces("datapath: {tables: 26000}\n") == Places{"1:20 E151"});
  CHECK(NodePlaces("datapath: {tables: 26000-026255}\n") == Places{"1:20 E151"});
  CHECK(NodePlaces("datapath: {next_hop_mark: 4278190080}\n") == Places{"1:27 E151"});
  CHECK(NodePlaces("datapath: {next_hop_mark: \"0xff000000\"}\n") == Places{"1:27 E151"});
  CHECK(NodePlaces("policy: yes\n") == Places{"1:9 E152"});
  CHECK(NodePlaces("control: {socket: /run/x}\n") == Places{"1:11 E008"});
}

TEST_CASE("where metrics are served") {
  const auto metrics = [](const std::string& value) { return ParseNodeConfig("metrics: " + value + "\n", "f").value.metrics; };
  CHECK(ParseNodeConfig("", "f").value.metrics == policy::NodeConfig::Metrics{});
  CHECK(metrics("{}") == policy::NodeConfig::Metrics{});
  CHECK(metrics("{}").address == *IpAddress::Parse("127.0.0.1"));
  CHECK(metrics("{}").port == 9799);
  CHECK_FALSE(metrics("off").serve);
  CHECK_FALSE(metrics("{listen: off}").serve);
  CHECK(metrics("{listen: \":9800\"}") == policy::NodeConfig::Metrics{.address = std::nullopt, .port = 9800});
  CHECK(metrics("{listen: \"[2001:db8::3]:9800\"}").address == *IpAddress::Parse("2001:db8::3"));
  CHECK(metrics("{listen: 192.0.2.1}").port == 9799);
  CHECK(NodePlaces("metrics: {listen: \"0.0.0.0:9799\"}\n").empty());
  CHECK(NodePlaces("metrics: on\n") == Places{"1:10 E007"});
  CHECK(NodePlaces("metrics: {listen: \":0\"}\n") == Places{"1:19 E153"});
  CHECK(NodePlaces("metrics: {listen: \"127.0.0.1:0\"}\n") == Places{"1:19 E150"});
  CHECK(NodePlaces("metrics: {listen: localhost}\n") == Places{"1:19 E150"});
  CHECK(NodePlaces("metrics: {listen: [a]}\n") == Places{"1:11 E007"});
  CHECK(NodePlaces("metrics: {port: 9799}\n") == Places{"1:11 E008"});
}

TEST_CASE("where container engines are asked") {
  using Use = policy::EngineSocket::Use;
  const auto docker = [](const std::string& value) { return ParseNodeConfig("workloads: {docker: " + value + "}\n", "f"); };
  CHECK(docker("auto").value.docker.use == Use::kAuto);
  CHECK(docker("off").value.docker.use == Use::kOff);
  CHECK(docker("/run/user/1000/docker.sock").value.docker.path == "/run/user/1000/docker.sock");
  CHECK(ParseNodeConfig("version: 1\n", "f").value.podman.use == Use::kAuto);
  const std::string long_path = "/run/" + std::string(103, 'x');
  for (const std::string& value : {std::string("maybe"), std::string("docker.sock"), std::string("\"\""), long_path}) {
    CAPTURE(value);
    CHECK(PlacesOf(docker(value).findings) == Places{"1:21 E152"});
  }
  CHECK(NodePlaces("workloads: {docker: [/run/docker.sock]}\n") == Places{"1:13 E152"});
  CHECK(NodePlaces("workloads: {docker: {socket: /run/docker.sock}}\n") == Places{"1:13 E152"});
}

TEST_CASE("a drop-in file has workloads and nothing else") {
  const auto parsed =
      ParseWorkloads("version: 1\nworkloads:\n  erp: {addresses: 10.1.7.20}\n  b: {addresses: [10.1.7.21], node: n1}\n", "erp.yaml");
  CHECK(parsed.findings.empty());
  REQUIRE(parsed.value.size() == 2);
  CHECK(parsed.value[1] == policy::Workload{.name = "erp", .addresses = {*IpAddress::Parse("10.1.7.20")}});
  CHECK(parsed.value[0].node == "n1");
  CHECK(WorkloadPlaces("workloads: {}\n").empty());
  CHECK(WorkloadPlaces("version: 1\n") == Places{"1:1 E013"});
  CHECK(WorkloadPlaces("workloads: {}\npolicies: {}\n") == Places{"2:1 E008"});
  CHECK(WorkloadPlaces("workloads: {a: {addresses: [10.0.0.0/8]}}\n") == Places{"1:29 E150"});
  CHECK(WorkloadPlaces("workloads: {a: {ip: 10.0.0.1}}\n") == Places{"1:17 E008"});
  CHECK(WorkloadPlaces("workloads: {a: {addresses: [10.0.0.1], labels: {a: {}}}}\n") == Places{"1:49 E007"});
  CHECK_FALSE(ParseWorkloads("workloads: {a: {labels: {b: c}}}\n", "").ok());
  CHECK_FALSE(ParseWorkloads("workloads: {a: {addresses: [224.0.0.1]}}\n", "").ok());
}

}  // namespace
}  // namespace egressd::yaml
