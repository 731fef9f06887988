#include "egressd/policy/binding.h"

#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "policy/checks.h"
#include "policy/pool_layout.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

constexpr std::array kFamilies = {Family::kIpv4, Family::kIpv6};

// The egress addresses of one policy.
using Addresses = std::map<Family, std::vector<IpAddress>>;

bool LacksOne(const Addresses& addresses, Family family, std::size_t wanted) {
  const auto found = addresses.find(family);
  return (found == addresses.end() ? 0 : found->second.size()) < wanted;
}

// A pool while addresses are handed out: everything before a cursor is used, and stays used until Bind ends.
struct OpenPool {
  explicit OpenPool(const Pool& pool) : layout(pool) {}
  PoolLayout layout;
  std::map<Family, std::uint64_t> cursor;
};

class AddressBook {
 public:
  AddressBook(const PolicySet& set, const Bindings& previous) {
    for (const auto& [name, pool] : set.pools) pools_.emplace(name, pool);
    for (const Binding& binding : previous.bindings) {
      if (binding.egress_ip) previous_[binding.policy][binding.family].push_back(*binding.egress_ip);
    }
  }

  void Use(const Addresses& addresses) {
    for (const auto& [family, list] : addresses) used_.insert(list.begin(), list.end());
  }
  Addresses Default(const Gateway& gateway);
  // What the policy had before and may keep, as far as the gateway's pools still hold it (and, in a pool of pairs, both halves): at most
  // so many of each family.
  Addresses Kept(const std::string& policy, const Gateway& gateway, std::size_t wanted);
  // Fills the families that the gateway offers with unused addresses, up to so many.
  void Complete(const Gateway& gateway, std::size_t wanted, Addresses& addresses);
  bool Offers(const Gateway& gateway, Family family);

 private:
  std::vector<OpenPool*> PoolsOf(const Gateway& gateway);
  std::optional<IpAddress> TakeOne(OpenPool& pool, Family family);
  bool TakePair(OpenPool& pool, Addresses& addresses);
  void Keep(const OpenPool& pool, const IpAddress& address, std::size_t wanted, Addresses& kept);

  std::map<std::string, OpenPool> pools_;
  std::unordered_map<std::string, Addresses> previous_;
  std::unordered_set<IpAddress> used_;
  std::unordered_set<IpAddress> kept_;
};

std::vector<OpenPool*> AddressBook::PoolsOf(const Gateway& gateway) {
  std::vector<OpenPool*> pools;
  for (const std::string& name : gateway.pools) {
    const auto found = pools_.find(name);
    if (found != pools_.end()) pools.push_back(&found->second);
  }
  return pools;
}

bool AddressBook::Offers(const Gateway& gateway, Family family) {
  return std::ranges::any_of(PoolsOf(gateway), [&](const OpenPool* pool) { return !pool->layout.Ranges(family).empty(); });
}

Addresses AddressBook::Default(const Gateway& gateway) {
  std::map<Family, IpAddress> chosen;
  if (gateway.default_ipv4) chosen.emplace(Family::kIpv4, *gateway.default_ipv4);
  if (gateway.default_ipv6) chosen.emplace(Family::kIpv6, *gateway.default_ipv6);
  for (const OpenPool* pool : PoolsOf(gateway)) {
    for (const auto given = chosen; const auto& [family, address] : given) {
      if (const auto mate = pool->layout.MateOf(address)) chosen.emplace(mate->family(), *mate);
    }
    for (const Family family : kFamilies) {
      if (const auto first = pool->layout.At(family, 0)) chosen.emplace(family, *first);
    }
  }
  Addresses addresses;
  for (const auto& [family, address] : chosen) addresses[family] = {address};
  return addresses;
}

Addresses AddressBook::Kept(const std::string& policy, const Gateway& gateway, std::size_t wanted) {
  const auto found = previous_.find(policy);
  if (found == previous_.end()) return {};
  Addresses kept;
  // IPv4 comes first, so an IPv6 address that is no longer its mate gives way.
  for (const auto& [family, addresses] : found->second) {
    for (const IpAddress& address : addresses) {
      for (const OpenPool* pool : PoolsOf(gateway)) {
        if (pool->layout.Contains(address)) Keep(*pool, address, wanted, kept);
      }
    }
  }
  return kept;
}

// Policies that shared an address by wish, and now want one of their own, do not both keep it.
void AddressBook::Keep(const OpenPool& pool, const IpAddress& address, std::size_t wanted, Addresses& kept) {
  std::vector<IpAddress> both{address};
  if (const auto mate = pool.layout.MateOf(address)) both.push_back(*mate);
  const bool fits = std::ranges::all_of(
      both, [&](const IpAddress& each) { return !kept_.contains(each) && LacksOne(kept, each.family(), wanted); });
  if (!fits) return;
  for (const IpAddress& each : both) {
    kept[each.family()].push_back(each);
    kept_.insert(each);
  }
}

std::optional<IpAddress> AddressBook::TakeOne(OpenPool& pool, Family family) {
  std::uint64_t& cursor = pool.cursor[family];
  while (const std::optional<IpAddress> address = pool.layout.At(family, cursor)) {
    ++cursor;
    if (used_.insert(*address).second) return address;
  }
  return std::nullopt;
}

