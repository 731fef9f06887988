// The agent's words and ears on the uplinks: announcements and probes out, what somebody else says about our egress IPs in.
//
// 1. An address is listened for from the moment it is probed, and for as long as this node has it.
// 2. A question whether anybody has an address is no claim and does not reach the agent; the kernel answers it.
// Called by daemon/core.cc.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/kernel/announce.h"
#include "egressd/kernel/uplink_watch.h"

namespace egressd::daemon {

class Uplinks {
 public:
  static Result<Uplinks> Open();

  // Readable when Take has something.
  int fd() const { return watch_.fd(); }
  std::vector<agent::ForeignAnnouncement> Take();

  void Announce(const std::vector<agent::Announcement>& announcements) const;
  void Probe(const std::vector<agent::AddressProbe>& probes, const state::State& desired, const state::Host& host, Time now);
  // To be called after whatever changed one of them.
  void Watch(const state::State& desired, const state::Host& host, Time now);

 private:
  Uplinks(kernel::AnnounceSocket socket, kernel::UplinkWatch watch) : socket_(std::move(socket)), watch_(std::move(watch)) {}

  kernel::AnnounceSocket socket_;
  kernel::UplinkWatch watch_;
  std::map<agent::AddressProbe, Time> probed_;  // → until when an answer is waited for
  std::string trouble_;                         // what went wrong last, so that it is told once
};

}  // namespace egressd::daemon
