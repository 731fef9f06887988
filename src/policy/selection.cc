#include "egressd/policy/selection.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "policy/class_table.h"
#include "policy/interests.h"
#include "policy/process_interests.h"
#include "policy/selector_index.h"

namespace egressd::policy {
namespace {

// Who says that an address is its own. Several may: the first source by name wins (the policy set's is empty and wins over all),
// then the first workload; so the answer does not depend on who came first.
struct Owner {
  const std::string* source = nullptr;
  const Workload* workload = nullptr;
  friend bool operator<(const Owner& a, const Owner& b) { return std::tie(*a.source, *a.workload) < std::tie(*b.source, *b.workload); }
};

struct Known {
  std::vector<Owner> owners;                  // sorted; never empty between two changes
  std::vector<Rank> ranks;                    // policies that select it as an address of owners.front()
  const SourceClass* source_class = nullptr;  // only when `ranks` is not empty
};

// The first network that holds the address.
const Prefix* Holding(const std::vector<Prefix>& networks, const IpAddress& address) {
  const auto found = std::ranges::find_if(networks, [&](const Prefix& network) { return network.Contains(address); });
  return found == networks.end() ? nullptr : &*found;
}

using Reported = std::vector<std::unique_ptr<const Workload>>;  // sorted by content

const std::string kPolicySetSource;

}  // namespace

struct Selection::Body {
  Body(PolicySet policies, std::string name, Labels labels)
      : set(std::move(policies)),
        node_name(std::move(name)),
        node_labels(std::move(labels)),
        order(InOrder(set)),
        index(order, vantage()),
        network_interests(order, vantage()),
        process_interests(order, vantage()),
        classes(order),
        counts(order.size(), 0) {
    for (Rank rank = 0; rank < order.size(); ++rank) rank_of.emplace(order[rank]->name, rank);
    for (const NetworkInterests::Segment& segment : network_interests.segments) {
      networks.push_back({.range = segment.range, .source_class = classes.Acquire(segment.range.family(), segment.interests)});
    }
    other_ipv4 = classes.Acquire(Family::kIpv4, network_interests.devices);
    other_ipv6 = classes.Acquire(Family::kIpv6, network_interests.devices);
    std::vector<IpAddress> touched;
    for (const auto& [key, workload] : set.workloads) {
      if (IsHere(workload)) Own(kPolicySetSource, workload, touched);
    }
    RefreshAll(touched);
    RefreshProcesses();
  }

  Vantage vantage() const { return {.set = set, .node_name = &node_name, .node_labels = &node_labels}; }
  // Is it a workload of this node, or of no node in particular?
  bool IsHere(const Workload& workload) const { return !workload.node || *workload.node == node_name; }

  std::vector<IpAddress> Replace(const std::string& source, std::vector<Workload> workloads);
  void Own(const std::string& source, const Workload& workload, std::vector<IpAddress>& touched);
  void Disown(const std::string& source, const Workload& workload, std::vector<IpAddress>& touched);
  // Works out the class of an address anew. True when it changed, or the address became known or unknown inside the guard.
  bool Refresh(const IpAddress& address);
  // The addresses for which Refresh was true, in order. `touched` may name an address twice.
  std::vector<IpAddress> RefreshAll(const std::vector<IpAddress>& touched);
  // Works out the classes of the host's own processes anew.
  void RefreshProcesses();
  // What the index says about a workload; asked again and again for its several addresses.
  const std::vector<SelectorIndex::Entry>& MatchesOf(const Workload& workload);

