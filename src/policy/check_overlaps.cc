// Policies that want the same traffic: equal priorities (only the name decides, which nobody intends) and rules that never decide.
//
// Comparing every policy with every other would be quadratic. Instead the compiled selectors are asked who selects what is known:
// every listed workload, every network, and for every selector one workload made up to match it. Whoever meets there overlaps for
// certain; selectors that might meet on some unknown workload (`app=a` and `tier=b`) are no finding.
#include <algorithm>
#include <format>
#include <map>
#include <set>
#include <tuple>

#include "egressd/policy/selection.h"
#include "policy/checks.h"
#include "policy/interests.h"
#include "policy/process_interests.h"
#include "policy/rules.h"
#include "policy/selector_index.h"

namespace egressd::policy {
namespace {

constexpr std::size_t kMostWarnings = 20;
constexpr std::size_t kNeighbours = 4;         // policies of equal priority at one source that are compared with each other
constexpr std::size_t kMostProcesses = 200;    // units and users; a set with more gets no warnings about them
constexpr std::size_t kComparisons = 5000000;  // of prefixes; a set that needs more gets fewer warnings

bool PortsOverlap(const Policy& a, const Policy& b) {
  if (a.ports.empty() || b.ports.empty()) return true;
  return std::ranges::any_of(a.ports, [&](const PortRange& x) {
    return std::ranges::any_of(b.ports,
                               [&](const PortRange& y) { return x.protocol == y.protocol && x.first <= y.last && y.first <= x.last; });
  });
}

bool DevicesOverlap(const std::set<std::string>& a, const std::set<std::string>& b) {
  return a.empty() || b.empty() || std::ranges::any_of(a, [&](const std::string& device) { return b.contains(device); });
}

class Overlaps {
 public:
  Overlaps(const PolicySet& set, const std::vector<const Policy*>& order, std::set<std::pair<const Policy*, const Policy*>> known)
      : set_(set), order_(order), compared_(std::move(known)) {}

  // Policies that select one and the same source.
  void Meet(const InterestList& interests, std::vector<Finding>& findings) {
    for (std::size_t i = 0; i < interests.size(); ++i) {
      for (std::size_t j = i + 1; j < interests.size() && j <= i + kNeighbours; ++j) {
        const Policy& first = *order_[interests[i].rank];
        const Policy& second = *order_[interests[j].rank];
        if (first.priority != second.priority || count_ > kMostWarnings) break;
        if (!DevicesOverlap(interests[i].interfaces, interests[j].interfaces)) continue;
        if (!compared_.emplace(&first, &second).second || !PortsOverlap(first, second) || !DestinationsOverlap(first, second)) continue;
        if (++count_ <= kMostWarnings) findings.push_back(Describe(first, second));
      }
    }
    if (count_ > kMostWarnings && !complete_said_) {
      complete_said_ = true;
      findings.push_back(
          Warning(rule::kOverlap, "policies", std::format("more policies of equal priority overlap; only {} are shown", kMostWarnings)));
    }
  }

 private:
  struct Scope {
    std::vector<Prefix> to;
    std::vector<Prefix> except;
  };

  static Finding Describe(const Policy& first, const Policy& second) {
    const std::uint16_t priority = first.priority;
    return Warning(rule::kOverlap, std::format("policies.{}.priority", second.name),
                   std::format("policies {} and {} both have priority {} and overlap: {} wins, because of its name", first.name,
                               second.name, priority, first.name),
                   priority > 1 ? std::format("priority: {} in the policy that shall win", priority - 1)
                                : std::format("priority: {} in the policy that shall not win", priority + 1));
  }

