#include "daemon/start.h"

#include <chrono>
#include <random>
#include <utility>

#include "egressd/control/files.h"

namespace egressd::daemon {
namespace {

std::uint64_t WallMilliseconds() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

std::uint64_t Seed() {
  std::random_device random;
  return (std::uint64_t{random()} << 32U) | random();
}

}  // namespace

Core::Files FilesIn(const Options& options) {
  return {.generation = options.state_directory + "/generation", .keys = options.state_directory + "/keys"};
}

Result<agent::Settings> SettingsOf(const Setup& setup) {
  const Core::Files files = FilesIn(setup.options);
  auto stored = control::ReadFile(files.generation);
  if (!stored && stored.error().kind != ErrorKind::kNotFound) return std::unexpected(std::move(stored.error()));
  auto stored_keys = control::ReadFile(files.keys);
  if (!stored_keys && stored_keys.error().kind != ErrorKind::kNotFound) return std::unexpected(std::move(stored_keys.error()));
  return agent::Settings{.config = setup.config,
                         .keys = setup.keys,
                         .incarnation = WallMilliseconds(),
                         .seed = Seed(),
                         .stored = stored ? std::move(*stored) : "",
                         .stored_keys = stored_keys ? std::move(*stored_keys) : "",
                         .slots = {},
                         .held = {}};
}

Endpoint ListenAddress(const policy::NodeConfig& config, const state::Host& host) {
  Endpoint out{.port = config.cluster.listen_port};
  if (config.cluster.listen_address) {
    out.address = *config.cluster.listen_address;
  } else if (config.node.address) {
    out.address = *config.node.address;
  } else {
    const bool ipv6 = config.cluster.join.empty()
                          ? host.DefaultRoute(Family::kIpv4) == nullptr && host.DefaultRoute(Family::kIpv6) != nullptr
                          : config.cluster.join.front().address.family() == Family::kIpv6;
    if (ipv6) out.address = IpAddress::Ipv6(std::array<std::uint8_t, 16>{});
  }
  return out;
}

}  // namespace egressd::daemon
