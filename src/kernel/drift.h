// What a batch of rtnetlink notifications says about ours and about the host.
//
// The last word on every object counts, and it is compared with what we believe to be in force. So the echo of our own writes says
// nothing new, whichever process id the kernel put on it (for links, IPv6 addresses and the FDB it puts none), and a write of
// somebody else in between is noticed. Only a device that went down is remembered even when it is back: the kernel drops its IPv4
// routes without a notification.
#pragma once

#include <linux/netlink.h>

#include <map>
#include <optional>
#include <set>
#include <string>

#include "egressd/kernel/kernel.h"
#include "egressd/state/state.h"
#include "kernel/observe.h"
#include "kernel/seen.h"

namespace egressd::kernel {

class Drift {
 public:
  // Keeps `devices` up to date.
  Drift(const Recognition& recognition, Devices& devices)
      : recognition_(recognition), devices_(devices) {}
  void Add(const nlmsghdr& message);
  // `believed`: what is in force as far as we know; nullptr = not known.
  Kernel::Dirt Judge(const state::State* believed) const;

 private:
  template <typename Kind>
  using LastWords = std::map<typename Kind::Key, std::optional<Kind>>;
  template <typename Kind>
  static void Note(LastWords<Kind>& words, Seen<Kind> seen, const nlmsghdr& message);

  void AddLink(const nlmsghdr& message);
  void AddAddress(const nlmsghdr& message);
  void AddRoute(const nlmsghdr& message);
  void AddNeighbour(const nlmsghdr& message);
  bool DropsRoutesOf(const state::State& believed) const;

  const Recognition& recognition_;
  Devices& devices_;
  LastWords<state::Link> links_;
  LastWords<state::Vlan> vlans_;
  LastWords<state::Address> addresses_;
  LastWords<state::EgressAddress> egress_addresses_;
  LastWords<state::Neighbour> neighbours_;
  LastWords<state::FdbEntry> fdb_;
  LastWords<state::Route> routes_;
  LastWords<state::Rule> rules_;
  std::set<std::string> fallen_;  // devices that were down or gone, if only for a moment
  bool renamed_ = false;
  bool host_ = false;
};

}  // namespace egressd::kernel
