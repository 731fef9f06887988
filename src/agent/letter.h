// What agents write to each other beside gossip, and its bytes (gossip::Letter carries them, sealed).
//
// 1. Decode accepts exactly what Encode writes: Encode(*Decode(bytes)) == bytes. It never throws, never reads out of bounds and allocates
//    no more than a small multiple of the input.
// 2. Every letter fits into gossip::kLetterBytes. Lists of any length are split: ToConnections, ToRemappedPorts. Encode asserts the limits.
// 3. A translation takes 9 bytes (IPv4, TCP, sorted as the split leaves it) to 41: what it has in common with the one before is left out.
//
// Used by the agent: leases (LeaseRequest, LeaseGrant), connections for a new gateway, operators' orders that reach the wrong node.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/ids.h"
#include "egressd/gossip/message.h"
#include "egressd/gossip/record.h"
#include "egressd/state/translation.h"

namespace egressd::agent {

// "May I hold these?", to every node. The answer is about this round only.
struct LeaseRequest {
  std::uint64_t round = 0;
  std::uint64_t electorate = 0;          // digest of the nodes that vote
  std::vector<gossip::Claim> claims;     // in order of address; at most gossip::kClaimLimit
  auto operator<=>(const LeaseRequest&) const = default;
};
struct LeaseGrant {
  std::uint64_t round = 0;
  std::uint64_t electorate = 0;
  std::vector<IpAddress> addresses;      // granted, in order; at most gossip::kClaimLimit
  auto operator<=>(const LeaseGrant&) const = default;
};

// A source node's connections, for the gateway that will carry these ids (handover) or has just taken them (takeover). Every part names
// some of the ids and some of the translations; when all parts are there, every id that any of them names is complete, also one without
// connections.
struct Connections {
  enum class Reason : std::uint8_t { kHandover = 0, kTakeover = 1 };
  std::uint64_t batch = 0;               // the sender's number for all parts together
  std::uint32_t part = 0;                // 0 … parts - 1
  std::uint32_t parts = 1;
  Reason reason = Reason::kHandover;
  std::vector<EgressId> ids;             // in order
  std::vector<state::Translation> translations;
  auto operator<=>(const Connections&) const = default;
};
struct ConnectionsTaken {                // the kernel of the gateway has them
  std::uint64_t batch = 0;
  std::uint32_t part = 0;
  auto operator<=>(const ConnectionsTaken&) const = default;
};

// Gateway to source node: these go out with another source port.
struct RemappedPorts {
  std::vector<state::Translation> translations;
  auto operator<=>(const RemappedPorts&) const = default;
};
// Source node to gateway: tell me all of them again.
struct RemappedPortsWanted {
  auto operator<=>(const RemappedPortsWanted&) const = default;
};

// To the holder of the address.
struct MoveOrder {
  IpAddress address;
  std::string node;                      // 1 … gossip::kNameLimit bytes
  auto operator<=>(const MoveOrder&) const = default;
};
struct DrainOrder {
  bool on = true;
  std::uint32_t seconds = 0;             // it ends by itself after these; 0 = never
  auto operator<=>(const DrainOrder&) const = default;
};

using Letter =
    std::variant<LeaseRequest, LeaseGrant, Connections, ConnectionsTaken, RemappedPorts, RemappedPortsWanted, MoveOrder, DrainOrder>;

gossip::Bytes Encode(const Letter& letter);
std::optional<Letter> Decode(gossip::ByteView bytes);

// As few letters as hold everything, at least one; ids and translations are sorted.
std::vector<Connections> ToConnections(std::uint64_t batch, Connections::Reason reason, std::vector<EgressId> ids,
                                       std::vector<state::Translation> translations);
// None where there is nothing to tell.
std::vector<RemappedPorts> ToRemappedPorts(std::vector<state::Translation> translations);

}  // namespace egressd::agent
