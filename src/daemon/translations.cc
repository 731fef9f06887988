#include "daemon/translations.h"

#include <format>

#include "daemon/log.h"

namespace egressd::daemon {
namespace {

constexpr kernel::MarkMatch kDecided{.value = plan::kDecided, .mask = plan::kDecidedMask};

}  // namespace

Translations::Translations(const policy::NodeConfig::Tunnel& tunnel, Journal& journal)
    : networks_{tunnel.ipv4, tunnel.ipv6}, journal_(&journal) {
  auto listener = kernel::RemapListener::Open(networks_, kDecided);
  if (!listener) {
    Warn("changed ports are not told to source nodes: " + listener.error().message);
    return;
  }
  listener_ = std::move(*listener);
}

void Translations::Take(const std::function<void(const agent::Input&)>& feed) {
  if (!listener_) return;
  const auto taken = listener_->Take();
  if (taken.lost) return feed(CollectRemapped());
  if (!taken.translations.empty()) feed(agent::Remapped{.translations = taken.translations});
}

agent::Collected Translations::Collect(const agent::Collect& collect, const plan::TunnelIdentity& self) {
  agent::Collected collected{.request = collect.request, .translations = {}};
  auto found = kernel::CollectTranslations(collect.ids, {.ipv4 = self.ipv4, .ipv6 = self.ipv6}, kDecided);
  if (found) {
    collected.translations = std::move(*found);
  } else {
    Complain("connection tracking: " + found.error().message);
  }
  return collected;
}

agent::Remapped Translations::CollectRemapped() {
  auto found = kernel::CollectRemapped(networks_, kDecided);
  if (!found) {
    Complain("connection tracking: " + found.error().message);
    return {};
  }
  return {.translations = std::move(*found)};
}

void Translations::Restore(const agent::Restore& restore) {
  if (restore.translations.empty()) return;
  const auto done = kernel::RestoreTranslations(restore.translations, kDecided);
  if (!done) return Complain("connection tracking: " + done.error().message);
  if (done->first_refusal) Complain(std::format("{} connections could not be taken over: {}", done->refused, done->first_refusal->message));
  Debug(std::format("{} connections taken over, {} were there, {} replaced", done->made, done->existed, done->replaced));
}

void Translations::Forget(const std::vector<IpAddress>& egress_ips) {
  if (egress_ips.empty()) return;
  if (auto done = kernel::ForgetTranslations(egress_ips, kDecided); !done) Complain("connection tracking: " + done.error().message);
}

}  // namespace egressd::daemon
