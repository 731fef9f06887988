// Connections between the agent and the connection tracking of this host: collected, made anew, forgotten, and changed ports as they arise.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "daemon/journal.h"
#include "egressd/agent/agent.h"
#include "egressd/kernel/translations.h"

namespace egressd::daemon {

class Translations {
 public:
  Translations(const policy::NodeConfig::Tunnel& tunnel, Journal& journal);

  // -1: this kernel tells nobody about connections.
  int fd() const { return listener_ ? listener_->fd() : -1; }
  void Take(const std::function<void(const agent::Input&)>& feed);

  agent::Collected Collect(const agent::Collect& collect, const plan::TunnelIdentity& self);
  agent::Remapped CollectRemapped();
  void Restore(const agent::Restore& restore);
  void Forget(const std::vector<IpAddress>& egress_ips);

 private:
  std::vector<Prefix> networks_;
  Journal* journal_;
  std::optional<kernel::RemapListener> listener_;
};

}  // namespace egressd::daemon
