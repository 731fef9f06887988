// What the operator means: the policy file as plain aggregates. No behaviour lives here.
//
// 1. Values have parsed; they are not yet valid together: `Validate` (validate.h) finds what contradicts what.
// 2. Maps are keyed by the name that the file gives, so iteration order is the same everywhere.
// 3. Whatever this build cannot do never reaches this model: the YAML reader refuses it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/time.h"
#include "egressd/policy/decision.h"
#include "egressd/policy/pool.h"

namespace egressd::policy {

using Labels = std::map<std::string, std::string>;

// One requirement on a set of labels, with the meaning of Kubernetes label selectors.
struct Requirement {
  enum class Operator : std::uint8_t { kIn, kNotIn, kExists, kNotExists };
  std::string key;
  Operator op = Operator::kIn;
  std::vector<std::string> values;  // for kIn and kNotIn: at least one
  auto operator<=>(const Requirement&) const = default;
};

// One entry of `from:`; everything that is set must hold (AND). At least one member is set.
struct Selector {
  std::vector<Requirement> labels;         // from `labels:` and `select:` together
  std::optional<std::string> namespace_;   // `namespace:`
  std::vector<Requirement> namespace_labels;  // of the workload's namespace
  std::optional<std::string> name;         // glob over workload names: `*`, `?`, `[a-z]`
  std::vector<Prefix> cidrs;               // any of them (OR)
  std::optional<std::string> interface;    // the device through which the traffic enters this node
  std::vector<std::string> units;          // globs over names of systemd units, any of them (OR)
  std::vector<std::string> users;          // names or numbers, any of them (OR)
  std::vector<std::string> nodes;          // on these nodes only (OR); empty = on all
  std::vector<Requirement> node_labels;    // on nodes with these labels only
  bool all = false;                        // every source whose traffic the node forwards
  // True when it speaks of workloads (labels, namespace, name), false when it needs no knowledge of them.
  bool names_workloads() const { return !labels.empty() || namespace_ || !namespace_labels.empty() || name; }
  // True when it speaks of the host's own processes; then it selects nothing that the node forwards.
  bool names_processes() const { return !units.empty() || !users.empty(); }
  auto operator<=>(const Selector&) const = default;
};

// A workload that no provider sees, or that a provider reported.
struct Workload {
  std::string name;
  std::string namespace_ = "default";
  std::vector<IpAddress> addresses;  // at least one
  Labels labels;
  std::optional<std::string> node;   // only on this node; unset = wherever its traffic appears
  auto operator<=>(const Workload&) const = default;
};

// An element of `to:`, `except:` or `destinations:`: a prefix, or what `@name` refers to, an entry of `destinations` (without the `@`).
using Destination = std::variant<Prefix, std::string>;

enum class Reach : std::uint8_t { kExternal, kAny, kListed };

// tcp/25, udp/8000-8100, sctp/5000
struct PortRange {
  std::uint8_t protocol = 6;  // IANA protocol number: 6 tcp, 17 udp, 132 sctp
  std::uint16_t first = 0;
  std::uint16_t last = 0;     // >= first
  auto operator<=>(const PortRange&) const = default;
};

// Egress IPs that stand together; at least one is set.
struct AddressPair {
  std::optional<IpAddress> ipv4;
  std::optional<IpAddress> ipv6;
  auto operator<=>(const AddressPair&) const = default;
};

// `egress_ip:`
struct EgressIpChoice {
  enum class Kind : std::uint8_t { kAuto, kDefault, kNode, kAddress };
  Kind kind = Kind::kAuto;
  std::vector<AddressPair> addresses;  // with kAddress: at least one, in the order of the file
  auto operator<=>(const EgressIpChoice&) const = default;
};

struct Policy {
  std::string name;
  std::string description;
  std::optional<std::string> namespace_;  // restricts its workload selectors to this namespace
  std::uint16_t priority = 1000;          // 1-65535; lowest wins, equal ones by name
  bool enabled = true;
  std::vector<Selector> from;             // any of them (OR)
  Reach to = Reach::kExternal;
  std::vector<Destination> destinations;  // only with Reach::kListed
  std::vector<Destination> except;
  std::vector<PortRange> ports;           // empty = every protocol and port
  Action action = Action::kSnat;
  std::optional<std::string> gateway;     // unset = see GatewayOf; kSelf = none, the workload's own node
  EgressIpChoice egress_ip;
  std::uint16_t replicas = 0;             // egress IPs at work at once; 0 = all that `egress_ip` lists, else one
  Spread spread = Spread::kSource;
  Prefer prefer = Prefer::kAny;           // kLocal: of its egress IPs, those that the workload's own node has
  Source source = Source::kMasquerade;
  OnNoGateway on_no_gateway = OnNoGateway::kDrop;
  Bandwidth bandwidth;
  auto operator<=>(const Policy&) const = default;
};

// Which nodes are gateways: named ones, or those whose labels fulfil every requirement.
struct NodeSelector {
  std::vector<std::string> names;
  std::vector<Requirement> labels;
  auto operator<=>(const NodeSelector&) const = default;
};

// Who tells the network where an egress IP lives.
enum class Announce : std::uint8_t {
  kLayer2,  // this node, by ARP and neighbour discovery
  kBgp,     // a routing daemon on this node, which redistributes the address
  kNone,    // somebody else
};

// How an egress IP changes its holder when the old one does not say goodbye.
enum class Takeover : std::uint8_t {
  kImmediate,  // a dead node at once; a dead daemon on a living node after restart_grace
  kStrict,     // only with leases granted by a majority of all nodes: never two holders
};

// RFC 5880 timers of the sessions between the nodes of a gateway.
struct BfdTimers {
  Duration min_rx{100'000};
  Duration min_tx{100'000};
  std::uint8_t multiplier = 3;  // 1-255
  auto operator<=>(const BfdTimers&) const = default;
};

// A node of the gateway is healthy while every check succeeds.
struct HealthCheck {
  enum class Kind : std::uint8_t { kTcp, kIcmp, kHttp };
  Kind kind = Kind::kTcp;
  Endpoint target;             // port 0 with kIcmp
  std::string path;            // with kHttp: "/healthz"
  std::string host;            // with kHttp: the Host header
  Duration every{2'000'000};
  std::uint16_t fail = 3;      // so many failures in a row make it unhealthy, one success healthy again
  auto operator<=>(const HealthCheck&) const = default;
};

struct Gateway {
  std::string name;
  bool is_default = false;
  NodeSelector nodes;
  std::vector<std::string> pools;
  std::optional<IpAddress> default_ipv4;
  std::optional<IpAddress> default_ipv6;
  std::optional<std::string> interface;  // unset = auto
  Announce announce = Announce::kLayer2;
  std::uint16_t max_ips_per_node = 0;     // egress IPs of this gateway that one node may hold; 0 = no limit
  bool failback = false;                  // true: egress IPs return to where placement would put them
  Takeover takeover = Takeover::kImmediate;
  Duration restart_grace{15'000'000};     // how long a dead daemon's node may go on alone: its lease in the kernel
  std::optional<BfdTimers> bfd;           // unset = of the node's profile
  std::vector<HealthCheck> health;
  auto operator<=>(const Gateway&) const = default;
};

// What a namespace adds to the workloads that say they are in it. One that is not listed has no labels.
struct Namespace {
  std::string name;
  Labels labels;
  std::optional<std::string> gateway;  // of the policies with this `namespace:` that name no gateway
  auto operator<=>(const Namespace&) const = default;
};

struct PolicySet {
  std::vector<Prefix> guard;     // what comes from there, from a source that is no known workload, goes nowhere external
  std::vector<Prefix> internal;
  std::map<std::string, Namespace> namespaces;
  std::map<std::string, Workload> workloads;
  std::map<std::string, std::vector<Destination>> destinations;
  std::map<std::string, Pool> pools;
  std::map<std::string, Gateway> gateways;
  std::map<std::string, Policy> policies;
  auto operator<=>(const PolicySet&) const = default;
};

// Policies that are enabled, in the order in which they decide: priority, then name. Pointers into `set`.
std::vector<const Policy*> InOrder(const PolicySet& set);
// `gateway: self`: what a policy names instead of a gateway when every node translates for its own workloads. No gateway has this name.
inline constexpr std::string_view kSelf = "self";
bool LeavesFromOwnNode(const Policy& policy);
// Snat or route.
bool UsesGateway(const Policy& policy);
// Does the gateway see the workload's own address?
bool KeepsSource(const Policy& policy);
// How many egress IPs of each family the policy wants.
std::size_t ReplicasOf(const Policy& policy);
// The gateway that a policy uses: its own, else that of its own `namespace:`, else the default one; nullptr when there is none.
const Gateway* GatewayOf(const PolicySet& set, const Policy& policy);

// The subnet of the pool that has the egress IP; nullptr = it lives in a network of the nodes.
const Subnet* SubnetOf(const PolicySet& set, const IpAddress& egress_ip);

// Every prefix that the destinations stand for, references followed (each name at most once). Unknown references are skipped:
// Validate has refused them.
std::vector<Prefix> Resolve(const PolicySet& set, const std::vector<Destination>& destinations);

}  // namespace egressd::policy
