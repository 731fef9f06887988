// The packets behind AnnounceSocket, as bytes: what follows the Ethernet header.
#pragma once

#include <array>
#include <cstdint>

#include "egressd/base/address.h"

namespace egressd::kernel {

using ArpPacket = std::array<std::uint8_t, 28>;
// Both ask for, or tell, an IPv4 address.
enum class ArpForm : std::uint8_t { kRequest, kReply };
ArpPacket ArpAnnouncement(const IpAddress& address, const MacAddress& mac, ArpForm form);
// "Who has this address?", from nobody (RFC 5227 section 2.1.1).
ArpPacket ArpProbe(const IpAddress& address, const MacAddress& mac);

// IPv6 header and neighbour advertisement to ff02::1, from `address` itself (IPv6).
std::array<std::uint8_t, 72> NeighbourAdvertisement(const IpAddress& address, const MacAddress& mac);
// IPv6 header and neighbour solicitation from :: to the solicited-node group of `address` (RFC 4862 section 5.4.2).
std::array<std::uint8_t, 64> NeighbourProbe(const IpAddress& address);
// The Ethernet address of the IPv6 group that NeighbourProbe sends to (RFC 2464 section 7).
MacAddress SolicitedNodeMac(const IpAddress& address);

}  // namespace egressd::kernel
