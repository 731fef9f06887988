#include "egressd/daemon/main.h"

#include <cstdio>
#include <format>

#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/setup.h"
#include "daemon/start.h"
#include "egressd/agent/farewell.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/files.h"
#include "egressd/kernel/kernel.h"
#include "egressd/net/udp.h"

namespace egressd::daemon {

namespace {

int ExitCode(const Error& error) {
  if (error.kind == ErrorKind::kPermission) return kNoPermission;
  return error.kind == ErrorKind::kInvalid ? kInvalidConfiguration : kFailed;
}

int Say(const Error& error) {
  std::fputs(std::format("egressd: {}\n", error.message).c_str(), stderr);
  return ExitCode(error);
}

// Tells the others that this node has left. Nobody hears it when there is no key, no network, or no state: then they find out by
// themselves.
void SayFarewell(const Setup& setup, kernel::Kernel& kernel) {
  const auto host = kernel.ReadHost();
  const auto settings = SettingsOf(setup);
  if (!host || !settings) return;
  const std::vector<agent::OutgoingDatagram> farewell = agent::Farewell(*settings, *host);
  if (farewell.empty()) return;
  auto socket = net::UdpSocket::Bind(ListenAddress(setup.config, *host));
  if (!socket) return;
  for (const agent::OutgoingDatagram& datagram : farewell) {
    if (auto sent = socket->Send(datagram.to, datagram.bytes); !sent) Say(sent.error());
  }
}

// The two tasks that only take away. A broken node file must not keep addresses in place, so it is read for the names of things alone.
int TakeAway(const Options& options) {
  const auto setup = ReadSetup(options);
  const policy::NodeConfig config = setup ? setup->config : policy::NodeConfig{};
  const bool everything = options.task == Options::Task::kCleanup;
  if (!setup && everything && options.config_given) {
    std::fputs((ToString(setup.error()) + '\n').c_str(), stderr);
    return kInvalidConfiguration;
  }
  if (control::MakeDirectory(options.run_directory, 0755)) {
    auto lock = control::LockDirectory(options.run_directory);
    if (!lock && lock.error().kind == ErrorKind::kStale) return Say(std::move(lock.error()).In("stop it first"));
  }
  auto kernel = kernel::Kernel::Open({.tunnel_device = config.tunnel.device,
                                      .first_table = config.datapath.first_table,
                                      .last_table = config.datapath.last_table,
                                      .state_directory = options.state_directory});
  if (!kernel) return Say(kernel.error());
  const auto done = everything ? kernel->Cleanup() : kernel->ReleaseEgressAddresses();
  if (!done) return Say(done.error());
  // What is still at its place is not given to others. Said once: who misses it waits for the leases.
  if (setup && !everything) SayFarewell(*setup, *kernel);
  std::fputs(std::format("egressd: {} {}\n", done->size(), everything ? "kernel objects removed" : "egress addresses released").c_str(),
             stderr);
  return kDone;
}

int Serve(const Options& options) {
  auto setup = ReadSetup(options);
  if (!setup) {
    std::fputs((ToString(setup.error()) + '\n').c_str(), stderr);
    return kInvalidConfiguration;
  }
  auto daemon = Daemon::Open(std::move(*setup));
  if (!daemon) return Say(daemon.error());
  return (*daemon)->Run();
}

}  // namespace

int Main(int argument_count, char** arguments) {
  const auto options = ParseOptions(argument_count, arguments);
  if (!options) {
    std::fputs(std::format("egressd: {}\nTry 'egressd --help'.\n", options.error().message).c_str(), stderr);
    return kUsage;
  }
  if (!StartLog(options->log_level)) {
    std::fputs(std::format("egressd: --log-level: unknown level '{}': trace, debug, info, warning, error\n", options->log_level).c_str(),
               stderr);
    return kUsage;
  }
  switch (options->task) {
    case Options::Task::kHelp: std::fputs(Usage(), stdout); return kDone;
    case Options::Task::kVersion: std::fputs("egressd " EGRESSD_VERSION "\n", stdout); return kDone;
    case Options::Task::kReleaseAfterCrash:
    case Options::Task::kCleanup: return TakeAway(*options);
    case Options::Task::kServe: return Serve(*options);
  }
  return kFailed;
}

}  // namespace egressd::daemon
