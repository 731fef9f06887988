// The node file (egressd.yaml) as plain aggregates, with every default filled in here and nowhere else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/policy/policy_set.h"

namespace egressd::policy {

enum class Profile : std::uint8_t { kLan, kFast, kWan };
enum class Quorum : std::uint8_t { kNone, kMajority };
// What SIGTERM does with the egress IPs: hand them over, or leave the data path as it is (until the leases run out).
enum class OnStop : std::uint8_t { kRelease, kKeep };

// Where a container engine is asked for its workloads.
struct EngineSocket {
  enum class Use : std::uint8_t {
    kAuto,  // at the usual places, if it is there
    kOff,
    kPath,
  };
  Use use = Use::kAuto;
  std::string path;  // with kPath
  auto operator<=>(const EngineSocket&) const = default;
};

struct NodeConfig {
  struct Node {
    std::string name;  // empty = host name, filled in by the daemon
    Labels labels;
    std::optional<IpAddress> address;      // underlay address; unset = source address of the default route
    std::optional<std::string> interface;  // uplink; unset = per egress IP, the device whose subnet holds it, else the default route's
    OnStop on_stop = OnStop::kRelease;
    auto operator<=>(const Node&) const = default;
  } node;
  struct Cluster {
    std::string name = "default";
    std::vector<Endpoint> join;
    std::optional<IpAddress> listen_address;  // unset = the underlay address
    std::uint16_t listen_port = 7947;
    std::string key_file = "/etc/egressd/gossip.key";
    Profile profile = Profile::kLan;
    Quorum quorum = Quorum::kNone;  // kMajority: a node that sees no majority of all nodes holds nothing
    auto operator<=>(const Cluster&) const = default;
  } cluster;
  struct Tunnel {
    std::string device = "egressd0";  // at most 15 characters, no dot, no slash
    std::uint32_t vni = 100;          // 1-16777215
    std::uint16_t port = 7789;
    std::optional<std::uint16_t> mtu_bytes;  // unset = underlay MTU - 50 (IPv4 underlay) or - 70 (IPv6)
    Prefix ipv4;                      // default 198.19.0.0/16
    Prefix ipv6;                      // default fd65:6772:6573:7300::/64
    Tunnel();
    auto operator<=>(const Tunnel&) const = default;
  } tunnel;
  struct Datapath {
    std::uint32_t rule_priority = 99;
    std::uint32_t first_table = 26000;  // table of slot n = first_table + n; 256 tables
    std::uint32_t last_table = 26255;
    std::uint32_t next_hop_mark = 0xff000000;  // mask of eight adjacent bits above bit 15 that hold the slot
    auto operator<=>(const Datapath&) const = default;
  } datapath;
  std::string workloads_directory = "/etc/egressd/workloads.d";
  EngineSocket docker;
  EngineSocket podman;
  std::string policy_file = "/etc/egressd/policy.yaml";
  bool replicate_policy = true;  // policy: cluster | file
  std::string control_group;     // group that may use the control socket; empty = the daemon's own
  // Where Prometheus reads.
  struct Metrics {
    bool serve = true;
    std::optional<IpAddress> address = IpAddress::Ipv4(0x7f000001);  // unset = every address of this host
    std::uint16_t port = 9799;
    auto operator<=>(const Metrics&) const = default;
  } metrics;
  auto operator<=>(const NodeConfig&) const = default;
};

// The timers of the BFD sessions between the nodes of a gateway: its own, else those of the profile of this node
// (lan 100ms x 3, fast 10ms x 3, wan 300ms x 3). The two ends may differ: RFC 5880 section 6.8.4 takes the slower of what they say.
BfdTimers BfdOf(const Gateway& gateway, Profile profile);

}  // namespace egressd::policy
