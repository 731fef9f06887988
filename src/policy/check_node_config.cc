// The node file: rules between keys, and against what is known of the network. That a cluster needs a key is the daemon's rule:
// only it sees the key file.
#include <algorithm>
#include <bit>
#include <format>
#include <set>

#include "policy/checks.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

constexpr int kShortestIpv4 = 8;
constexpr int kLongestIpv4 = 24;  // 254 tunnel addresses
constexpr int kShortestIpv6 = 8;
constexpr int kLongestIpv6 = 112;
constexpr std::uint16_t kSmallestMtu = 1280;  // RFC 8200: what IPv6 needs
constexpr std::uint32_t kSlots = 256;
constexpr std::uint32_t kLastVni = 0xffffff;

void CheckTunnelNetwork(const Prefix& prefix, Family family, std::vector<Finding>& findings) {
  const std::string path = std::format("tunnel.{}", ToString(family));
  const bool is_ipv4 = family == Family::kIpv4;
  const int shortest = is_ipv4 ? kShortestIpv4 : kShortestIpv6;
  const int longest = is_ipv4 ? kLongestIpv4 : kLongestIpv6;
  const std::string hint = is_ipv4 ? "ipv4: 198.19.0.0/16" : "ipv6: \"fd65:6772:6573:7300::/64\"";
  if (prefix.family() != family) {
    findings.push_back(Error(rule::kWrongFamily, path, std::format("{} is not an {} network", prefix.ToString(), Spelled(family)), hint));
    return;
  }
  if (prefix.length < shortest || prefix.length > longest) {
    findings.push_back(
        Error(rule::kTunnelNetwork, path,
              std::format("the tunnel network {} needs a prefix length between {} and {}, so that every node gets an address",
                          prefix.ToString(), shortest, longest),
              hint));
  }
  if (const std::string_view kind = Unusable(RangeOf(prefix)); !kind.empty()) {
    findings.push_back(
        Error(rule::kUnusableAddress, path, std::format("the tunnel network {} holds {} addresses", prefix.ToString(), kind), hint));
  }
}

void CheckTunnel(const NodeConfig& config, std::vector<Finding>& findings) {
  const NodeConfig::Tunnel& tunnel = config.tunnel;
  if (!IsDeviceName(tunnel.device) || tunnel.device.contains('.') || tunnel.device == "lo" || tunnel.device == "all" ||
      tunnel.device == "default") {
    findings.push_back(
        Error(rule::kInterface, "tunnel.device",
              std::format("`{}` is not a name for the tunnel device: 1-15 characters, no dot, slash, colon or space", tunnel.device),
              "device: egressd0"));
  }
  if (config.node.interface == tunnel.device) {
    findings.push_back(Error(rule::kSameDevice, "node.interface",
                             std::format("{} is the tunnel device and cannot be the uplink", tunnel.device), "interface: auto"));
  }
  if (tunnel.vni == 0 || tunnel.vni > kLastVni) {
    findings.push_back(Error(rule::kVni, "tunnel.vni", std::format("VNI {} is not in 1-16777215", tunnel.vni), "vni: 100"));
  }
  if (tunnel.port == 0) findings.push_back(Error(rule::kPortNumber, "tunnel.port", "port 0 is not in 1-65535", "port: 7789"));
  if (config.cluster.listen_port == 0)
    findings.push_back(Error(rule::kPortNumber, "cluster.listen", "port 0 is not in 1-65535", "listen: \":7947\""));
  if (tunnel.port != 0 && tunnel.port == config.cluster.listen_port) {
    findings.push_back(
        Error(rule::kSamePort, "tunnel.port", std::format("tunnel and cluster cannot both use UDP port {}", tunnel.port), "port: 7789"));
  }
  if (tunnel.mtu_bytes && *tunnel.mtu_bytes < kSmallestMtu) {
    findings.push_back(
        Error(rule::kMtu, "tunnel.mtu", std::format("MTU {} is below 1280, what IPv6 needs", *tunnel.mtu_bytes), "mtu: auto"));
  }
  CheckTunnelNetwork(tunnel.ipv4, Family::kIpv4, findings);
  CheckTunnelNetwork(tunnel.ipv6, Family::kIpv6, findings);
}

bool IsSlotMask(std::uint32_t mask) {
  constexpr int kSlotBits = 8;
  constexpr int kIdBits = 16;
  return std::popcount(mask) == kSlotBits && std::countr_zero(mask) >= kIdBits && (mask >> std::countr_zero(mask)) == 0xff;
}

void CheckDatapath(const NodeConfig::Datapath& datapath, std::vector<Finding>& findings) {
  const std::uint32_t first = datapath.first_table;
  const std::uint32_t last = datapath.last_table;
  if (last < first || last - first + 1 != kSlots) {
    findings.push_back(Error(rule::kTables, "datapath.tables", std::format("{}-{} is not a range of 256 route tables", first, last),
                             "tables: 26000-26255"));
  } else if (first <= 255) {
    findings.push_back(Error(rule::kTables, "datapath.tables",
                             std::format("{}-{} holds tables of the kernel: 0, 253, 254 or 255", first, last), "tables: 26000-26255"));
  }
  if (!IsSlotMask(datapath.next_hop_mark)) {
    findings.push_back(Error(rule::kMark, "datapath.next_hop_mark",
                             std::format("{:#010x} is not eight adjacent bits above the lowest sixteen", datapath.next_hop_mark),
                             "next_hop_mark: 0xff000000"));
  }
  if (datapath.rule_priority < 2 || datapath.rule_priority > 32765) {
    findings.push_back(Error(
        rule::kRulePriority, "datapath.rule_priority",
        std::format("rule priority {} is not in 2-32765: before the main table, with room for one more before it", datapath.rule_priority),
        "rule_priority: 99"));
  }
}

