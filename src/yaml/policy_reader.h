// The pieces of the policy file that have a source of their own.
#pragma once

#include <optional>
#include <vector>

#include "egressd/policy/policy_set.h"
#include "yaml/reader.h"

namespace egressd::yaml {

// What could not be read keeps its default and has been reported.
policy::Policy ReadPolicy(Reader& reader, const Node& name, const Node& node);
policy::Gateway ReadGateway(Reader& reader, const Node& name, const Node& node);
// One or a list of networks, addresses and "@name".
std::vector<policy::Destination> ReadDestinations(Reader& reader, const Node& node);
// An address of either family, or {ipv4: …, ipv6: …}.
void ReadAddressPair(Reader& reader, const Node& node, std::optional<IpAddress>& ipv4, std::optional<IpAddress>& ipv6);

}  // namespace egressd::yaml
