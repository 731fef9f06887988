#include "agent/slots.h"

#include <algorithm>
#include <optional>
#include <set>

#include "egressd/plan/plan.h"

namespace egressd::agent {

void SlotTable::Assign(const std::vector<Gateway>& gateways) {
  std::erase_if(slots_, [&](const auto& entry) { return !std::ranges::contains(gateways, entry.first, &Gateway::name); });
  std::set<Slot> used;
  for (const auto& [name, slot] : slots_) used.insert(slot);
  const auto valid = [](Slot slot) { return slot.value >= 1 && slot.value <= plan::kLastPeerSlot; };
  for (const Gateway& gateway : gateways) {
    if (slots_.contains(gateway.name)) continue;
    for (const IpAddress& address : {gateway.tunnel_ipv4, gateway.tunnel_ipv6}) {
      const auto found = found_.find(address);
      if (found == found_.end() || !valid(found->second) || used.contains(found->second)) continue;
      slots_[gateway.name] = found->second;
      used.insert(found->second);
      break;
    }
  }
  std::set<Slot> reserved = used;
  for (const auto& [address, slot] : found_) reserved.insert(slot);
  const auto lowest_not_in = [&](const std::set<Slot>& taken) -> std::optional<Slot> {
    for (unsigned value = 1; value <= plan::kLastPeerSlot; ++value) {
      if (const Slot slot{static_cast<std::uint8_t>(value)}; !taken.contains(slot)) return slot;
    }
    return std::nullopt;
  };
  for (const Gateway& gateway : gateways) {
    if (slots_.contains(gateway.name)) continue;
    auto slot = lowest_not_in(reserved);
    if (!slot) slot = lowest_not_in(used);
    if (!slot) return;
    slots_[gateway.name] = *slot;
    used.insert(*slot);
    reserved.insert(*slot);
  }
}

}  // namespace egressd::agent
