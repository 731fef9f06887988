#include "policy/process_interests.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <iterator>
#include <limits>
#include <set>

#include "egressd/base/hash.h"

namespace egressd::policy {
namespace {

constexpr std::uint32_t kLastUser = std::numeric_limits<std::uint32_t>::max();

IpAddress FirstOf(Family family) { return family == Family::kIpv4 ? IpAddress() : *IpAddress::Parse("::"); }
IpAddress LastOf(Family family) { return Prefix::Containing(FirstOf(family), 0).Last(); }

// "nginx.service" of "/system.slice/nginx.service".
std::string_view LastComponent(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// systemd puts an underscore in front of a unit that would look like a file of the kernel, or that begins with one (cg_escape).
std::string_view UnitOf(std::string_view component) {
  if (component.starts_with('_')) component.remove_prefix(1);
  return component;
}

bool IsUnit(std::string_view unit) {
  constexpr std::string_view kTypes[] = {".service", ".scope", ".slice", ".socket", ".mount", ".swap"};
  return std::ranges::any_of(kTypes, [&](std::string_view type) { return unit.ends_with(type) && unit.size() > type.size(); });
}

std::uint8_t LevelOf(std::string_view path) {
  return static_cast<std::uint8_t>(std::min<std::ptrdiff_t>(std::ranges::count(path, '/'), std::numeric_limits<std::uint8_t>::max()));
}

std::string_view ParentOf(std::string_view path) { return path.substr(0, path.rfind('/')); }

}  // namespace

std::vector<std::string> UnitsOf(std::string_view path) {
  std::vector<std::string> units;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view unit = UnitOf(path.substr(at, end - at));
    if (IsUnit(unit)) units.emplace_back(unit);
    at = end + 1;
  }
  return units;
}

std::optional<std::uint32_t> UserNumber(const Processes& processes, const std::string& user) {
  const auto found = processes.users.find(user);
  if (found != processes.users.end()) return found->second;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), number);
  if (user.empty() || error != std::errc() || end != user.data() + user.size()) return std::nullopt;
  return number;
}

bool AnyUnit(const std::vector<std::string>& globs, const std::vector<std::string>& units) {
  return std::ranges::any_of(globs, [&](const std::string& glob) {
    return std::ranges::any_of(units, [&](const std::string& unit) { return GlobMatches(glob, unit); });
  });
}

std::string UnitLike(std::string_view glob) {
  std::string unit;
  for (const char c : glob) {
    if (c != '*') unit += c == '?' ? 'x' : c;
  }
  return unit;
}

ProcessInterests::ProcessInterests(const std::vector<const Policy*>& order, const Vantage& vantage) {
  for (Rank rank = 0; rank < order.size(); ++rank) {
    const Policy& policy = *order[rank];
    const bool closed = policy.action == Action::kDrop || (UsesGateway(policy) && policy.on_no_gateway == OnNoGateway::kDrop);
    for (const Selector& selector : policy.from) {
      if (!selector.names_processes() || !vantage.Counts(selector)) continue;
      wishes_.push_back({.rank = rank,
                         .name = std::format("{}/{}", policy.name, &selector - policy.from.data()),
                         .selector = &selector,
                         .closed = closed && !selector.units.empty()});
    }
  }
  for (const Wish& wish : wishes_) {
    for (const std::string& glob : wish.selector->units) {
      const Held held = HeldBy({UnitLike(glob)});
      if (held.empty()) continue;
      NumberOf(held);
      expected_.insert(held);
    }
  }
}

ProcessInterests::Held ProcessInterests::HeldBy(const std::vector<std::string>& units) const {
  Held held;
  for (std::size_t i = 0; i < wishes_.size(); ++i) {
    if (AnyUnit(wishes_[i].selector->units, units)) held.push_back(i);
  }
  return held;
}

const ProcessInterests::Held& ProcessInterests::HeldByName(const std::string& unit) {
  const auto known = by_name_.find(unit);
  if (known != by_name_.end()) return known->second;
  return by_name_.emplace(unit, HeldBy({unit})).first->second;
}

