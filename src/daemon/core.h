// The agent between its edges: what comes in is a Step, what the agent says is done. The loop of agent.h, once.
//
// 1. What the agent wants stored is on disk before anything is sent.
// 2. Nothing is written to the kernel before the agent's first commit: a restart leaves the data path as it was.
// 3. What somebody else removed is put back at once; a rival that does not give up gets fewer and fewer repairs, down to one in 100 ms, not
// a storm. Called by daemon.cc (the loop) and service.cc (the control socket).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/census.h"
#include "daemon/checks.h"
#include "daemon/heartbeats.h"
#include "daemon/journal.h"
#include "daemon/connections.h"
#include "daemon/tallies.h"
#include "daemon/uplinks.h"
#include "egressd/agent/agent.h"
#include "egressd/kernel/kernel.h"
#include "egressd/net/udp.h"

namespace egressd::daemon {

struct Datapath {
  bool in_sync = false;
  std::uint64_t corrections = 0;       // objects put back since start
  std::optional<Error> trouble;        // why it is not in sync
};

class Core {
 public:
  using Done = std::function<void(const agent::ApplyResult&)>;
  using Ordered = std::function<void(const agent::OrderResult&)>;
  using KeysDone = std::function<void(const agent::KeyResult&)>;
  struct Files {
    std::string generation;            // what the agent wants stored
    std::string keys;                  // the key ring
  };

  Core(agent::Agent agent, kernel::Kernel kernel, Connections connections, Census census, Uplinks uplinks,
       const policy::NodeConfig& config, std::optional<net::UdpSocket> socket, Files files, Journal& journal);

  void Feed(const agent::Input& input);
  // Asks the agent to apply; `done` is called when it has, or has refused.
  void Apply(std::string text, std::string actor, bool only_if_new, Done done);
  // Asks for an egress IP to be moved; `done` is called when the order is taken or refused.
  void Move(const IpAddress& address, std::string node, Ordered done);
  // Hands on an order about the key ring; `done` is called with what came of it.
  void Order(agent::KeyOrder order, KeysDone done);
  // Reads the host and tells the agent when it changed.
  void LookAtHost();
  // The kernel's notifications, the socket, the uplinks, the timer.
  void TakeNotifications();
  void TakeDatagrams();
  void TakeForeignAnnouncements();
  void OnTimer();
  Time wake_at() const;
  // Hands over what can be handed over, for at most this long, then tells the others and lets go of every egress address. `done` is called
  // when that is done.
  void Leave(Duration at_most, std::function<void()> done);

  const agent::Agent& agent() const { return agent_; }
  kernel::Kernel& kernel() { return kernel_; }
  Census& census() { return census_; }
  const Tallies& tallies() const { return tallies_; }
  const state::Host& host() const { return host_; }
  Datapath datapath() const;
  // Why the key ring is not on disk, if it should be.
  const std::optional<Error>& keys_not_stored() const { return keys_not_stored_; }
  bool has_committed() const { return has_committed_; }
  int uplinks_fd() const { return uplinks_.fd(); }
  int socket_fd() const { return socket_ ? socket_->fd() : -1; }
  // What else to wait for; OnReadable when one of them is readable.
  std::vector<int> other_fds() const;
  void OnReadable();
  std::vector<agent::Health> health() const;

 private:
  void Carry(agent::Output output);
  void Send(const agent::Output& output);
  void Renew(const std::set<IpAddress>& egress_ips);
  void Prolong(const std::set<IpAddress>& egress_ips);
  void FinishLeaving();
  void Store(const agent::Output& output);
  void Commit(std::uint64_t revision);
  void Repair();
  Result<state::Transaction> Reconcile();
  void RecheckConnections();

  agent::Agent agent_;
  kernel::Kernel kernel_;
  Uplinks uplinks_;
  std::optional<net::UdpSocket> socket_;
  Files files_;
  Journal* journal_;
  std::optional<Heartbeats> heartbeats_;  // unset in a cluster of one
  Connections connections_;
  Census census_;
  Tallies tallies_;
  Checks checks_;
  state::Host host_;
  Time agent_wakes_ = kNever;
  std::map<IpAddress, Time> prolong_at_;  // egress addresses with a lifetime
  Time repair_at_ = kNever;
  Time look_at_ = kNever;              // at the host
  Time last_look_{};
  Time leave_by_ = kNever;
  std::function<void()> left_;
  Time last_repair_{};                 // the last one that found something
  Duration between_repairs_{};
  bool has_committed_ = false;
  std::uint64_t corrections_ = 0;
  std::optional<Error> trouble_;
  std::uint64_t next_request_ = 1;
  std::map<std::uint64_t, Done> requests_;
  std::map<std::uint64_t, Ordered> orders_;
  std::map<std::uint64_t, KeysDone> key_requests_;
  std::optional<Error> keys_not_stored_;
};

}  // namespace egressd::daemon
