// The one model of the kernel: a struct per kind of object, one ordered map per kind. What egressd wants and what it finds are
// the same type, so the difference is written once (transaction.h).
//
// 1. A State holds only objects that are egressd's: recognised by device name, route/rule/address protocol number, nft table name.
// 2. A kind has a `Key` that names the object and attributes that may change while it keeps its name.
// 3. Adding a kind: a struct, a member, a line in ForEachKind, an encoder and a decoder in src/kernel.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "egressd/base/address.h"
#include "egressd/state/nft.h"

namespace egressd::state {

// rtm_protocol, FRA_PROTOCOL and IFA_PROTO of everything that is ours.
inline constexpr std::uint8_t kProtocol = 237;

// A VLAN device on an uplink (8021q), for egress IPs in a network of their own. As we make it, it stays up when its parent goes down.
struct Vlan {
  struct Key {
    std::string name;          // tells the VLAN and its parent: plan::VlanName
    auto operator<=>(const Key&) const = default;
  } key;
  std::string parent;
  std::uint16_t id = 0;        // 1-4094
  bool up = true;
  auto operator<=>(const Vlan&) const = default;
};

// A value below /proc/sys. "Removing" one restores what was there before egressd first wrote it.
struct Sysctl {
  struct Key {
    std::string path;  // "net/ipv4/conf/egressd0/rp_filter"
    auto operator<=>(const Key&) const = default;
  } key;
  std::string value;
  auto operator<=>(const Sysctl&) const = default;
};

// The VXLAN device. As we make it, it is up, has the group-policy extension and learns nothing; a found one may differ.
struct Link {
  struct Key {
    std::string name;
    auto operator<=>(const Key&) const = default;
  } key;
  std::uint32_t vni = 0;
  std::uint16_t port = 0;
  IpAddress local;             // underlay address
  MacAddress mac;
  std::uint32_t mtu_bytes = 0;
  bool up = true;
  bool group_policy = true;
  bool learning = false;
  auto operator<=>(const Link&) const = default;
};

// The node's address inside the tunnel, with the length of the tunnel network.
struct Address {
  struct Key {
    std::string device;
    Prefix prefix;             // host bits set
    auto operator<=>(const Key&) const = default;
  } key;
  auto operator<=>(const Address&) const = default;
};

// An egress IP on an uplink: /32 or /128, IPv6 with preferred lifetime 0 and without DAD.
struct EgressAddress {
  struct Key {
    std::string device;
    IpAddress address;
    auto operator<=>(const Key&) const = default;
  } key;
  // The kernel takes it away by itself this long after it was last renewed: whole seconds, at least one. Unset: never.
  std::optional<Duration> lifetime;
  bool prefix_route = false;  // IPv6 only: with a route to it in the main table, without which FRR sees no connected network
  auto operator<=>(const EgressAddress&) const = default;
};

// Permanent neighbour on the tunnel device.
struct Neighbour {
  struct Key {
    std::string device;
    IpAddress address;
    auto operator<=>(const Key&) const = default;
  } key;
  MacAddress mac;
  auto operator<=>(const Neighbour&) const = default;
};

// Where the tunnel device sends frames for a MAC address.
struct FdbEntry {
  struct Key {
    std::string device;
    MacAddress mac;
    auto operator<=>(const Key&) const = default;
  } key;
  IpAddress destination;       // underlay address of the peer
  auto operator<=>(const FdbEntry&) const = default;
};

struct Route {
  struct Key {
    std::uint32_t table = 0;
    Prefix destination;
    auto operator<=>(const Key&) const = default;
  } key;
  std::string device;
  std::optional<IpAddress> next_hop;  // unset: on link
  bool onlink = false;                // the next hop is reachable through the device whatever its addresses say
  auto operator<=>(const Route&) const = default;
};

struct Rule {
  struct Key {
    Family family = Family::kIpv4;
    std::uint32_t priority = 0;
    std::uint32_t mark = 0;
    std::uint32_t mask = 0;
    std::uint32_t table = 0;
    std::string input_device;                      // empty = any
    std::optional<int> suppress_prefix_length;     // FRA_SUPPRESS_PREFIXLEN
    auto operator<=>(const Key&) const = default;
  } key;
  auto operator<=>(const Rule&) const = default;
};

template <typename Kind>
using Objects = std::map<typename Kind::Key, Kind>;

struct State {
  Objects<Sysctl> sysctls;
  Objects<Link> links;
  Objects<Vlan> vlans;
  Objects<Address> addresses;
  Objects<Neighbour> neighbours;
  Objects<FdbEntry> fdb;
  Objects<Route> routes;
  Objects<Rule> rules;
  Objects<NftTable> tables;
  Objects<NftCounter> counters;
  Objects<NftLimit> limits;
  Objects<NftSet> sets;
  Objects<NftChain> chains;
  Objects<NftElement> elements;
  Objects<EgressAddress> egress_addresses;
  bool operator==(const State&) const = default;
};

// Calls f(member...) once per kind, in the order in which objects are built. Each State gives its map of that kind.
// Links come before sysctls because most sysctls belong to a device.
template <typename F, typename... States>
void ForEachKind(F&& f, States&... states) {
  f(states.links...);
  f(states.vlans...);
  f(states.sysctls...);
  f(states.addresses...);
  f(states.neighbours...);
  f(states.fdb...);
  f(states.routes...);
  f(states.rules...);
  f(states.tables...);
  f(states.counters...);
  f(states.limits...);
  f(states.sets...);
  f(states.chains...);
  f(states.elements...);
  f(states.egress_addresses...);
}

// Inserts or replaces; at once where objects come in order of key.
template <typename Kind>
void Put(Objects<Kind>& objects, Kind object) {
  auto key = object.key;
  objects.insert_or_assign(objects.end(), std::move(key), std::move(object));
}

// One line each, as `egressctl diff` and the log show them: "route 0.0.0.0/0 table 26001 via 198.19.3.4 dev egressd0".
std::string ToString(const Sysctl&);
std::string ToString(const Link&);
std::string ToString(const Vlan&);
std::string ToString(const Address&);
std::string ToString(const EgressAddress&);
std::string ToString(const Neighbour&);
std::string ToString(const FdbEntry&);
std::string ToString(const Route&);
std::string ToString(const Rule&);
std::string ToString(const NftTable&);
std::string ToString(const NftCounter&);
std::string ToString(const NftLimit&);
std::string ToString(const NftSet&);
std::string ToString(const NftChain&);
std::string ToString(const NftElement&);

}  // namespace egressd::state
