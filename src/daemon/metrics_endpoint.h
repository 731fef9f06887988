// Where Prometheus reads: /metrics, and beside it /healthz (the loop lives) and /readyz (503 with the reason while it is not so).
//
// 1. An address that cannot be had is a finding and tried again; it stops nothing else.
// Called by daemon.cc.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/scrape.h"
#include "egressd/agent/status.h"
#include "egressd/net/http_server.h"
#include "egressd/policy/node_config.h"

namespace egressd::daemon {

class MetricsEndpoint {
 public:
  // `scrape` outlives this. `not_ready` says why this node is not, "" if it is.
  static Result<std::unique_ptr<MetricsEndpoint>> Open(const policy::NodeConfig::Metrics& config, Scrape& scrape,
                                                       std::function<std::string()> not_ready);
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  int fd() const { return server_->fd(); }
  void OnReady();
  void OnTimer();
  Time NextTimer() const;

  const std::optional<agent::Health>& trouble() const { return trouble_; }
  const net::HttpCounts& counts() const { return server_->counts(); }

 private:
  MetricsEndpoint(const policy::NodeConfig::Metrics& config, Scrape& scrape, std::function<std::string()> not_ready)
      : config_(config), scrape_(&scrape), not_ready_(std::move(not_ready)) {}
  void Listen();
  void Serve(std::uint64_t connection, const net::HttpRequest& request);

  policy::NodeConfig::Metrics config_;
  Scrape* scrape_;
  std::function<std::string()> not_ready_;
  std::optional<net::HttpServer> server_;
  Time listen_at_ = kNever;                // tried again
  std::optional<agent::Health> trouble_;
};

}  // namespace egressd::daemon
