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
using Addresses = std::map<Family, IpAddress>;

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
      if (binding.egress_ip) previous_[binding.policy].insert_or_assign(binding.family, *binding.egress_ip);
    }
  }

  void Use(const Addresses& addresses) {
    for (const auto& [family, address] : addresses) used_.insert(address);
  }
  Addresses Default(const Gateway& gateway);
  // What the policy had before and may keep, as far as the gateway's pools still hold it (and, in a pool of pairs, both halves).
  Addresses Kept(const std::string& policy, const Gateway& gateway);
  // Fills the families that the gateway offers and `addresses` lacks with unused addresses.
  void Complete(const Gateway& gateway, Addresses& addresses);
  bool Offers(const Gateway& gateway, Family family);

 private:
  std::vector<OpenPool*> PoolsOf(const Gateway& gateway);
  std::optional<IpAddress> TakeOne(OpenPool& pool, Family family);
  std::optional<Addresses> TakePair(OpenPool& pool);

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
  Addresses addresses;
  if (gateway.default_ipv4) addresses.emplace(Family::kIpv4, *gateway.default_ipv4);
  if (gateway.default_ipv6) addresses.emplace(Family::kIpv6, *gateway.default_ipv6);
  for (const OpenPool* pool : PoolsOf(gateway)) {
    for (const Addresses given = addresses; const auto& [family, address] : given) {
      if (const auto mate = pool->layout.MateOf(address)) addresses.emplace(mate->family(), *mate);
    }
    for (const Family family : kFamilies) {
      if (const auto first = pool->layout.At(family, 0)) addresses.emplace(family, *first);
    }
  }
  return addresses;
}

Addresses AddressBook::Kept(const std::string& policy, const Gateway& gateway) {
  const auto found = previous_.find(policy);
  if (found == previous_.end()) return {};
  Addresses kept;
  for (const auto& [family, address] : found->second) {
    for (const OpenPool* pool : PoolsOf(gateway)) {
      if (!pool->layout.Contains(address)) continue;
      kept.emplace(family, address);
      // IPv4 comes first, so an IPv6 address that is no longer its mate gives way.
      if (const auto mate = pool->layout.MateOf(address)) kept.emplace(mate->family(), *mate);
    }
  }
  // Policies that shared an address by wish, and now want one of their own, do not both keep it.
  for (const auto& [family, address] : kept) {
    if (kept_.contains(address)) return {};
  }
  for (const auto& [family, address] : kept) kept_.insert(address);
  return kept;
}

std::optional<IpAddress> AddressBook::TakeOne(OpenPool& pool, Family family) {
  std::uint64_t& cursor = pool.cursor[family];
  while (const std::optional<IpAddress> address = pool.layout.At(family, cursor)) {
    ++cursor;
    if (used_.insert(*address).second) return address;
  }
  return std::nullopt;
}

std::optional<Addresses> AddressBook::TakePair(OpenPool& pool) {
  std::uint64_t& cursor = pool.cursor[Family::kIpv4];
  while (true) {
    const std::optional<IpAddress> ipv4 = pool.layout.At(Family::kIpv4, cursor);
    const std::optional<IpAddress> ipv6 = pool.layout.At(Family::kIpv6, cursor);
    if (!ipv4 || !ipv6) return std::nullopt;
    ++cursor;
    if (used_.contains(*ipv4) || used_.contains(*ipv6)) continue;
    Addresses pair{{Family::kIpv4, *ipv4}, {Family::kIpv6, *ipv6}};
    Use(pair);
    return pair;
  }
}

void AddressBook::Complete(const Gateway& gateway, Addresses& addresses) {
  for (OpenPool* pool : PoolsOf(gateway)) {
    if (pool->layout.pair()) {
      if (addresses.empty()) addresses = TakePair(*pool).value_or(Addresses{});
      continue;
    }
    for (const Family family : kFamilies) {
      if (addresses.contains(family)) continue;
      if (const auto address = TakeOne(*pool, family)) addresses.emplace(family, *address);
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
  const Gateway* gateway = nullptr;
  Addresses addresses;
};

std::vector<Finding> Exhausted(AddressBook& book, const Job& job) {
  std::vector<Finding> findings;
  for (const Family family : kFamilies) {
    if (job.addresses.contains(family) || !book.Offers(*job.gateway, family)) continue;
    findings.push_back(Error(
        rule::kPoolExhausted, "policies." + job.policy->name + ".egress_ip",
        std::format("the pools of gateway {} have no unused {} address left for `egress_ip: auto`", job.gateway->name, Spelled(family)),
        std::format("add addresses to pool {}, or share one with `egress_ip: default`",
                    job.gateway->pools.empty() ? "of the gateway" : job.gateway->pools.front())));
  }
  return findings;
}

std::vector<Job> Jobs(const PolicySet& set) {
  std::vector<Job> jobs;
  for (const auto& [name, policy] : set.policies) {
    if (!policy.enabled || policy.action != Action::kSnat) continue;
    if (const Gateway* gateway = GatewayOf(set, policy)) jobs.push_back({.policy = &policy, .gateway = gateway});
  }
  return jobs;
}

}  // namespace

std::expected<Bindings, std::vector<Finding>> Bind(const PolicySet& set, const Bindings& previous) {
  std::vector<Job> jobs = Jobs(set);
  AddressBook book(set, previous);
  // First everything that is already settled, so that `auto` does not take what another policy has or asks for.
  for (Job& job : jobs) {
    const EgressIpChoice& choice = job.policy->egress_ip;
    if (choice.kind == EgressIpChoice::Kind::kAddress) {
      if (choice.ipv4) job.addresses.emplace(Family::kIpv4, *choice.ipv4);
      if (choice.ipv6) job.addresses.emplace(Family::kIpv6, *choice.ipv6);
    } else if (choice.kind == EgressIpChoice::Kind::kDefault) {
      job.addresses = book.Default(*job.gateway);
    } else if (choice.kind == EgressIpChoice::Kind::kAuto) {
      job.addresses = book.Kept(job.policy->name, *job.gateway);
    }
    book.Use(job.addresses);
  }
  std::vector<Finding> findings;
  std::vector<Binding> bindings;
  for (Job& job : jobs) {
    const EgressIpChoice::Kind kind = job.policy->egress_ip.kind;
    if (kind == EgressIpChoice::Kind::kAuto) {
      book.Complete(*job.gateway, job.addresses);
      const std::vector<Finding> missing = Exhausted(book, job);
      findings.insert(findings.end(), missing.begin(), missing.end());
    }
    for (const Family family : kFamilies) {
      const auto found = job.addresses.find(family);
      if (found == job.addresses.end() && kind != EgressIpChoice::Kind::kNode) continue;
      bindings.push_back({.policy = job.policy->name, .gateway = job.gateway->name, .family = family});
      if (found != job.addresses.end()) bindings.back().egress_ip = found->second;
    }
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
