// The packets behind Announce, as bytes.
#pragma once

#include <array>
#include <cstdint>

#include "egressd/base/address.h"

namespace egressd::kernel {

enum class ArpForm : std::uint8_t { kRequest, kReply };

// The ARP packet behind the Ethernet header; sender and target address are both `address` (IPv4).
std::array<std::uint8_t, 28> ArpAnnouncement(const IpAddress& address, const MacAddress& mac, ArpForm form);
// IPv6 header and neighbour advertisement to ff02::1, from `address` itself (IPv6).
std::array<std::uint8_t, 72> NeighbourAdvertisement(const IpAddress& address, const MacAddress& mac);

}  // namespace egressd::kernel