bool AddressBook::TakePair(OpenPool& pool, Addresses& addresses) {
  std::uint64_t& cursor = pool.cursor[Family::kIpv4];
  while (true) {
    const std::optional<IpAddress> ipv4 = pool.layout.At(Family::kIpv4, cursor);
    const std::optional<IpAddress> ipv6 = pool.layout.At(Family::kIpv6, cursor);
    if (!ipv4 || !ipv6) return false;
    ++cursor;
    if (used_.contains(*ipv4) || used_.contains(*ipv6)) continue;
    for (const IpAddress& address : {*ipv4, *ipv6}) {
      used_.insert(address);
      addresses[address.family()].push_back(address);
    }
    return true;
  }
}

void AddressBook::Complete(const Gateway& gateway, std::size_t wanted, Addresses& addresses) {
  for (OpenPool* pool : PoolsOf(gateway)) {
    if (pool->layout.pair()) {
      while (LacksOne(addresses, Family::kIpv4, wanted) && LacksOne(addresses, Family::kIpv6, wanted) && TakePair(*pool, addresses)) {
      }
      continue;
    }
    for (const Family family : kFamilies) {
      while (LacksOne(addresses, family, wanted)) {
        const auto address = TakeOne(*pool, family);
        if (!address) break;
        addresses[family].push_back(*address);
      }
    }
  }
}

// Ids: kept for pairs that live on, else upwards from the cursor, around the end, past those in use.
class IdBook {
 public:
  explicit IdBook(const Bindings& previous) : cursor_(previous.cursor) {
    for (const Binding& binding : previous.bindings) previous_.emplace(KeyOf(binding), binding.id);
  }

  // False when there are more bindings than ids.
  bool Assign(std::vector<Binding>& bindings) {
    if (bindings.size() > kLastEgressId.value) return false;
    std::vector<bool> taken(std::size_t{kLastEgressId.value} + 1, false);
    for (Binding& binding : bindings) {
      const auto found = previous_.find(KeyOf(binding));
      if (found == previous_.end() || found->second.value == 0 || found->second > kLastEgressId || taken[found->second.value]) continue;
      binding.id = found->second;
      taken[binding.id.value] = true;
    }
    for (Binding& binding : bindings) {
      if (binding.id.value != 0) continue;
      do {
        cursor_.value = cursor_ >= kLastEgressId ? std::uint16_t{1} : static_cast<std::uint16_t>(cursor_.value + 1);
      } while (taken[cursor_.value]);
      binding.id = cursor_;
      taken[cursor_.value] = true;
    }
    return true;
  }
  EgressId cursor() const { return cursor_; }

 private:
  using Key = std::tuple<std::string, Family, std::optional<IpAddress>>;
  static Key KeyOf(const Binding& binding) { return {binding.policy, binding.family, binding.egress_ip}; }

  std::map<Key, EgressId> previous_;
  EgressId cursor_;
};

struct Job {
  const Policy* policy = nullptr;
  const Gateway* gateway = nullptr;  // nullptr: the workload's own node
  Addresses addresses;
};

std::vector<Finding> Exhausted(AddressBook& book, const Job& job) {
  std::vector<Finding> findings;
  const std::size_t wanted = ReplicasOf(*job.policy);
  for (const Family family : kFamilies) {
    if (!LacksOne(job.addresses, family, wanted) || !book.Offers(*job.gateway, family)) continue;
    const std::string pool = job.gateway->pools.empty() ? "of the gateway" : job.gateway->pools.front();
    const std::string path = "policies." + job.policy->name;
    if (wanted == 1) {
      findings.push_back(Error(rule::kPoolExhausted, path + ".egress_ip",
                               std::format("the pools of gateway {} have no unused {} address left for `egress_ip: auto`",
                                           job.gateway->name, Spelled(family)),
                               std::format("add addresses to pool {}, or share one with `egress_ip: default`", pool)));
      continue;
    }
    const auto found = job.addresses.find(family);
    const std::size_t had = found == job.addresses.end() ? 0 : found->second.size();
    findings.push_back(Error(rule::kPoolExhausted, path + ".replicas",
                             std::format("the pools of gateway {} have only {} of {} unused {} addresses for `replicas: {}`",
                                         job.gateway->name, had, wanted, Spelled(family), wanted),
                             had == 0 ? std::format("add addresses to pool {}", pool)
                                      : std::format("add addresses to pool {}, or `replicas: {}`", pool, had)));
  }
  return findings;
}

std::vector<Job> Jobs(const PolicySet& set) {
  std::vector<Job> jobs;
  for (const auto& [name, policy] : set.policies) {
    if (!policy.enabled || !UsesGateway(policy)) continue;
    const Gateway* gateway = GatewayOf(set, policy);
    if (gateway != nullptr || LeavesFromOwnNode(policy)) jobs.push_back({.policy = &policy, .gateway = gateway, .addresses = {}});
  }
  return jobs;
}

bool UsesNodeAddress(const Job& job) { return job.gateway == nullptr || job.policy->egress_ip.kind == EgressIpChoice::Kind::kNode; }