  const Scope& ScopeOf(const Policy& policy) {
    const auto [place, fresh] = scopes_.try_emplace(&policy);
    Scope& scope = place->second;
    if (!fresh) return scope;
    scope.to =
        policy.to == Reach::kListed ? Resolve(set_, policy.destinations) : std::vector{*Prefix::Parse("0.0.0.0/0"), *Prefix::Parse("::/0")};
    scope.except = Resolve(set_, policy.except);
    if (policy.to == Reach::kExternal) scope.except.insert(scope.except.end(), set_.internal.begin(), set_.internal.end());
    return scope;
  }

  bool DestinationsOverlap(const Policy& first, const Policy& second) {
    const Scope& a = ScopeOf(first);
    const Scope& b = ScopeOf(second);
    for (const Prefix& x : a.to) {
      for (const Prefix& y : b.to) {
        if (++comparisons_ > kComparisons) return false;
        if (!x.Overlaps(y)) continue;
        const Prefix& common = x.length > y.length ? x : y;
        const auto Covers = [&](const Prefix& except) { return except.Contains(common); };
        if (std::ranges::none_of(a.except, Covers) && std::ranges::none_of(b.except, Covers)) return true;
      }
    }
    return false;
  }

  const PolicySet& set_;
  const std::vector<const Policy*>& order_;
  std::set<std::pair<const Policy*, const Policy*>> compared_;
  std::map<const Policy*, Scope> scopes_;
  std::size_t comparisons_ = 0;
  std::size_t count_ = 0;
  bool complete_said_ = false;
};

// A workload that the selector matches, made up; nullopt when none comes to mind.
std::optional<Workload> Witness(const Policy& policy, const Selector& selector) {
  Workload witness{.namespace_ = policy.namespace_.value_or(selector.namespace_.value_or(""))};
  for (const char c : selector.name.value_or("")) {
    if (c != '*') witness.name += c == '?' ? 'x' : c;
  }
  for (const Requirement& requirement : selector.labels) {
    if (requirement.op == Requirement::Operator::kIn && !requirement.values.empty())
      witness.labels[requirement.key] = requirement.values.front();
    if (requirement.op == Requirement::Operator::kExists) witness.labels.try_emplace(requirement.key);
  }
  if (!selector.cidrs.empty()) witness.addresses = {selector.cidrs.front().First()};
  const bool matches = Matches(selector.labels, witness.labels) && (!selector.name || GlobMatches(*selector.name, witness.name)) &&
                       (!selector.namespace_ || *selector.namespace_ == witness.namespace_);
  return matches ? std::optional(witness) : std::nullopt;
}

// Policies that select whatever sends, wherever it is.
InterestList Everywhere(const std::vector<const Policy*>& order, const Vantage& vantage) {
  InterestList list;
  for (Rank rank = 0; rank < order.size(); ++rank) {
    for (const Selector& selector : order[rank]->from) {
      if (!selector.cidrs.empty() || selector.names_processes() || SelectsWorkloads(*order[rank], selector)) continue;
      if (!vantage.Counts(selector)) continue;
      list.push_back({.rank = rank});
      if (selector.interface) list.back().interfaces = {*selector.interface};
    }
  }
  Normalise(list);
  return list;
}

// The interests in a workload without known address: selectors that want an address stay out.
InterestList AtNoAddress(const std::vector<SelectorIndex::Entry>& matches) {
  std::vector<SelectorIndex::Entry> anywhere;
  std::ranges::copy_if(matches, std::back_inserter(anywhere),
                       [](const SelectorIndex::Entry& entry) { return entry.selector->cidrs.empty(); });
  return SelectorIndex::At(anywhere, IpAddress());
}

// Does `earlier`, which has the same `from`, decide everything that `later` could?
bool Covers(const Policy& earlier, const Policy& later) {
  const bool same_to = earlier.to == later.to && earlier.destinations == later.destinations;
  return (same_to || earlier.to == Reach::kAny) && (earlier.except.empty() || earlier.except == later.except) &&
         (earlier.ports.empty() || earlier.ports == later.ports);
}

// Policies that select one and the same process: of units made up to match each pattern, and of every user that is named.
void MeetProcesses(const std::vector<const Policy*>& order, const Vantage& vantage, Overlaps& overlaps, std::vector<Finding>& findings) {
  constexpr std::uint32_t kMadeUp = 4000000000;
  Processes witnesses;
  std::uint32_t next = 0;
  for (const Policy* policy : order) {
    for (const Selector& selector : policy->from) {
      for (const std::string& user : selector.users) {
        if (!UserNumber(witnesses, user)) witnesses.users.emplace(user, kMadeUp + next++);
      }
      for (const std::string& glob : selector.units) {
        witnesses.cgroups.push_back({.id = next++, .path = "/" + UnitLike(glob)});
      }
    }
  }
  if (next == 0 || next > kMostProcesses) return;
  ProcessInterests processes(order, vantage);
  processes.Take(witnesses, [](const IpAddress&) { return InterestList(); });
  for (const ProcessInterests::Box& box : processes.boxes()) overlaps.Meet(box.interests, findings);
}

using PolicyPairs = std::set<std::pair<const Policy*, const Policy*>>;

PolicyPairs CheckShadowed(const std::vector<const Policy*>& order, std::vector<Finding>& findings) {
  using Sources = std::pair<std::optional<std::string>, std::vector<Selector>>;
  std::map<Sources, std::vector<const Policy*>> by_sources;
  PolicyPairs shadowed;
  for (const Policy* policy : order) {
    std::vector<const Policy*>& earlier = by_sources[{policy->namespace_, policy->from}];
    const auto found = std::ranges::find_if(earlier, [&](const Policy* other) { return Covers(*other, *policy); });
    if (found != earlier.end()) {
      shadowed.emplace(*found, policy);
      findings.push_back(
          Warning(rule::kShadowed, "policies." + policy->name,
                  std::format("policy {} never decides: {} (priority {}) selects the same and comes first", policy->name, (*found)->name,
                              (*found)->priority),
                  (*found)->priority > 1 ? std::format("priority: {}", (*found)->priority - 1) : std::string("enabled: false")));
    } else if (earlier.size() < kNeighbours) {
      earlier.push_back(policy);
    }
  }
  return shadowed;
}

}  // namespace

void CheckOverlaps(const PolicySet& set, std::vector<Finding>& findings) {
  const std::vector<const Policy*> order = InOrder(set);
  const Vantage anywhere{.set = set};  // selectors that count on certain nodes only may never meet
  const SelectorIndex index(order, anywhere);
  const NetworkInterests networks(order, anywhere);
  Overlaps overlaps(set, order, CheckShadowed(order, findings));
  overlaps.Meet(networks.devices, findings);
  for (const NetworkInterests::Segment& segment : networks.segments) overlaps.Meet(segment.interests, findings);
  for (const auto& [name, workload] : set.workloads) {
    const std::vector<SelectorIndex::Entry> matches = index.Match(workload);
    if (matches.empty()) continue;
    for (const IpAddress& address : workload.addresses) {
      overlaps.Meet(Merge(SelectorIndex::At(matches, address), networks.At(address)), findings);
    }
  }
  MeetProcesses(order, anywhere, overlaps, findings);
  const InterestList everywhere = Everywhere(order, anywhere);
  for (const Policy* policy : order) {
    for (const Selector& selector : policy->from) {
      if (!SelectsWorkloads(*policy, selector) || !anywhere.Counts(selector)) continue;
      const std::optional<Workload> witness = Witness(*policy, selector);
      if (!witness) continue;
      const std::vector<SelectorIndex::Entry> matches = index.Match(*witness);
      if (witness->addresses.empty()) {
        overlaps.Meet(Merge(AtNoAddress(matches), everywhere), findings);
      } else {
        const IpAddress& address = witness->addresses.front();
        overlaps.Meet(Merge(SelectorIndex::At(matches, address), networks.At(address)), findings);
      }
    }
  }
}

}  // namespace egressd::policy
