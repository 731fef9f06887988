// The NAT state of a gateway, rebuilt from the edges: connections that left through an egress id, read on the node that sent them and made
// anew in connection tracking of another gateway (ctnetlink, net/netfilter/nf_conntrack_netlink.c).
//
//   source node    CollectTranslations: what of mine goes through these ids?
//   new gateway    RestoreTranslations: the same translations, window tracking liberal, so that either side may speak first
//   old gateway    ForgetTranslations: the egress IP is somebody else's now
//   any gateway    RemapListener, CollectRemapped: which source ports did the kernel have to change? The source node must know them.
//
// 1. TCP, UDP, ICMP and ICMPv6. Of TCP only what still needs its entry: a connection that is closing or not yet answered is left out
//    by CollectTranslations.
// 2. `decided` is the signature of connection marks of egressd; below it is the egress id. The kernel leaves out other entries by itself.
// 3. Everything blocks for as long as the kernel works: some microseconds an entry.
//
// Called by the daemon, for agent::Collect, agent::Restore and Output::forget; the listener sits in its loop.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/fd.h"
#include "egressd/base/ids.h"
#include "egressd/kernel/conntrack.h"
#include "egressd/state/translation.h"

namespace egressd::kernel {

// This node's own addresses in the tunnel: what its connections have as their source there.
struct TunnelAddresses {
  IpAddress ipv4;
  IpAddress ipv6;
};
// Every connection of this node that goes through one of the ids, with the tunnel address or its own as the source. translated_port is
// source_port: only the gateway knows better.
Result<std::vector<state::Translation>> CollectTranslations(Conntrack& conntrack, const std::set<EgressId>& ids,
                                                            const TunnelAddresses& own, const MarkMatch& decided);

struct Restoration {
  std::size_t made = 0;
  std::size_t existed = 0;   // with the same port outside; made liberal, as if it were new
  std::size_t replaced = 0;  // had another port, or was in the way: a guess from the middle of another connection
  std::size_t refused = 0;
  std::optional<Error> first_refusal;
};
// Makes each translation with its egress IP. One that cannot be made does not stop the others; an error means that nothing more was tried.
// Takes any translation, from whomever: what is no connection (mixed families, unknown protocol) is refused.
Result<Restoration> RestoreTranslations(Conntrack& conntrack, std::span<const std::pair<state::Translation, IpAddress>> translations,
                                        const MarkMatch& decided);

// Deletes every connection that leaves as one of these addresses; how many.
Result<std::size_t> ForgetTranslations(Conntrack& conntrack, std::span<const IpAddress> egress_ips, const MarkMatch& decided);

// Connections from the tunnel networks whose source port (ICMP: identifier) this kernel changed, and that live.
Result<std::vector<state::Translation>> CollectRemapped(Conntrack& conntrack, std::span<const Prefix> tunnel_networks,
                                                        const MarkMatch& decided);

// The same as they arise. All other new connections are sorted out by a socket filter inside the kernel and wake nobody.
class RemapListener {
 public:
  // At most one network a family. kUnavailable: this kernel tells nobody about connections (net.netfilter.nf_conntrack_events = 0).
  static Result<RemapListener> Open(std::span<const Prefix> tunnel_networks, const MarkMatch& decided);
  // Readable when there is something to take.
  int fd() const { return fd_.get(); }

  struct Taken {
    std::vector<state::Translation> translations;
    bool lost = false;  // some were: CollectRemapped knows them
  };
  // Takes what waits, without blocking.
  Taken Take();

 private:
  RemapListener(Fd fd, const MarkMatch& decided) : fd_(std::move(fd)), decided_(decided), buffer_(std::size_t{1} << 16) {}

  Fd fd_;
  MarkMatch decided_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace egressd::kernel