void CheckOwnAddress(const std::string& path, const IpAddress& address, const std::vector<Prefix>& tunnels,
                     std::vector<Finding>& findings) {
  const AddressRange range{.first = address, .last = address};
  if (const std::string_view kind = Unusable(range); !kind.empty() && kind != "loopback") {
    findings.push_back(
        Error(rule::kNodeAddress, path, std::format("{} is a {} address, which other nodes cannot reach", address.ToString(), kind)));
  }
  if (const Prefix* tunnel = TunnelOver(tunnels, range)) {
    findings.push_back(Error(rule::kInsideTunnel, path,
                             std::format("{} is inside of the tunnel network {}", address.ToString(), tunnel->ToString()),
                             "choose another tunnel network"));
  }
}

void CheckNode(const NodeConfig& config, const std::vector<Prefix>& tunnels, std::vector<Finding>& findings) {
  if (!config.node.name.empty() &&
      (config.node.name.size() > 253 || std::ranges::any_of(config.node.name, [](char c) { return c <= ' ' || c == '/'; }))) {
    findings.push_back(Error(rule::kName, "node.name", std::format("`{}` is not a name for a node", config.node.name), "name: gw1"));
  }
  if (config.cluster.name.empty())
    findings.push_back(Error(rule::kName, "cluster.name", "the name of the cluster is empty", "name: default"));
  if (config.node.interface && !IsDeviceName(*config.node.interface)) {
    findings.push_back(Error(rule::kInterface, "node.interface",
                             std::format("`{}` is not the name of a network device", *config.node.interface), "interface: auto"));
  }
  if (config.node.address) CheckOwnAddress("node.address", *config.node.address, tunnels, findings);
  std::set<Endpoint> joined;
  for (std::size_t i = 0; i < config.cluster.join.size(); ++i) {
    const Endpoint& endpoint = config.cluster.join[i];
    const std::string path = std::format("cluster.join[{}]", i);
    CheckOwnAddress(path, endpoint.address, tunnels, findings);
    if (endpoint.port == 0) findings.push_back(Error(rule::kPortNumber, path, "port 0 is not in 1-65535"));
    if (!joined.insert(endpoint).second)
      findings.push_back(Warning(rule::kJoinTwice, path, std::format("{} is listed twice", endpoint.ToString()), "remove it"));
  }
}

// A majority of two is both of them, a majority of one is nobody's protection.
void CheckQuorum(const NodeConfig::Cluster& cluster, std::vector<Finding>& findings) {
  if (cluster.quorum == Quorum::kNone) return;
  const std::set<Endpoint> others(cluster.join.begin(), cluster.join.end());
  const std::string hint = "name all the other nodes in `join`, two at least, or write `quorum: none`";
  if (others.empty()) {
    findings.push_back(Warning(rule::kQuorumOfTwo, "cluster.quorum",
                               "a node alone is always a majority, and `cluster.join` names no other one: the key has no effect", hint));
  }
  if (others.size() == 1) {
    findings.push_back(Warning(rule::kQuorumOfTwo, "cluster.quorum",
                               "one of two nodes is no majority: when one is lost, the other one holds nothing, and `cluster.join` names "
                               "only one other node",
                               hint));
  }
}

void CheckMetrics(const NodeConfig::Metrics& metrics, std::vector<Finding>& findings) {
  if (!metrics.serve) return;
  if (metrics.port == 0) {
    findings.push_back(Error(rule::kPortNumber, "metrics.listen", "port 0 is not in 1-65535", "listen: \"127.0.0.1:9799\""));
  }
  if (!metrics.address || metrics.address->is_loopback() || metrics.address->is_unspecified()) return;
  if (const std::string_view kind = Unusable({.first = *metrics.address, .last = *metrics.address}); !kind.empty()) {
    findings.push_back(Error(rule::kNodeAddress, "metrics.listen",
                             std::format("{} is a {} address, which nobody can connect to", metrics.address->ToString(), kind),
                             "listen: \"127.0.0.1:9799\""));
  }
}

void CheckPath(const std::string& path, const std::string& file, std::vector<Finding>& findings) {
  if (file.starts_with('/')) return;
  findings.push_back(Error(rule::kPath, path, std::format("`{}` is not an absolute path", file), std::format("/etc/egressd/{}", file)));
}

}  // namespace

std::vector<Finding> Validate(const NodeConfig& config, const Surroundings& surroundings) {
  std::vector<Finding> findings;
  const std::vector<Prefix> tunnels{config.tunnel.ipv4, config.tunnel.ipv6};
  CheckNode(config, tunnels, findings);
  CheckQuorum(config.cluster, findings);
  CheckTunnel(config, findings);
  CheckDatapath(config.datapath, findings);
  CheckMetrics(config.metrics, findings);
  CheckPath("cluster.key_file", config.cluster.key_file, findings);
  CheckPath("workloads.directory", config.workloads_directory, findings);
  CheckPath("policy_file", config.policy_file, findings);
  for (const Prefix& route : surroundings.routes) {
    const Prefix* tunnel = route.length == 0 ? nullptr : TunnelOver(tunnels, RangeOf(route));
    if (tunnel == nullptr) continue;
    findings.push_back(Error(
        rule::kTunnelOverRoute, std::format("tunnel.{}", ToString(tunnel->family())),
        std::format("the tunnel network {} overlaps the network {}, to which this node has a route", tunnel->ToString(), route.ToString()),
        tunnel->family() == Family::kIpv4 ? "ipv4: 198.19.0.0/16" : "ipv6: \"fd65:6772:6573:7300::/64\""));
  }
  return findings;
}

}  // namespace egressd::policy
