// BFD packets and echo requests between the agent and the network. A host where another program has the BFD port, or where raw sockets
// are not allowed, runs without them: dead nodes are then found by gossip alone, which is slower, and `trouble` says so.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "egressd/agent/agent.h"
#include "egressd/net/bfd.h"
#include "egressd/net/echo.h"

namespace egressd::daemon {

class Heartbeats {
 public:
  // `tunnel_device`: where echo requests go; it need not exist yet.
  explicit Heartbeats(const std::string& tunnel_device);

  std::vector<int> fds() const;
  void Send(const std::vector<agent::OutgoingBfd>& packets, const std::vector<agent::OutgoingEcho>& echoes);
  // Gives everything that waits to `feed`.
  void Take(const std::function<void(const agent::Input&)>& feed);
  const std::optional<agent::Health>& trouble() const { return trouble_; }

 private:
  std::optional<net::BfdSocket> bfd_;
  std::optional<net::EchoSocket> echo_;
  std::optional<IpAddress> bfd_source_, echo_source_;
  std::optional<agent::Health> trouble_;
};

}  // namespace egressd::daemon
