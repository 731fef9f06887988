// The daemon put together: edges opened in order, the loop, reload and the end.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/answers.h"
#include "daemon/containers.h"
#include "daemon/core.h"
#include "daemon/event_loop.h"
#include "daemon/journal.h"
#include "daemon/metrics_endpoint.h"
#include "daemon/processes.h"
#include "daemon/scrape.h"
#include "daemon/service.h"
#include "daemon/setup.h"
#include "daemon/workloads.h"

namespace egressd::daemon {

class Daemon {
 public:
  // Opens everything. Errors: kPermission, kStale (another daemon), kInvalid (the configuration does not fit this host), kSystem.
  static Result<std::unique_ptr<Daemon>> Open(Setup setup);
  // Until SIGTERM or SIGINT; the exit code.
  int Run();

 private:
  Daemon(Setup setup, EventLoop loop, Fd lock);
  Result<void> OpenEdges();
  Result<void> OpenControl();
  Result<void> Register();
  void FeedContainers();
  void OnRoundEnd();
  void Stop();
  void Reload(const std::shared_ptr<control::Call>& call);
  // Reads policy_file and applies it if its content is new; `done` gets what came of it, nothing = no such file.
  void ReadPolicyFile(std::function<void(const agent::ApplyResult*)> done);
  std::vector<agent::Health> health() const;
  DaemonFacts Facts() const;
  // Why this node is not ready; "" = it is.
  std::string NotReady() const;
  KeyFile LookAtKeyFile() const;
  std::optional<agent::Health> OutdatedKeyFile() const;

  Setup setup_;
  EventLoop loop_;
  Fd lock_;
  Journal journal_;
  std::optional<Core> core_;
  std::optional<Workloads> workloads_;
  std::optional<Processes> processes_;
  std::optional<Containers> containers_;
  std::optional<Scrape> scrape_;
  std::unique_ptr<MetricsEndpoint> metrics_;  // nullptr = off
  std::optional<Service> service_;
  std::optional<control::Server> server_;
  std::optional<agent::Health> policy_file_trouble_;
  std::optional<agent::Health> node_file_trouble_;
  LastReload last_reload_;
  double started_at_ = WallSeconds();
  Time started_;
  bool ready_ = false;
  bool stopping_ = false;
};

}  // namespace egressd::daemon
