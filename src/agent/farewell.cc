#include "egressd/agent/farewell.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "agent/identity.h"
#include "agent/key_ring.h"
#include "agent/stored.h"
#include "egressd/gossip/channel.h"

namespace egressd::agent {

std::vector<OutgoingDatagram> Farewell(const Settings& settings, const state::Host& host) {
  const policy::NodeConfig& config = settings.config;
  const std::optional<IpAddress> underlay = UnderlayOf(config, host, std::nullopt);
  if (settings.keys.empty() || !underlay) return {};
  const Stored stored = DecodeStored(settings.stored).value_or(Stored{});
  const Endpoint own{.address = config.cluster.listen_address.value_or(*underlay), .port = config.cluster.listen_port};
  std::set<Endpoint> contacts = stored.peers;
  contacts.insert(config.cluster.join.begin(), config.cluster.join.end());
  contacts.erase(own);

  const std::uint64_t incarnation = std::max(settings.incarnation, stored.incarnation + 1);
  gossip::Record record;
  record.name = config.node.name;
  record.stamp = {.incarnation = incarnation, .sequence = 1};
  record.presence = gossip::Presence::kLeft;
  record.gossip = own;
  record.underlay = *underlay;
  record.tunnel_number = stored.tunnel_number;
  record.drained = stored.drained;
  gossip::Channel channel(RingAtStart(settings.keys, settings.stored_keys).keys, config.cluster.name, config.node.name, incarnation,
                          settings.seed);
  std::vector<OutgoingDatagram> out;
  for (const Endpoint& contact : contacts) {
    for (gossip::Bytes& bytes : channel.Close(gossip::Records{.records = {record}, .dead = {}})) {
      out.push_back({.to = contact, .bytes = std::move(bytes)});
    }
  }
  return out;
}

}  // namespace egressd::agent
