#include "daemon/connections.h"

#include <format>

#include "daemon/log.h"

namespace egressd::daemon {
namespace {

constexpr kernel::MarkMatch kDecided{.value = plan::kDecided, .mask = plan::kDecidedMask};

}  // namespace

Result<Connections> Connections::Open(const policy::NodeConfig::Tunnel& tunnel) {
  auto conntrack = kernel::Conntrack::Open();
  if (!conntrack) return std::unexpected(std::move(conntrack.error()));
  Connections connections(std::move(*conntrack), {tunnel.ipv4, tunnel.ipv6});
  if (auto listener = kernel::RemapListener::Open(connections.networks_, kDecided)) {
    connections.listener_ = std::move(*listener);
  } else {
    Warn("changed ports are not told to source nodes: " + listener.error().message);
  }
  return connections;
}

void Connections::Take(const std::function<void(const agent::Input&)>& feed) {
  if (!listener_) return;
  const auto taken = listener_->Take();
  if (taken.lost) return feed(CollectRemapped());
  if (!taken.translations.empty()) feed(agent::Remapped{.translations = taken.translations});
}

agent::Collected Connections::Collect(const agent::Collect& collect, const plan::TunnelIdentity& self) {
  agent::Collected collected{.request = collect.request, .translations = {}};
  auto found = kernel::CollectTranslations(conntrack_, collect.ids, {.ipv4 = self.ipv4, .ipv6 = self.ipv6}, kDecided);
  if (found) {
    collected.translations = std::move(*found);
  } else {
    Complain("connection tracking: " + found.error().message);
  }
  return collected;
}

agent::Remapped Connections::CollectRemapped() {
  auto found = kernel::CollectRemapped(conntrack_, networks_, kDecided);
  if (!found) {
    Complain("connection tracking: " + found.error().message);
    return {};
  }
  return {.translations = std::move(*found)};
}

void Connections::Restore(const agent::Restore& restore) {
  if (restore.translations.empty()) return;
  const auto done = kernel::RestoreTranslations(conntrack_, restore.translations, kDecided);
  if (!done) return Complain("connection tracking: " + done.error().message);
  if (done->first_refusal) Complain(std::format("{} connections could not be taken over: {}", done->refused, done->first_refusal->message));
  Debug(std::format("{} connections taken over, {} were there, {} replaced", done->made, done->existed, done->replaced));
}

void Connections::Forget(const std::vector<IpAddress>& egress_ips) {
  if (egress_ips.empty()) return;
  const auto done = kernel::ForgetTranslations(conntrack_, egress_ips, kDecided);
  if (!done) Complain("connection tracking: " + done.error().message);
}

std::size_t Connections::End(const std::function<bool(const kernel::Connection&)>& doomed) {
  const auto deleted = conntrack_.DeleteIf(doomed);
  if (!deleted) Complain("connection tracking: " + deleted.error().message);
  return deleted.value_or(0);
}

}  // namespace egressd::daemon
