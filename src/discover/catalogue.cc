#include "discover/catalogue.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace egressd::discover {

void Catalogue::Tell(const std::string& id, bool first) {
  if (!is_untold_.insert(id).second) {
    if (!first) return;
    std::erase(untold_, id);
  }
  first ? untold_.push_front(id) : untold_.push_back(id);
}

void Catalogue::Remove(const std::string& id) {
  const auto found = known_.find(id);
  if (found == known_.end()) return;
  for (const IpAddress& address : found->second.addresses) owners_.erase(address);
  known_.erase(found);
  Tell(id, true);
}

void Catalogue::Store(Container container) {
  const auto found = known_.find(container.id);
  if (found != known_.end()) {
    if (found->second == container.workload) return;
    for (const IpAddress& address : found->second.addresses) owners_.erase(address);
  }
  for (const IpAddress& address : container.workload.addresses) {
    const auto [owner, is_new] = owners_.try_emplace(address, container.id);
    if (is_new) continue;
    const std::string former = std::exchange(owner->second, container.id);
    std::vector<IpAddress>& left = known_.at(former).addresses;
    std::erase(left, address);
    if (left.empty()) known_.erase(former);
    Tell(former, true);
  }
  Tell(container.id, false);
  known_.insert_or_assign(std::move(container.id), std::move(container.workload));
}

void Catalogue::Set(Container container) {
  if (container.workload.addresses.empty()) return Remove(container.id);
  Store(std::move(container));
}

std::vector<std::string> Catalogue::Replace(std::vector<Container> all, const std::set<std::string>& newer) {
  std::map<IpAddress, std::size_t> shown;
  for (const Container& container : all) {
    for (const IpAddress& address : container.workload.addresses) ++shown[address];
  }
  std::set<std::string> listed;
  std::vector<std::string> doubtful;
  std::vector<Container> sure;
  for (Container& container : all) {
    if (newer.contains(container.id) || container.workload.addresses.empty()) continue;
    listed.insert(container.id);
    if (std::ranges::any_of(container.workload.addresses, [&](const IpAddress& address) { return shown[address] > 1; })) {
      doubtful.push_back(container.id);
    } else {
      sure.push_back(std::move(container));
    }
  }
  std::vector<std::string> gone;
  for (const auto& [id, workload] : known_) {
    if (!listed.contains(id) && !newer.contains(id)) gone.push_back(id);
  }
  for (const std::string& id : gone) Remove(id);
  for (Container& container : sure) Store(std::move(container));
  return doubtful;
}

std::vector<ContainerChange> Catalogue::Take(std::size_t at_most) {
  std::vector<ContainerChange> changes;
  while (!untold_.empty() && changes.size() < at_most) {
    ContainerChange change{.id = std::move(untold_.front())};
    untold_.pop_front();
    is_untold_.erase(change.id);
    if (const auto found = known_.find(change.id); found != known_.end()) change.workload = found->second;
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace egressd::discover
