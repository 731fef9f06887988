// Reading rtnetlink: everything of ours, and the host around it.
#pragma once

#include <string>

#include "egressd/base/error.h"
#include "egressd/state/host.h"
#include "egressd/state/state.h"
#include "kernel/address_lifetimes.h"
#include "kernel/address_memory.h"
#include "kernel/route_socket.h"
#include "kernel/seen.h"

namespace egressd::kernel {

// How ours are told apart where a number in the object does not say it.
struct Recognition {
  std::string tunnel_device;
  const AddressMemory& addresses;
  const AddressLifetimes& lifetimes;
};

// Fills links, addresses, neighbours, fdb, routes, rules and egress addresses, and `devices` anew.
Result<void> ObserveRoutes(RouteSocket& socket, const Recognition& recognition, Devices& devices, state::State& into);
// Only the egress addresses (and `devices`).
Result<void> ObserveEgressAddresses(RouteSocket& socket, const Recognition& recognition, Devices& devices, state::State& into);
// Also fills `devices` anew.
Result<state::Host> ReadHost(RouteSocket& socket, const Recognition& recognition, Devices& devices);

}  // namespace egressd::kernel
