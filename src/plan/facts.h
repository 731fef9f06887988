// What the inputs mean for this node, worked out once per Build: who is translated here, through which device, into which slot.
//
// 1. A Held id is one whose traffic this node translates: it holds its egress IP in whatever standing, prepared and leaving too, or it is
//    `egress_ip: node` and this node is one of the gateways (with `gateway: self` every node is). Where this node's own workloads go is
//    another question (carriers).
// 2. Uplink slots depend on the host's default routes alone, slots of subnets on the policy's, so that they do not move when an egress IP
//    comes or goes.
//
// Used by every file of this folder that makes objects.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/plan/plan.h"
#include "plan/skeleton.h"

namespace egressd::plan {

// A way out of this node that is not the main default route's device, or not its router.
struct Way {
  std::string device;
  std::uint8_t slot = 0;                      // 0 = the main table decides: the device has no default route of its own in this family
  std::optional<IpAddress> next_hop;          // of its own default route, or the router of the subnet
  std::optional<Prefix> subnet;               // of the pool, where it has one
};

// A subnet of a pool, on the uplink that leads to it here.
struct LocalSubnet {
  Uplink uplink;
  policy::Subnet subnet;
  auto operator<=>(const LocalSubnet&) const = default;
};

struct Held {
  EgressId id;
  const policy::Policy* policy = nullptr;
  Family family = Family::kIpv4;
  IpAddress address;                          // what the source becomes
  Way way;
};

struct Facts {
  explicit Facts(const Inputs& the_inputs);

  const Inputs& inputs;
  const policy::PolicySet* set = nullptr;     // nullptr = no policy yet
  SlotMarks marks;
  std::uint32_t mtu_bytes = 1450;             // of the tunnel device
  bool carries_ipv6 = false;                  // some egress id of the cluster is IPv6
  bool keeps = false;                         // some policy keeps the source
  bool limits = false;                        // some policy has a bandwidth
  std::vector<Held> held;                     // in order of id
  std::map<LocalSubnet, std::uint8_t> subnets;  // of the gateways that this node belongs to → slot
  std::vector<std::string> facing;            // devices behind which selected sources are, in order

  const policy::NodeConfig::Tunnel& tunnel() const { return inputs.config->tunnel; }
  std::uint32_t TableOf(std::uint8_t slot) const { return inputs.config->datapath.first_table + slot; }
  // One, or several with `replicas`; in order of id.
  std::span<const policy::Binding* const> BindingsOf(const std::string& policy, Family family) const;
  const policy::Policy* PolicyOf(const policy::Binding& binding) const;
  // What the next-hop map says for an id; nullopt = nobody takes it now.
  std::optional<std::uint32_t> NextHopMark(EgressId id) const;
  const Held* HeldAs(EgressId id) const;
  // Of an egress IP; nullptr = no binding has it.
  const policy::Gateway* GatewayOf(const IpAddress& egress_ip) const;
  // Is the egress IP on a device of this node?
  bool IsOnDevice(const IpAddress& egress_ip, const Hold& hold) const;
  std::vector<Family> families() const;       // those whose tunnel addresses, rules and routes are needed

 private:
  void FindSubnets();
  void FindHeld();
  std::optional<Way> WayOf(const policy::Binding& binding, const IpAddress& egress_ip) const;
  std::map<std::pair<std::string_view, Family>, std::vector<const policy::Binding*>> bindings_;
  std::map<IpAddress, const policy::Gateway*> gateways_;
};

// The way out through `device` for this family.
Way WayThrough(const Inputs& inputs, const std::string& device, Family family);
// The node's own uplink for a family, as `egress_ip: node` uses it.
std::optional<std::string> OwnUplink(const policy::PolicySet& set, const policy::NodeConfig& config, const state::Host& host,
                                     const std::string& gateway, Family family);
// The set's guard as far as it is this node's: without the networks that it reaches through another router, which guards them itself.
std::vector<AddressRange> GuardedSources(const Inputs& inputs, Family family);
// Devices behind which workloads are, or which a policy names: in order of name.
std::vector<std::string> FacingDevices(const Inputs& inputs);

}  // namespace egressd::plan