std::optional<std::uint32_t> ProcessInterests::ClassOf(const std::vector<std::string>& units) const {
  const Held held = HeldBy(units);
  if (held.empty()) return 0;
  const auto found = classes_.find(held);
  return found == classes_.end() ? std::nullopt : std::optional(found->second);
}

std::uint32_t ProcessInterests::NumberOf(const Held& held) {
  const auto known = classes_.find(held);
  if (known != classes_.end()) return known->second;
  std::string content;
  for (const std::size_t wish : held) content += wishes_[wish].name + '\n';
  const auto IsTaken = [&](std::uint32_t number) {
    return number == 0 || std::ranges::any_of(classes_, [&](const auto& entry) { return entry.second == number; });
  };
  std::uint32_t number = 0;
  for (std::uint64_t seed = 0; IsTaken(number); ++seed) number = static_cast<std::uint32_t>(StableHash(content, seed));
  return classes_.emplace(held, number).first->second;
}

void ProcessInterests::FindUnits(const Processes& processes) {
  units_.clear();
  std::set<Held> used;
  for (const Cgroup& cgroup : processes.cgroups) {
    const std::vector<std::string> units = UnitsOf(cgroup.path);
    if (units.empty() || units.back() != UnitOf(LastComponent(cgroup.path)) || HeldByName(units.back()).empty()) continue;
    std::set<std::size_t> around;
    for (const std::string& unit : units) {
      const Held& held = HeldByName(unit);
      around.insert(held.begin(), held.end());
    }
    const Held held(around.begin(), around.end());
    units_.push_back({.cgroup = cgroup.id, .level = LevelOf(cgroup.path), .unit_class = NumberOf(held)});
    used.insert(held);
  }
  std::ranges::sort(units_);
  // Units that come and go (user sessions, transient ones) must not fill the memory.
  constexpr std::size_t kMostNames = 4096, kMostClasses = 256;
  if (by_name_.size() > kMostNames) by_name_.clear();
  if (classes_.size() <= expected_.size() + used.size() + kMostClasses) return;
  std::erase_if(classes_, [&](const auto& entry) { return !used.contains(entry.first) && !expected_.contains(entry.first); });
}

// A unit may appear at the top of the tree and in every slice but those of users; there, where one has been seen.
void ProcessInterests::FindNursery(const Processes& processes) {
  nursery_ = {};
  // Who sees no tree of cgroups would take every process for one of an unknown unit.
  if (processes.cgroups.empty() || std::ranges::none_of(wishes_, &Wish::closed)) return;
  const auto IsClosed = [&](std::size_t wish) { return wishes_[wish].closed; };
  std::set<std::string_view> parents{""};
  for (const Cgroup& cgroup : processes.cgroups) {
    const bool of_users = cgroup.path == "/user.slice" || cgroup.path.starts_with("/user.slice/");
    if (cgroup.path.ends_with(".slice") && !of_users) parents.insert(cgroup.path);
    const std::string unit(UnitOf(LastComponent(cgroup.path)));
    if (IsUnit(unit) && std::ranges::any_of(HeldByName(unit), IsClosed)) parents.insert(ParentOf(cgroup.path));
  }
  for (const std::string_view parent : parents) nursery_.levels.insert(static_cast<std::uint8_t>(LevelOf(parent) + 1));
  for (const Cgroup& cgroup : processes.cgroups) {
    if (parents.contains(cgroup.path)) nursery_.parents.insert(cgroup.id);
    if (parents.contains(ParentOf(cgroup.path))) nursery_.known.insert(cgroup.id);
  }
}

void ProcessInterests::Take(const Processes& processes, const AtAddress& at_address) {
  boxes_.clear();
  if (wishes_.empty()) return;
  FindUnits(processes);
  FindNursery(processes);
  Cut(0, {}, processes, at_address);
  std::vector<std::pair<std::uint32_t, const Held*>> in_order;
  for (const auto& [held, number] : classes_) in_order.emplace_back(number, &held);
  std::ranges::sort(in_order);
  for (const auto& [number, held] : in_order) Cut(number, *held, processes, at_address);
}

