// What a node says about itself. Everything the cluster knows is a set of these, one a node.
//
// 1. Only the node itself writes its record. So a merge is: keep the one with the larger stamp, commutative, associative, idempotent.
// 2. Stamps order a node's records: the incarnation grows with every start, the sequence with every change.
// 3. Lists are sorted and without repetition; the decoder refuses others, so that equal records have equal bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/gossip/wire.h"

namespace egressd::gossip {

struct Stamp {
  std::uint64_t incarnation = 0;
  std::uint64_t sequence = 0;
  auto operator<=>(const Stamp&) const = default;
};

// "I hold this egress IP", see claims.h.
struct Claim {
  IpAddress address;
  std::uint64_t term = 0;
  auto operator<=>(const Claim&) const = default;
};

// "Workloads of mine in this network keep their address": gateways route it back here, unless somebody said so before (the smaller term,
// then the earlier name; see agent/networks.h).
struct Network {
  Prefix prefix;                             // no bits set behind its length
  std::uint64_t term = 0;
  auto operator<=>(const Network&) const = default;
};

// Which policy a node has in force. The larger one wins everywhere; number 0 = none.
struct Version {
  std::uint64_t number = 0;
  std::uint64_t digest = 0;  // StableHash of the content
  auto operator<=>(const Version&) const = default;
};

// "`to` shall have this egress IP of mine": a planned handover, see agent/handover.h.
struct Offer {
  IpAddress address;
  std::string to;
  bool silent = false;                       // the offerer no longer answers ARP and ND for it: take it
  auto operator<=>(const Offer&) const = default;
};

enum class Presence : std::uint8_t {
  kMember = 0,
  kLeft = 1,   // said goodbye: not probed, holds nothing
};

struct Record {
  std::string name;
  Stamp stamp;
  Presence presence = Presence::kMember;
  bool ready = false;                        // may be given egress IPs: synced, and its kernel does what it wants
  Endpoint gossip;                           // where it listens
  IpAddress underlay;                        // where its tunnel ends
  std::uint16_t tunnel_number = 0;
  std::map<std::string, std::string> labels;
  Version policy;
  std::vector<Claim> claims;                 // in order of address
  std::vector<IpAddress> unable;             // egress IPs that it has no uplink for, in order
  bool drained = false;                      // hands over what it holds and takes nothing
  std::vector<Offer> offers;                 // of what it holds, in order of address
  std::vector<IpAddress> prepared;           // offered to it, and ready to be taken; in order
  std::vector<Network> networks;             // in order of prefix
  auto operator<=>(const Record&) const = default;
};

inline constexpr std::size_t kNameLimit = 255, kLabelLimit = 128, kLabelBytesLimit = 255, kClaimLimit = 2048, kNetworkLimit = 256;

void Write(Writer& writer, const Record& record);
// Fails the reader on anything that breaks the invariants.
Record ReadRecord(Reader& reader);
void Write(Writer& writer, const std::vector<Network>& networks);
// Fails the reader on more than kNetworkLimit, on order, and on bits behind a length.
std::vector<Network> ReadNetworks(Reader& reader);
void Write(Writer& writer, const Stamp& stamp);
Stamp ReadStamp(Reader& reader);
void Write(Writer& writer, const Version& version);
Version ReadVersion(Reader& reader);

}  // namespace egressd::gossip
