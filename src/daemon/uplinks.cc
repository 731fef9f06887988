#include "daemon/uplinks.h"

#include "daemon/log.h"

namespace egressd::daemon {

namespace {

// Longer than any agent waits before it takes an address.
constexpr Duration kWaitForAnswer = std::chrono::seconds(5);

using ByDevice = std::map<std::string, std::vector<IpAddress>>;

template <typename Entry>
ByDevice Sorted(const std::vector<Entry>& entries) {
  ByDevice out;
  for (const Entry& entry : entries) out[entry.device].push_back(entry.address);
  return out;
}

}  // namespace

Result<Uplinks> Uplinks::Open() {
  auto socket = kernel::AnnounceSocket::Open();
  if (!socket) return std::unexpected(std::move(socket.error()));
  auto watch = kernel::UplinkWatch::Open();
  if (!watch) return std::unexpected(std::move(watch.error()));
  return Uplinks(std::move(*socket), std::move(*watch));
}

std::vector<agent::ForeignAnnouncement> Uplinks::Take() {
  std::vector<agent::ForeignAnnouncement> out;
  for (kernel::Heard& heard : watch_.Take()) {
    if (!heard.probe) out.push_back({.address = heard.address, .device = std::move(heard.device), .mac = heard.mac});
  }
  return out;
}

void Uplinks::Announce(const std::vector<agent::Announcement>& announcements) const {
  for (const auto& [device, addresses] : Sorted(announcements)) {
    if (auto announced = socket_.Announce(addresses, device); !announced) Warn(announced.error().message);
  }
}

void Uplinks::Probe(const std::vector<agent::AddressProbe>& probes, const state::State& desired, const state::Host& host, Time now) {
  if (probes.empty()) return;
  for (const agent::AddressProbe& probe : probes) probed_[probe] = now + kWaitForAnswer;
  Watch(desired, host, now);
  for (const auto& [device, addresses] : Sorted(probes)) {
    if (auto probed = socket_.Probe(addresses, device); !probed) Warn(probed.error().message);
  }
}

void Uplinks::Watch(const state::State& desired, const state::Host& host, Time now) {
  std::erase_if(probed_, [&](const auto& entry) { return entry.second <= now; });
  kernel::UplinkWatch::Wanted wanted;
  const auto want = [&](const std::string& device, const IpAddress& address) {
    const bool is_vlan = desired.vlans.contains({.name = device});
    if (host.Device(device) == nullptr && !is_vlan) return;  // the agent hears of that as well
    wanted.devices.insert(device);
    wanted.addresses.insert(address);
  };
  for (const auto& [key, address] : desired.egress_addresses) want(key.device, key.address);
  for (const auto& [probe, until] : probed_) want(probe.device, probe.address);
  for (const state::HostDevice& device : host.devices) wanted.own.insert(device.mac);
  const auto watched = watch_.Watch(wanted);
  const std::string trouble = watched ? "" : watched.error().message;
  if (!trouble.empty() && trouble != trouble_) Warn(trouble);
  trouble_ = trouble;
}

}  // namespace egressd::daemon
