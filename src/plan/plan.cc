#include "egressd/plan/plan.h"

#include <utility>

#include "plan/chains.h"
#include "plan/classes.h"
#include "plan/facts.h"
#include "plan/processes.h"
#include "plan/routing.h"
#include "plan/sets.h"

namespace egressd::plan {

TunnelIdentity IdentityOf(std::uint16_t number, const policy::NodeConfig::Tunnel& tunnel) {
  EGRESSD_ASSERT(number != 0);
  const std::optional<IpAddress> ipv4 = tunnel.ipv4.First().Plus(number), ipv6 = tunnel.ipv6.First().Plus(number);
  EGRESSD_ASSERT(ipv4 && ipv6 && tunnel.ipv4.Contains(*ipv4) && tunnel.ipv6.Contains(*ipv6));
  TunnelIdentity identity{.ipv4 = *ipv4, .ipv6 = *ipv6};
  identity.mac.bytes = {0xee, 0x67};
  for (std::size_t i = 0; i < 4; ++i) identity.mac.bytes[i + 2] = ipv4->bytes()[i];
  return identity;
}

state::State Build(const Inputs& inputs) {
  EGRESSD_ASSERT(inputs.config != nullptr && inputs.host != nullptr);
  const Facts facts(inputs);
  state::State state;
  const auto arp = state::NftFamily::kArp;
  state::Put(state.tables, state::NftTable{.key = {.name = std::string(kTable)}});
  state::Put(state.tables, state::NftTable{.key = {.family = arp, .name = std::string(kTable)}});
  for (const std::string_view name : counter::kAll) state::Put(state.counters, state::NftCounter{.key = {.name = std::string(name)}});
  state::Put(state.counters, state::NftCounter{.key = {.family = arp, .name = std::string(counter::kNotAnswered)}});
  PutSkeletonSets(facts, state);
  PutSkeletonChains(facts, state);
  PutSourceClasses(facts, state);
  PutProcesses(facts, state);
  PutTunnel(facts, state);
  PutRouting(facts, state);
  PutSysctls(facts, state);
  PutEgressAddresses(facts, state);
  return state;
}

}  // namespace egressd::plan
