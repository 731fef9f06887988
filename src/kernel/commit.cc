#include "kernel/commit.h"

#include <net/if.h>

#include <cerrno>
#include <format>
#include <type_traits>

#include "kernel/address.h"
#include "kernel/fdb.h"
#include "kernel/link.h"
#include "kernel/neighbour.h"
#include "kernel/route.h"
#include "kernel/rule.h"
#include "kernel/vlan.h"

namespace egressd::kernel {
namespace {

using state::Operation;

template <typename Kind, typename... Others>
inline constexpr bool kIsOneOf = (std::is_same_v<Kind, Others> || ...);

template <typename Kind>
inline constexpr bool kIsNft =
    kIsOneOf<Kind, state::NftTable, state::NftCounter, state::NftLimit, state::NftSet, state::NftChain, state::NftElement>;

bool IsGone(int error_number) {
  return error_number == ENOENT || error_number == ESRCH || error_number == ENODEV || error_number == EADDRNOTAVAIL;
}

// The messages of each kind under one name each.
RouteMessage Create(const state::Address& object, std::uint32_t index) { return CreateAddress(object, index); }
RouteMessage Create(const state::Neighbour& object, std::uint32_t index) { return CreateNeighbour(object, index); }
RouteMessage Create(const state::FdbEntry& object, std::uint32_t index) { return CreateFdbEntry(object, index); }
RouteMessage Create(const state::Route& object, std::uint32_t index) { return CreateRoute(object, index); }
RouteMessage Removal(const state::Address& object, std::uint32_t index) { return RemoveAddress(object, index); }
RouteMessage Removal(const state::Neighbour& object, std::uint32_t index) { return RemoveNeighbour(object, index); }
RouteMessage Removal(const state::FdbEntry& object, std::uint32_t index) { return RemoveFdbEntry(object, index); }
RouteMessage Removal(const state::Route& object, std::uint32_t index) { return RemoveRoute(object, index); }

const std::string& DeviceOf(const state::Route& route) { return route.device; }
template <typename Kind>
const std::string& DeviceOf(const Kind& object) {
  return object.key.device;
}

std::unexpected<Error> NoDevice(const std::string& what, const std::string& device) {
  return Fail(ErrorKind::kSystem, std::format("{}: there is no device {}", what, device));
}

}  // namespace

bool Committer::Runs(const state::Step& step) {
  return std::visit([]<typename Kind>(const Kind&) { return !kIsNft<Kind>; }, step.object);
}

Result<void> Committer::Run(const state::Step& step, const state::State& believed) {
  const auto run = [&]<typename Kind>(const Kind& object) -> Result<void> {
    if constexpr (kIsNft<Kind>) {
      return {};
    } else {
      const std::string what = std::format("{} {}", ToString(step.operation), ToString(object));
      const bool removal = step.operation == Operation::kRemove;
      if constexpr (std::is_same_v<Kind, state::Link>) {
        return RunLink(step.operation, object, believed, what);
      } else if constexpr (std::is_same_v<Kind, state::Vlan>) {
        return RunVlan(step.operation, object, believed, what);
      } else if constexpr (std::is_same_v<Kind, state::Sysctl>) {
        return removal ? sysctls_.Restore(object.key.path) : sysctls_.Write(object);
      } else if constexpr (std::is_same_v<Kind, state::Rule>) {
        return removal ? Remove(RemoveRule(object), what) : Put(CreateRule(object), what);
      } else if constexpr (std::is_same_v<Kind, state::EgressAddress>) {
        return RunEgressAddress(step.operation, object, what);
      } else {
        const std::uint32_t index = ::if_nametoindex(DeviceOf(object).c_str());
        if (removal) return index == 0 ? Result<void>{} : Remove(Removal(object, index), what);
        if (index == 0) return NoDevice(what, DeviceOf(object));
        return Put(Create(object, index), what);
      }
    }
  };
  return std::visit(run, step.object);
}

Result<void> Committer::Put(const RouteMessage& message, const std::string& what) {
  const auto done = socket_.Request(message);
  if (!done && done.error().error_number != EEXIST) return std::unexpected(done.error().As(what));
  return {};
}

Result<void> Committer::Remove(const RouteMessage& message, const std::string& what) {
  const auto done = socket_.Request(message);
  if (!done && !IsGone(done.error().error_number)) return std::unexpected(done.error().As(what));
  return {};
}

Result<void> Committer::RunLink(Operation operation, const state::Link& link, const state::State& believed, const std::string& what) {
  const std::uint32_t index = ::if_nametoindex(link.key.name.c_str());
  const auto found = believed.links.find(link.key);
  if (found == believed.links.end()) {
    if (operation == Operation::kRemove) return {};
    if (index != 0) {
      return Fail(ErrorKind::kSystem, std::format("{}: a device of this name exists and is not egressd's; rename or remove it, or choose "
                                                  "another tunnel device",
                                                  what));
    }
    return MakeLink(link, what);
  }
  const bool keep = operation != Operation::kRemove && CanChange(found->second, link);
  if (keep) return DressLink(link, what);
  if (index != 0) {
    if (auto removed = Remove(RemoveLink(index), what); !removed) return removed;
  }
  return operation == Operation::kRemove ? Result<void>{} : MakeLink(link, what);
}

Result<void> Committer::MakeLink(const state::Link& link, const std::string& what) {
  if (const auto made = socket_.Request(CreateLink(link)); !made) return std::unexpected(made.error().As(what));
  auto dressed = DressLink(link, what);
  const std::uint32_t index = ::if_nametoindex(link.key.name.c_str());
  if (!dressed && index != 0) socket_.Request(RemoveLink(index));
  return dressed;
}

Result<void> Committer::DressLink(const state::Link& link, const std::string& what) {
  const std::uint32_t index = ::if_nametoindex(link.key.name.c_str());
  if (index == 0) return NoDevice(what, link.key.name);
  auto named = socket_.Request(NameLink(index));
  if (!named && named.error().error_number == EAFNOSUPPORT) named = socket_.Request(NameLinkWithoutIpv6(index));
  if (!named) return std::unexpected(named.error().As(what));
  if (const auto changed = socket_.Request(ChangeLink(link, index)); !changed) return std::unexpected(changed.error().As(what));
  return {};
}

Result<void> Committer::RunVlan(Operation operation, const state::Vlan& vlan, const state::State& believed, const std::string& what) {
  const std::uint32_t index = ::if_nametoindex(vlan.key.name.c_str());
  const auto found = believed.vlans.find(vlan.key);
  if (found == believed.vlans.end()) {
    if (operation == Operation::kRemove) return {};
    if (index != 0) return Fail(ErrorKind::kSystem, std::format("{}: a device of this name exists and is not egressd's", what));
  }
  const bool keep = operation != Operation::kRemove && found != believed.vlans.end() && found->second.parent == vlan.parent &&
                    found->second.id == vlan.id;
  if (!keep) {
    if (index != 0) {
      if (auto removed = Remove(RemoveLink(index), what); !removed) return removed;
    }
    if (operation == Operation::kRemove) return {};
    const std::uint32_t parent = ::if_nametoindex(vlan.parent.c_str());
    if (parent == 0) return NoDevice(what, vlan.parent);
    if (const auto made = socket_.Request(CreateVlan(vlan, parent)); !made) {
      auto error = made.error().As(what);
      if (made.error().error_number == EOPNOTSUPP) error.message += " (this kernel has no 8021q)";
      return std::unexpected(std::move(error));
    }
  }
  const std::uint32_t made = ::if_nametoindex(vlan.key.name.c_str());
  if (made == 0) return NoDevice(what, vlan.key.name);
  for (const RouteMessage& message : {NameVlan(made), ChangeVlan(vlan, made)}) {
    if (const auto done = socket_.Request(message); !done) return std::unexpected(done.error().As(what));
  }
  return {};
}

Result<void> Committer::RunEgressAddress(Operation operation, const state::EgressAddress& address, const std::string& what) {
  const std::uint32_t index = ::if_nametoindex(address.key.device.c_str());
  if (operation == Operation::kRemove) {
    if (index == 0 || foreign_.erase(address.key) != 0) return {};
    if (auto removed = Remove(RemoveEgressAddress(address, index), what); !removed) return removed;
    lifetimes_.Forget(address.key);
    return memory_.Remove(address.key);
  }
  if (index == 0) return NoDevice(what, address.key.device);
  if (operation == Operation::kReplace) return foreign_.contains(address.key) ? Result<void>{} : WriteAgain(address, index, what);
  const bool known = memory_.Contains(address.key);
  if (auto remembered = memory_.Add(address.key); !remembered) return remembered;
  const auto done = socket_.Request(CreateEgressAddress(address, index));
  if (done) {
    foreign_.erase(address.key);
    lifetimes_.Wrote(address);
    return {};
  }
  if (done.error().error_number == EEXIST && known) return WriteAgain(address, index, what);
  if (auto forgotten = memory_.Remove(address.key); !forgotten) return forgotten;
  if (done.error().error_number != EEXIST) return std::unexpected(done.error().As(what));
  foreign_.insert(address.key);
  return {};
}

Result<void> Committer::WriteAgain(const state::EgressAddress& address, std::uint32_t device_index, const std::string& what) {
  const auto done = socket_.Request(ReplaceEgressAddress(address, device_index));
  if (!done) return std::unexpected(done.error().As(what));
  lifetimes_.Wrote(address);
  return {};
}

Result<void> Committer::Prolong(const state::EgressAddress& address) {
  if (foreign_.contains(address.key)) return {};
  const std::string what = "prolong " + ToString(address);
  const std::uint32_t index = ::if_nametoindex(address.key.device.c_str());
  if (index == 0) return NoDevice(what, address.key.device);
  return WriteAgain(address, index, what);
}

}  // namespace egressd::kernel
