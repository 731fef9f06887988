// Address and EgressAddress: IP addresses on devices (net/ipv4/devinet.c, net/ipv6/addrconf.c).
//
// On the tunnel device every address is ours, except the link-local ones. Elsewhere those with our protocol number (IFA_PROTO).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "egressd/state/state.h"
#include "kernel/address_lifetimes.h"
#include "kernel/address_memory.h"
#include "kernel/route_message.h"
#include "kernel/seen.h"

namespace egressd::kernel {

RouteMessage CreateAddress(const state::Address& address, std::uint32_t device_index);
RouteMessage RemoveAddress(const state::Address& address, std::uint32_t device_index);
RouteMessage CreateEgressAddress(const state::EgressAddress& address, std::uint32_t device_index);
// The same for one that is there: its lifetime begins anew.
RouteMessage ReplaceEgressAddress(const state::EgressAddress& address, std::uint32_t device_index);
RouteMessage RemoveEgressAddress(const state::EgressAddress& address, std::uint32_t device_index);
RouteMessage DumpAddresses();

// One address as the kernel tells it, whoever it belongs to.
struct FoundAddress {
  std::uint32_t device_index = 0;
  Prefix prefix;                 // host bits set
  bool has_our_protocol = false;
  bool lasting = true;           // neither temporary, deprecated nor failed in duplicate detection
  bool has_prefix_route = false;
  std::optional<Duration> left;  // of its lifetime, whole seconds; unset = for ever
};
std::optional<FoundAddress> DecodeAddress(const nlmsghdr& message);
// True for an egress address of ours: it has our protocol number, or the memory knows it (kernels that keep no number).
bool IsEgressAddress(const FoundAddress& found, const std::string& device, const AddressMemory& memory);
state::EgressAddress AsEgressAddress(const FoundAddress& found, const std::string& device, const AddressLifetimes& lifetimes);

}  // namespace egressd::kernel
