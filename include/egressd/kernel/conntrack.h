// Tracked connections: list and delete (ctnetlink, net/netfilter/nf_conntrack_netlink.c).
//
// Called by the daemon: what a policy no longer allows ends, and status counts them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "egressd/base/address.h"
#include "egressd/base/error.h"

namespace egressd::kernel {

// Connection marks that agree with `value` in the bits of `mask`; by default every mark.
struct MarkMatch {
  std::uint32_t value = 0;
  std::uint32_t mask = 0;
  constexpr bool Matches(std::uint32_t mark) const { return (mark & mask) == value; }
};

// The original tuple, before any translation, what the destination sees as the source, and the mark.
struct Connection {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;       // 0 where the protocol has none
  std::uint16_t destination_port = 0;
  IpAddress translated_source;         // of the reply tuple: where answers go
  std::uint32_t mark = 0;
};

class NetfilterSocket;

// The connection tracking of one network namespace. Meant to stay open: whoever closes a netfilter socket waits until nftables has freed
// what the last transactions removed (net/netfilter/nf_tables_api.c, nft_rcv_nl_event), often for tens of milliseconds.
class Conntrack {
 public:
  // Of the network namespace of the calling thread.
  static Result<Conntrack> Open();
  Conntrack(Conntrack&&) noexcept;
  Conntrack& operator=(Conntrack&&) noexcept;
  ~Conntrack();

  // Reads the whole table once, both families, and calls `visit` for every entry.
  Result<void> ForEach(const std::function<void(const Connection&)>& visit);
  // Deletes every entry for which `doomed` says so; returns how many. An entry that is gone meanwhile is no error.
  Result<std::size_t> DeleteIf(const std::function<bool(const Connection&)>& doomed);

  // For the other functions of this folder that need it.
  NetfilterSocket& socket() { return *socket_; }

 private:
  explicit Conntrack(std::unique_ptr<NetfilterSocket> socket);
  std::unique_ptr<NetfilterSocket> socket_;
};

}  // namespace egressd::kernel
