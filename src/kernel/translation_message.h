// A translation as messages to ctnetlink: the entry that a gateway would have made itself, had it seen the connection begin.
#pragma once

#include <cstdint>

#include "egressd/state/translation.h"
#include "kernel/conntrack_message.h"

namespace egressd::kernel {

// For how long entries live without a packet: this namespace's net.netfilter.nf_conntrack_…_timeout…, in seconds.
struct ConnectionTimeouts {
  std::uint32_t tcp_established = 432'000;
  std::uint32_t tcp_unanswered = 300;
  std::uint32_t udp = 30;
  std::uint32_t udp_answered = 120;
  std::uint32_t icmp = 30;
  std::uint32_t icmpv6 = 30;
  static ConnectionTimeouts Read();
  std::uint32_t Of(const state::Translation& translation) const;
};

struct NewEntry {
  state::Translation translation;
  IpAddress egress_ip;
  std::uint32_t mark = 0;
  std::uint32_t timeout_seconds = 0;
};

void AddCreate(ConntrackMessages& messages, const NewEntry& entry);
// The entry is there: gives it the mark, the timeout and the liberal window of a new one.
void AddRefresh(ConntrackMessages& messages, const NewEntry& entry);
void AddGetOriginal(ConntrackMessages& messages, const NewEntry& entry);
// Asks for the entry, whosever it is, to which answers to the translated port go.
void AddGetReply(ConntrackMessages& messages, const NewEntry& entry);

// The kernel picked it up from a segment in the middle, and guessed its port: it is liberal then, but knows of no window scale, which
// AddCreate and AddRefresh set.
bool IsPickedUp(const DecodedConnection& connection);

}  // namespace egressd::kernel