// What is settled before anybody takes an unused address.
void Settle(AddressBook& book, Job& job) {
  using enum EgressIpChoice::Kind;
  if (UsesNodeAddress(job)) return;
  const std::size_t wanted = ReplicasOf(*job.policy);
  const EgressIpChoice& choice = job.policy->egress_ip;
  if (choice.kind == kDefault) job.addresses = book.Default(*job.gateway);
  if (choice.kind == kAuto) job.addresses = book.Kept(job.policy->name, *job.gateway, wanted);
  if (choice.kind == kAddress) {
    for (const AddressPair& pair : choice.addresses) {
      if (pair.ipv4) job.addresses[Family::kIpv4].push_back(*pair.ipv4);
      if (pair.ipv6) job.addresses[Family::kIpv6].push_back(*pair.ipv6);
    }
  }
  book.Use(job.addresses);  // also what is listed for the day when there are more replicas
  for (auto& [family, addresses] : job.addresses) addresses.resize(std::min(addresses.size(), wanted));
}

void AppendBindings(const Job& job, std::vector<Binding>& bindings) {
  const std::string gateway = job.gateway == nullptr ? std::string(kSelf) : job.gateway->name;
  for (const Family family : kFamilies) {
    const Binding binding{.policy = job.policy->name, .gateway = gateway, .family = family};
    if (UsesNodeAddress(job)) bindings.push_back(binding);
    const auto found = job.addresses.find(family);
    if (found == job.addresses.end()) continue;
    for (const IpAddress& address : found->second) {
      bindings.push_back(binding);
      bindings.back().egress_ip = address;
    }
  }
}

}  // namespace

std::expected<Bindings, std::vector<Finding>> Bind(const PolicySet& set, const Bindings& previous) {
  std::vector<Job> jobs = Jobs(set);
  AddressBook book(set, previous);
  // First everything that is already settled, so that `auto` does not take what another policy has or asks for.
  for (Job& job : jobs) Settle(book, job);
  std::vector<Finding> findings;
  std::vector<Binding> bindings;
  for (Job& job : jobs) {
    if (!UsesNodeAddress(job) && job.policy->egress_ip.kind == EgressIpChoice::Kind::kAuto) {
      book.Complete(*job.gateway, ReplicasOf(*job.policy), job.addresses);
      const std::vector<Finding> missing = Exhausted(book, job);
      findings.insert(findings.end(), missing.begin(), missing.end());
    }
    AppendBindings(job, bindings);
  }
  IdBook ids(previous);
  if (!ids.Assign(bindings)) {
    findings.push_back(Error(rule::kIdsExhausted, "policies",
                             std::format("the policies need {} egress ids, and there are {}", bindings.size(), kLastEgressId.value),
                             "put policies that share an egress IP together: `from:` takes a list of selectors"));
  }
  if (!findings.empty()) return std::unexpected(std::move(findings));
  std::ranges::sort(bindings);
  return Bindings{.bindings = std::move(bindings), .cursor = ids.cursor()};
}

std::vector<Finding> RemovedInUse(const PolicySet& set, const Bindings& previous) {
  std::map<std::string, PoolLayout> layouts;
  for (const auto& [name, pool] : set.pools) layouts.emplace(name, pool);
  std::vector<Finding> findings;
  for (const Binding& binding : previous.bindings) {
    const auto found = set.policies.find(binding.policy);
    if (!binding.egress_ip || found == set.policies.end() || !found->second.enabled || !UsesGateway(found->second)) continue;
    const Gateway* gateway = GatewayOf(set, found->second);
    if (gateway == nullptr || gateway->name != binding.gateway || found->second.egress_ip.kind != EgressIpChoice::Kind::kAuto) continue;
    const bool offered = std::ranges::any_of(gateway->pools, [&](const std::string& pool) {
      const auto layout = layouts.find(pool);
      return layout != layouts.end() && layout->second.Contains(*binding.egress_ip);
    });
    if (offered) continue;
    findings.push_back(Warning(rule::kInUseRemoved, "gateways." + gateway->name + ".pool",
                               std::format("{} is in use by policy {}, and no pool of gateway {} offers it any more: the policy gets "
                                           "another egress IP, and its connections through this one end",
                                           binding.egress_ip->ToString(), binding.policy, gateway->name),
                               "put it back to keep it"));
  }
  return findings;
}

std::uint64_t CountOf(const Pool& pool, Family family) { return PoolLayout(pool).Count(family); }

bool Contains(const Pool& pool, const IpAddress& address) { return PoolLayout(pool).Contains(address); }

std::vector<IpAddress> AddressesOf(const Pool& pool, Family family, std::size_t limit) {
  std::vector<IpAddress> addresses;
  const PoolLayout layout(pool);
  for (const AddressRange& range : layout.Ranges(family)) {
    for (std::optional<IpAddress> at = range.first; at && *at <= range.last && at->family() == family; at = at->Next()) {
      if (addresses.size() == limit) return addresses;
      addresses.push_back(*at);
    }
  }
  return addresses;
}

}  // namespace egressd::policy