  PolicySet set;
  std::string node_name;
  Labels node_labels;
  std::vector<const Policy*> order;
  SelectorIndex index;
  NetworkInterests network_interests;
  ProcessInterests process_interests;
  Processes processes;
  std::vector<OwnSource> own;
  ClassTable classes;
  std::unordered_map<std::string_view, Rank> rank_of;
  std::vector<std::size_t> counts;          // addresses by rank
  std::map<std::string, Reported> sources;  // of the providers
  std::map<IpAddress, Known> known;
  std::map<IpAddress, const SourceClass*> exact;
  std::set<IpAddress> known_in_guard;
  std::vector<Network> networks;
  const SourceClass* other_ipv4 = nullptr;
  const SourceClass* other_ipv6 = nullptr;
  const Workload* matched = nullptr;  // whose matches these are; only while RefreshAll runs
  std::vector<SelectorIndex::Entry> matches;
};

void Selection::Body::Own(const std::string& source, const Workload& workload, std::vector<IpAddress>& touched) {
  for (const IpAddress& address : workload.addresses) {
    std::vector<Owner>& owners = known[address].owners;
    const Owner owner{.source = &source, .workload = &workload};
    owners.insert(std::ranges::upper_bound(owners, owner, std::less<>()), owner);
    touched.push_back(address);
  }
}

void Selection::Body::Disown(const std::string& source, const Workload& workload, std::vector<IpAddress>& touched) {
  for (const IpAddress& address : workload.addresses) {
    std::erase_if(known[address].owners, [&](const Owner& owner) { return owner.source == &source && owner.workload == &workload; });
    touched.push_back(address);
  }
}

const std::vector<SelectorIndex::Entry>& Selection::Body::MatchesOf(const Workload& workload) {
  if (matched != &workload) {
    matches = index.Match(workload);
    matched = &workload;
  }
  return matches;
}

std::vector<IpAddress> Selection::Body::RefreshAll(const std::vector<IpAddress>& touched) {
  matched = nullptr;
  std::vector<IpAddress> changed;
  for (const IpAddress& address : touched) {
    if (Refresh(address)) changed.push_back(address);
  }
  std::ranges::sort(changed);
  return changed;
}

bool Selection::Body::Refresh(const IpAddress& address) {
  const auto found = known.find(address);
  if (found == known.end()) return false;  // named twice, and nobody's since the first time
  Known& entry = found->second;
  for (const Rank rank : entry.ranks) --counts[rank];
  entry.ranks.clear();
  const SourceClass* before = entry.source_class;
  entry.source_class = nullptr;
  if (!entry.owners.empty()) {
    const InterestList interests = SelectorIndex::At(MatchesOf(*entry.owners.front().workload), address);
    for (const RankedInterest& interest : interests) {
      entry.ranks.push_back(interest.rank);
      ++counts[interest.rank];
    }
    // Without a policy that speaks of the workload, its network's class says the same and needs no entry.
    if (!interests.empty()) entry.source_class = classes.Acquire(address.family(), Merge(interests, network_interests.At(address)));
  }
  const SourceClass* after = entry.source_class;
  if (after == nullptr) {
    if (before != nullptr) exact.erase(address);
  } else if (after != before) {
    exact.insert_or_assign(address, after);
  }
  bool changed = after != before;
  classes.Release(before);
  if (Holding(set.guard, address) != nullptr) {
    const bool was_known = known_in_guard.contains(address);
    changed = changed || was_known == entry.owners.empty();
    entry.owners.empty() ? void(known_in_guard.erase(address)) : void(known_in_guard.insert(address));
  }
  if (entry.owners.empty()) known.erase(found);
  return changed;
}

void Selection::Body::RefreshProcesses() {
  if (process_interests.empty()) return;
  process_interests.Take(processes, [&](const IpAddress& address) {
    const auto found = exact.find(address);
    InterestList interests;
    if (found == exact.end()) return interests;
    for (const Interest& interest : found->second->interests)
      interests.push_back({.rank = rank_of.at(interest.policy->name), .interfaces = interest.interfaces});
    return interests;
  });
  const std::vector<OwnSource> before = std::exchange(own, {});
  for (const ProcessInterests::Box& box : process_interests.boxes()) {
    own.push_back({.unit_class = box.unit_class,
                   .first_user = box.first_user,
                   .last_user = box.last_user,
                   .source = box.source,
                   .source_class = classes.Acquire(box.source.family(), box.interests)});
  }
  for (const OwnSource& source : before) classes.Release(source.source_class);
}

std::vector<IpAddress> Selection::Body::Replace(const std::string& source, std::vector<Workload> workloads) {
  std::erase_if(workloads, [&](const Workload& workload) { return !IsHere(workload); });
  std::ranges::sort(workloads);
  const auto place = sources.try_emplace(source).first;
  const std::string& source_name = place->first;
  Reported before = std::exchange(place->second, {});
  Reported& after = place->second;
  after.reserve(workloads.size());
  Reported removed;
  std::vector<IpAddress> touched;
  // Both are sorted: what is equal stays as it is, so that a file that changed in one line costs one line.
  auto old = before.begin();
  for (Workload& workload : workloads) {
    while (old != before.end() && **old < workload) removed.push_back(std::move(*old++));
    if (old != before.end() && **old == workload) {
      after.push_back(std::move(*old++));
      continue;
    }
    after.push_back(std::make_unique<const Workload>(std::move(workload)));
    Own(source_name, *after.back(), touched);
  }
  while (old != before.end()) removed.push_back(std::move(*old++));
  for (const auto& workload : removed) Disown(source_name, *workload, touched);
  if (after.empty()) sources.erase(place);
  std::vector<IpAddress> changed = RefreshAll(touched);
  const auto IsOwn = [&](const IpAddress& address) { return std::ranges::contains(processes.addresses, address); };
  if (std::ranges::any_of(changed, IsOwn)) RefreshProcesses();
  return changed;
}

Selection::Selection(PolicySet set, std::string node_name, Labels node_labels)
    : body_(std::make_unique<Body>(std::move(set), std::move(node_name), std::move(node_labels))) {}
Selection::Selection(Selection&&) noexcept = default;
Selection& Selection::operator=(Selection&&) noexcept = default;
Selection::~Selection() = default;

const PolicySet& Selection::set() const { return body_->set; }

std::vector<IpAddress> Selection::SetWorkloads(const std::string& source, std::vector<Workload> workloads) {
  EGRESSD_ASSERT(source != kPolicySetSource);
  return body_->Replace(source, std::move(workloads));
}

std::vector<const Workload*> Selection::Workloads() const {
  std::vector<const Workload*> workloads;
  for (const auto& [key, workload] : body_->set.workloads) {
    if (body_->IsHere(workload)) workloads.push_back(&workload);
  }
  for (const auto& [source, reported] : body_->sources) {
    for (const auto& workload : reported) workloads.push_back(workload.get());
  }
  std::ranges::stable_sort(workloads, {}, [](const Workload* workload) -> const std::string& { return workload->name; });
  return workloads;
}

bool Selection::AnyWorkloadAddress(const Prefix& network, const std::function<bool(const IpAddress&)>& test) const {
  auto found = body_->known.lower_bound(network.First());
  for (; found != body_->known.end() && network.Contains(found->first); ++found) {
    if (test(found->first)) return true;
  }
  return false;
}

const std::set<IpAddress>& Selection::known_in_guard() const { return body_->known_in_guard; }

const Prefix* Selection::GuardAgainst(const IpAddress& source) const {
  return body_->known.contains(source) ? nullptr : Holding(body_->set.guard, source);
}

std::size_t Selection::WorkloadCount(const std::string& policy) const {
  const auto found = body_->rank_of.find(policy);
  return found == body_->rank_of.end() ? 0 : body_->counts[found->second];
}

const std::map<IpAddress, const SourceClass*>& Selection::exact() const { return body_->exact; }

const std::vector<Selection::Network>& Selection::networks() const { return body_->networks; }

const SourceClass* Selection::other(Family family) const { return family == Family::kIpv4 ? body_->other_ipv4 : body_->other_ipv6; }

bool Selection::Counts(const Selector& selector) const { return body_->vantage().Counts(selector); }

bool Selection::names_processes() const { return !body_->process_interests.empty(); }

bool Selection::SetProcesses(Processes processes) {
  if (body_->processes == processes) return false;
  body_->processes = std::move(processes);
  const std::vector<Unit> units = this->units();
  const Nursery nursery = this->nursery();
  const std::vector<OwnSource> own = body_->own;
  body_->RefreshProcesses();
  return units != this->units() || nursery != this->nursery() || own != body_->own;
}

const Processes& Selection::processes() const { return body_->processes; }
const std::vector<Selection::Unit>& Selection::units() const { return body_->process_interests.units(); }
const Selection::Nursery& Selection::nursery() const { return body_->process_interests.nursery(); }
const std::vector<Selection::OwnSource>& Selection::own_sources() const { return body_->own; }

bool Selection::Knows(const Process& process) const { return body_->process_interests.ClassOf(process.units).has_value(); }

const SourceClass* Selection::ClassOf(const Flow& flow) const {
  if (!flow.process) return ClassOf(flow.source);
  const std::uint32_t unit_class = body_->process_interests.ClassOf(flow.process->units).value_or(0);
  for (const OwnSource& own : body_->own) {
    if (own.unit_class != unit_class || !own.source.Contains(flow.source)) continue;
    // Who is unknown is nobody that a policy names.
    const bool named = own.first_user == own.last_user;
    if (flow.process->user ? own.first_user <= *flow.process->user && *flow.process->user <= own.last_user : !named)
      return own.source_class;
  }
  const auto found = body_->exact.find(flow.source);
  return found == body_->exact.end() ? nullptr : found->second;
}

const SourceClass* Selection::ClassOf(const IpAddress& source) const {
  const auto found = body_->exact.find(source);
  if (found != body_->exact.end()) return found->second;
  const auto behind = std::ranges::upper_bound(body_->networks, source, {}, [](const Network& network) { return network.range.first; });
  if (behind != body_->networks.begin() && std::prev(behind)->range.Contains(source)) return std::prev(behind)->source_class;
  return other(source.family());
}

const Workload* Selection::WorkloadAt(const IpAddress& source) const {
  const auto found = body_->known.find(source);
  return found == body_->known.end() ? nullptr : found->second.owners.front().workload;
}

std::vector<const SourceClass*> Selection::Classes() const { return body_->classes.Classes(); }

}  // namespace egressd::policy
