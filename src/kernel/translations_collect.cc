#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>

#include <algorithm>

#include "egressd/kernel/translations.h"
#include "kernel/conntrack_message.h"
#include "kernel/translation.h"

namespace egressd::kernel {
namespace {

// As many bits of the mark as all the ids have in common, so that the kernel copies no more than it must.
MarkMatch CommonMark(const std::set<EgressId>& ids, const MarkMatch& decided) {
  std::uint32_t all = 0xffff, any = 0;
  for (const EgressId id : ids) {
    all &= id.value;
    any |= id.value;
  }
  const std::uint32_t same = ~(all ^ any) & 0xffff & ~decided.mask;
  return {.value = decided.value | (all & same), .mask = decided.mask | same};
}

// A connection that is only being opened is opened again by its client.
bool IsOpening(const DecodedConnection& connection) {
  return connection.original.protocol == IPPROTO_TCP &&
         (connection.tcp_state == TCP_CONNTRACK_SYN_SENT || connection.tcp_state == TCP_CONNTRACK_SYN_SENT2);
}

}  // namespace

Result<std::vector<state::Translation>> CollectTranslations(Conntrack& conntrack, const std::set<EgressId>& ids,
                                                            const TunnelAddresses& own, const MarkMatch& decided) {
  std::vector<state::Translation> found;
  if (ids.empty()) return found;
  auto dumped = DumpConnections(conntrack.socket(), CommonMark(ids, decided), [&](const DecodedConnection& connection) {
    const IpAddress& sent_as = connection.reply.destination;
    const bool kept = sent_as == connection.original.source;  // its policy keeps the source
    if (sent_as != own.ipv4 && sent_as != own.ipv6 && !kept) return;
    if (!IsTranslatable(connection.original.protocol, sent_as.family()) || IsClosing(connection) || IsOpening(connection)) return;
    if (!ids.contains(IdIn(connection, decided))) return;
    found.push_back(BehindTunnel(connection, decided));
  });
  if (!dumped) return std::unexpected(std::move(dumped.error()));
  return found;
}

Result<std::vector<state::Translation>> CollectRemapped(Conntrack& conntrack, std::span<const Prefix> tunnel_networks,
                                                        const MarkMatch& decided) {
  std::vector<state::Translation> found;
  auto dumped = DumpConnections(conntrack.socket(), decided, [&](const DecodedConnection& connection) {
    if (IsRemapped(connection, decided) && !IsClosing(connection) &&
        std::ranges::any_of(tunnel_networks, [&](const Prefix& network) { return network.Contains(connection.original.source); })) {
      found.push_back(OutOfTunnel(connection, decided));
    }
  });
  if (!dumped) return std::unexpected(std::move(dumped.error()));
  return found;
}

Result<std::size_t> ForgetTranslations(Conntrack& conntrack, std::span<const IpAddress> egress_ips, const MarkMatch& decided) {
  if (egress_ips.empty()) return 0;
  const std::set<IpAddress> doomed(egress_ips.begin(), egress_ips.end());
  const auto is_doomed = [&](const DecodedConnection& connection) { return doomed.contains(connection.reply.destination); };
  return DeleteWhere(conntrack.socket(), decided, is_doomed);
}

}  // namespace egressd::kernel
