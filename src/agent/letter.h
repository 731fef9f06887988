#pragma once
#include <optional>
#include <set>
#include <variant>
#include <vector>
#include "egressd/gossip/message.h"
#include "egressd/gossip/record.h"
#include "egressd/state/translation.h"
namespace egressd::agent {
struct LeaseRequest { std::uint64_t round = 0, electorate = 0; std::vector<gossip::Claim> addresses; };
struct LeaseGrant { std::uint64_t round = 0, electorate = 0; std::vector<IpAddress> addresses; };
struct Connections { std::uint64_t batch = 0; std::uint32_t part = 0, parts = 1; bool handover = false; std::set<EgressId> ids; std::vector<state::Translation> translations; };
struct ConnectionsTaken { std::uint64_t batch = 0; std::uint32_t part = 0; };
struct RemappedPorts { std::vector<state::Translation> translations; };
struct RemappedWanted {};
struct MoveOrder { IpAddress address; std::string node; };
struct DrainOrder { bool on = true; std::uint32_t seconds = 0; };
using Letter = std::variant<LeaseRequest, LeaseGrant, Connections, ConnectionsTaken, RemappedPorts, RemappedWanted, MoveOrder, DrainOrder>;
gossip::Bytes EncodeLetter(const Letter& letter);
std::optional<Letter> DecodeLetter(gossip::ByteView bytes);
std::vector<Connections> SplitConnections(std::uint64_t batch, bool handover, const std::set<EgressId>& ids, const std::vector<state::Translation>& translations);
std::vector<RemappedPorts> SplitRemapped(const std::vector<state::Translation>& translations);
}
