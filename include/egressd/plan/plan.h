// What the kernel of this node shall look like: a pure function from policy, cluster and host to State.
//
// nftables skeleton, names, marks and slots are described in plan/skeleton.h. Called by the agent whenever an input changed.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <set>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/ids.h"
#include "egressd/base/time.h"
#include "egressd/policy/binding.h"
#include "egressd/policy/limits.h"
#include "egressd/policy/node_config.h"
#include "egressd/policy/selection.h"
#include "egressd/state/host.h"
#include "egressd/state/state.h"
#include "egressd/state/transaction.h"

namespace egressd::plan {

// A node's place inside the tunnel network, a function of its 16-bit tunnel number and the tunnel prefixes of the configuration.
struct TunnelIdentity {
  IpAddress ipv4;
  IpAddress ipv6;
  MacAddress mac;
  auto operator<=>(const TunnelIdentity&) const = default;
};
// `number` is 1-65534 (and smaller than the IPv4 tunnel network); number n is the n-th address.
TunnelIdentity IdentityOf(std::uint16_t number, const policy::NodeConfig::Tunnel& tunnel);

struct Peer {
  std::string name;
  IpAddress underlay;
  TunnelIdentity identity;
  std::vector<Prefix> networks = {};  // of its workloads that keep their address: routed back to it, disjoint from everybody else's
  auto operator<=>(const Peer&) const = default;
};

// Who carries an egress id now.
struct Carrier {
  enum class Kind : std::uint8_t { kNobody, kSelf, kPeer };
  Kind kind = Kind::kNobody;
  std::string peer;  // name, with kPeer
  // The peer held it last and is dead; its kernel may go on for a while. Nobody else holds it, so connections keep trying; where a policy
  // has another replica new ones do not begin here.
  bool was_last = false;
  auto operator<=>(const Carrier&) const = default;
};

// What this node does for an egress IP.
struct Hold {
  enum class Standing : std::uint8_t {
    kPrepared,  // translates and forwards for it, but another node still has the address
    kHeld,      // has the address and answers for it
    kLeaving,   // has the address, translates and forwards, but does not answer ARP and ND: another node takes it
  };
  Standing standing = Standing::kHeld;
  std::optional<Duration> lease;  // after this without renewal the kernel stops by itself; unset = never (a node without peers)
  auto operator<=>(const Hold&) const = default;
};

struct Inputs {
  const policy::NodeConfig* config = nullptr;
  const policy::Selection* selection = nullptr;     // nullptr = no policy yet
  const std::vector<policy::Binding>* bindings = nullptr;
  const state::Host* host = nullptr;
  IpAddress underlay;                               // this node's own underlay address
  TunnelIdentity self;
  // every known other node that has not left, dead ones too (they may come back), in order of name
  std::vector<Peer> peers;
  std::map<std::string, Slot> slots;                // peer → next-hop slot, for those that are gateways; kept stable by the agent
  std::map<EgressId, Carrier> carriers;             // one for every binding: where this node's own workloads go; kSelf needs a hold
  std::map<IpAddress, Hold> holds;                  // egress IPs of this node; their traffic is translated here, whoever the carrier is
  // Had here until a policy gave it up, a short while ago. Who still sends to it hears nothing: not a redirect, not "unreachable", which
  // would come from an address of the node itself.
  std::set<IpAddress> former;
  // Networks of this node whose workloads may keep their address: as far as they are nobody else's.
  std::vector<Prefix> networks;
  bool operator==(const Inputs&) const = default;
};

// Slots 1-199 are peers'. 200-219 are uplinks of this node that are not its default route's device (handed out by Build in order of
// device name). 220-253 are routers of pools in a subnet of their own (by a hash, so that one that comes or goes seldom moves another).
// 254 marks replies from the tunnel for the reverse-path filter, 255 replies to workloads of peers that kept their address.
inline constexpr std::uint8_t kLastPeerSlot = 199, kFirstUplinkSlot = 200, kLastUplinkSlot = 219, kReplySlot = 254, kHomeSlot = 255;
inline constexpr std::uint8_t kFirstSubnetSlot = 220, kLastSubnetSlot = 253;
static_assert(kLastSubnetSlot - kFirstSubnetSlot + 1 == policy::kMostSubnets);

// Connection marks of ours have this signature above the egress id (or kDirectMark), so that nobody else's marks are taken for a decision.
inline constexpr std::uint32_t kDecided = 0x00e60000, kDecidedMask = 0xffff0000;
// What a connection mark says: an egress id, kDirectMark, or 0 where nothing was decided by egressd.
constexpr std::uint16_t DecisionIn(std::uint32_t connection_mark) {
  return (connection_mark & kDecidedMask) == kDecided ? static_cast<std::uint16_t>(connection_mark & 0xffff) : std::uint16_t{0};
}

// Sets whose elements begin with the connection mark of an id that this node holds, and count: what has left with its egress IP, and what
// has come back.
inline constexpr std::string_view kSentSets[] = {"sources4", "sources6", "routed"}, kReceivedSet = "received";

state::State Build(const Inputs& inputs);

// The short way when workloads changed. `state` is what Build made of the same inputs before the sources `changed`. True: it is now what
// Build would make, and `touched` (unset stays unset) has what that changed. False: more than these sources follows (a class or a workload
// network comes or goes); `state` is untouched.
bool UpdateSources(const Inputs& inputs, std::span<const IpAddress> changed, state::State& state, state::Touched& touched);

// The same when what is known of the host's own processes changed.
bool UpdateProcesses(const Inputs& inputs, state::State& state);

// The networks that `to: external` leaves out on this node: the set's, every node's underlay address and those to join, tunnel networks,
// connected networks of workloads, this host's own addresses, loopback, link-local, multicast, broadcast.
policy::InternalNetworks InternalOf(const Inputs& inputs);

// The networks of this node in which workloads are that policies let keep their address, in order: to be told to the gateways.
std::vector<Prefix> KeptNetworks(const Inputs& inputs);

// The first network that is connected to this host and shares addresses with `network`; nullopt = none.
std::optional<Prefix> ConnectedOverlap(const state::Host& host, const Prefix& network);

// Does the guard of this node drop what goes from here to there? `internal` is InternalOf the same inputs.
bool IsGuardedAgainst(const Inputs& inputs, const policy::InternalNetworks& internal, const policy::Flow& flow);

// Where an egress IP lives on this node.
struct Uplink {
  std::string device;  // that has the address
  std::string parent;  // the host's device that carries it: the same, or what the VLAN of a subnet stands on
  auto operator<=>(const Uplink&) const = default;
};
// The gateway's device, else the node's `interface`, else the device whose subnet holds the egress IP, else the default route's; of a pool
// with a VLAN, that VLAN on it. nullopt = nowhere: this node cannot hold it.
std::optional<Uplink> UplinkFor(const policy::PolicySet& set, const policy::NodeConfig& config, const state::Host& host,
                                const std::string& gateway, const IpAddress& egress_ip);

// "eg100-eth0": the device of a VLAN on an uplink, at most 15 characters, none of which means anything to sysctl.
std::string VlanName(const std::string& parent, std::uint16_t vlan);

}  // namespace egressd::plan