// By user: ranges between those that are named.
void ProcessInterests::Cut(std::uint32_t unit_class, const Held& held, const Processes& processes, const AtAddress& at_address) {
  struct Active {
    std::size_t wish = 0;
    std::set<std::uint32_t> users;  // empty = any
  };
  std::vector<Active> active;
  std::set<std::uint32_t> named;
  for (std::size_t i = 0; i < wishes_.size(); ++i) {
    const Selector& selector = *wishes_[i].selector;
    if (!selector.units.empty() && !std::ranges::binary_search(held, i)) continue;
    Active entry{.wish = i, .users = {}};
    for (const std::string& user : selector.users) {
      if (const auto number = UserNumber(processes, user)) entry.users.insert(*number);
    }
    if (!selector.users.empty() && entry.users.empty()) continue;  // nobody here is called that
    named.insert(entry.users.begin(), entry.users.end());
    active.push_back(std::move(entry));
  }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  std::uint64_t next = 0;
  for (const std::uint32_t user : named) {
    if (next < user) ranges.emplace_back(static_cast<std::uint32_t>(next), user - 1);
    ranges.emplace_back(user, user);
    next = std::uint64_t{user} + 1;
  }
  if (next <= kLastUser) ranges.emplace_back(static_cast<std::uint32_t>(next), kLastUser);
  for (const auto& [first, last] : ranges) {
    Held here;
    for (const Active& entry : active) {
      if (entry.users.empty() || (first == last && entry.users.contains(first))) here.push_back(entry.wish);
    }
    if (here.empty()) continue;
    CutSources({.unit_class = unit_class, .first_user = first, .last_user = last, .source = {}, .interests = {}}, here, processes,
               at_address);
  }
}

// By source: at the networks that selectors name, and around the host's addresses that are a workload's, too.
void ProcessInterests::CutSources(const Box& stem, const Held& held, const Processes& processes, const AtAddress& at_address) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    std::set<IpAddress> starts{FirstOf(family)};
    const auto CutOut = [&](const IpAddress& first, const IpAddress& last) {
      if (first.family() != family) return;
      starts.insert(first);
      if (const auto behind = last.Next()) starts.insert(*behind);
    };
    std::map<IpAddress, InterestList> workloads;
    for (const std::size_t wish : held) {
      for (const Prefix& prefix : wishes_[wish].selector->cidrs) CutOut(prefix.First(), prefix.Last());
    }
    for (const IpAddress& address : processes.addresses) {
      InterestList interests = at_address(address);
      if (interests.empty()) continue;
      CutOut(address, address);
      workloads.emplace(address, std::move(interests));
    }
    for (auto at = starts.begin(); at != starts.end(); ++at) {
      const auto next = std::next(at);
      Box box = stem;
      box.source = {.first = *at, .last = next == starts.end() ? LastOf(family) : *next->Previous()};
      for (const std::size_t wish : held) {
        const std::vector<Prefix>& cidrs = wishes_[wish].selector->cidrs;
        const bool inside = cidrs.empty() || std::ranges::any_of(cidrs, [&](const Prefix& prefix) { return prefix.Contains(*at); });
        if (inside) box.interests.push_back({.rank = wishes_[wish].rank, .interfaces = {}});
      }
      if (box.interests.empty()) continue;
      Normalise(box.interests);
      if (const auto workload = workloads.find(*at); workload != workloads.end()) box.interests = Merge(box.interests, workload->second);
      const bool joins = !boxes_.empty() && boxes_.back().unit_class == box.unit_class && boxes_.back().first_user == box.first_user &&
                         boxes_.back().source.last.Next() == *at && boxes_.back().interests == box.interests;
      if (joins) {
        boxes_.back().source.last = box.source.last;
      } else {
        boxes_.push_back(std::move(box));
      }
    }
  }
}

}  // namespace egressd::policy
