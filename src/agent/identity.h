// What a node is called inside the cluster's networks: its underlay address and its tunnel number.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "egressd/base/address.h"
#include "egressd/policy/node_config.h"
#include "egressd/state/host.h"

namespace egressd::agent {

// The configured address; else the first global address of the default route's device (IPv4 first); else `current`, while some device
// still has it; else the first global address of any running device. nullopt = none yet.
std::optional<IpAddress> UnderlayOf(const policy::NodeConfig& config, const state::Host& host, const std::optional<IpAddress>& current);

// Tunnel numbers that fit into the tunnel networks: 1 … this.
std::uint16_t LastTunnelNumber(const policy::NodeConfig::Tunnel& tunnel);
// Where a node begins to look for its number: a function of its name.
std::uint16_t FirstChoice(const std::string& name, std::uint16_t last);
// `wanted`, or the next one that nobody uses, wrapping around; `wanted` itself when all are in use.
std::uint16_t NextFree(std::uint16_t wanted, std::uint16_t last, const std::function<bool(std::uint16_t)>& in_use);

}  // namespace egressd::agent
