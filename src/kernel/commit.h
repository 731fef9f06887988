// Carries out single steps outside nftables: links, sysctls, addresses, neighbours, FDB, routes, rules, egress addresses.
//
// 1. Creating what is there already and removing what is gone is done, not refused.
// 2. An egress address that somebody else configured on the same device is used as it is and never removed.
// 3. A link that is not ours is never changed, whatever its name.
#pragma once

#include <set>
#include <string>

#include "egressd/base/error.h"
#include "egressd/state/state.h"
#include "egressd/state/transaction.h"
#include "kernel/address_lifetimes.h"
#include "kernel/address_memory.h"
#include "kernel/route_socket.h"
#include "kernel/sysctl.h"

namespace egressd::kernel {

class Committer {
 public:
  Committer(RouteSocket& socket, Sysctls& sysctls, AddressMemory& memory, AddressLifetimes& lifetimes)
      : socket_(socket), sysctls_(sysctls), memory_(memory), lifetimes_(lifetimes) {}
  // `believed`: what is in force. The error names the operation and the object and has the kernel's words.
  Result<void> Run(const state::Step& step, const state::State& believed);
  // The lifetime of an address that is in force begins anew.
  Result<void> Prolong(const state::EgressAddress& address);
  // True for the kinds that Run carries out.
  static bool Runs(const state::Step& step);

 private:
  Result<void> RunLink(state::Operation operation, const state::Link& link, const state::State& believed, const std::string& what);
  Result<void> RunVlan(state::Operation operation, const state::Vlan& vlan, const state::State& believed, const std::string& what);
  Result<void> MakeLink(const state::Link& link, const std::string& what);
  Result<void> DressLink(const state::Link& link, const std::string& what);
  Result<void> RunEgressAddress(state::Operation operation, const state::EgressAddress& address, const std::string& what);
  Result<void> WriteAgain(const state::EgressAddress& address, std::uint32_t device_index, const std::string& what);
  Result<void> Put(const RouteMessage& message, const std::string& what);
  Result<void> Remove(const RouteMessage& message, const std::string& what);

  RouteSocket& socket_;
  Sysctls& sysctls_;
  AddressMemory& memory_;
  AddressLifetimes& lifetimes_;
  std::set<state::EgressAddress::Key> foreign_;  // see 2
};

}  // namespace egressd::kernel
