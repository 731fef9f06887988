// The connection tracking of this host: what the agent has collected, made anew, forgotten or ended there, and changed ports as they arise.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/kernel/translations.h"

namespace egressd::daemon {

class Connections {
 public:
  static Result<Connections> Open(const policy::NodeConfig::Tunnel& tunnel);

  // -1: this kernel tells nobody about connections.
  int fd() const { return listener_ ? listener_->fd() : -1; }
  void Take(const std::function<void(const agent::Input&)>& feed);

  agent::Collected Collect(const agent::Collect& collect, const plan::TunnelIdentity& self);
  agent::Remapped CollectRemapped();
  void Restore(const agent::Restore& restore);
  void Forget(const std::vector<IpAddress>& egress_ips);
  // How many were ended.
  std::size_t End(const std::function<bool(const kernel::Connection&)>& doomed);

 private:
  Connections(kernel::Conntrack conntrack, std::vector<Prefix> networks)
      : conntrack_(std::move(conntrack)), networks_(std::move(networks)) {}

  kernel::Conntrack conntrack_;
  std::vector<Prefix> networks_;
  std::optional<kernel::RemapListener> listener_;
};

}  // namespace egressd::daemon
