#include "daemon/snapshot.h"

#include <algorithm>
#include <utility>

#include "egressd/policy/binding.h"

namespace egressd::daemon {
namespace {

std::vector<Snapshot::PoolUse> UseOf(const policy::PolicySet& set, const agent::Status& status) {
  std::vector<Snapshot::PoolUse> out;
  for (const auto& [name, pool] : set.pools) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      Snapshot::PoolUse use{.pool = name, .family = family, .total = policy::CountOf(pool, family)};
      if (use.total == 0) continue;
      use.used = static_cast<std::uint64_t>(std::ranges::count_if(status.egress_ips, [&](const agent::EgressIpStatus& ip) {
        return ip.address.family() == family && policy::Contains(pool, ip.address);
      }));
      out.push_back(std::move(use));
    }
  }
  return out;
}

}  // namespace

Snapshot TakeSnapshot(Core& core, const Counts& counts, DaemonFacts facts) {
  Snapshot snapshot{.status = core.agent().status(),
                    .counts = counts,
                    .tallies = core.tallies(),
                    .datapath = core.datapath(),
                    .drops = Drops(core),
                    .process = ProcessUsage::Read()};
  if (const policy::Selection* selection = core.agent().selection()) snapshot.pools = UseOf(selection->set(), snapshot.status);
  snapshot.health = AllHealth(core, snapshot.status, facts.health);
  const auto& links = core.agent().desired().links;
  if (!links.empty()) snapshot.tunnel_mtu_bytes = links.begin()->second.mtu_bytes;
  snapshot.daemon = std::move(facts);
  return snapshot;
}

}  // namespace egressd::daemon
