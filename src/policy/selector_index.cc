#include "policy/selector_index.h"

#include <algorithm>
#include <limits>
#include <set>

#include "egressd/policy/selection.h"

namespace egressd::policy {
namespace {

// Features as text, the first letter tells the kind. A workload has one of each kind per label, name and namespace.
constexpr char kName = 'n';
constexpr char kBeginning = 'b';
constexpr char kNamespace = 's';
constexpr char kKey = 'k';
constexpr char kLabel = 'l';

// The view is good until the next call with the same `text`.
std::string_view Feature(std::string& text, char kind, std::string_view first, std::string_view second = {}) {
  text.assign(1, kind);
  text += first;
  if (kind == kLabel) (text += '\0') += second;
  return text;
}
std::string Feature(char kind, std::string_view first, std::string_view second = {}) {
  std::string text;
  Feature(text, kind, first, second);
  return text;
}

// Sets of features: a workload that matches has at least one feature out of every set.
std::vector<std::vector<std::string>> NecessaryFeatures(const Policy& policy, const Selector& selector) {
  std::vector<std::vector<std::string>> necessary;
  if (selector.name) {
    const std::string_view glob = *selector.name;
    const std::string_view beginning = glob.substr(0, glob.find_first_of("*?[\\"));
    if (beginning == glob) {
      necessary.push_back({Feature(kName, glob)});
    } else if (!beginning.empty()) {
      necessary.push_back({Feature(kBeginning, beginning)});
    }
  }
  for (const std::optional<std::string>* wanted : {&policy.namespace_, &selector.namespace_}) {
    if (*wanted) necessary.push_back({Feature(kNamespace, **wanted)});
  }
  for (const Requirement& requirement : selector.labels) {
    if (requirement.op == Requirement::Operator::kExists) necessary.push_back({Feature(kKey, requirement.key)});
    if (requirement.op != Requirement::Operator::kIn) continue;
    std::set<std::string> features;
    for (const std::string& value : requirement.values) features.insert(Feature(kLabel, requirement.key, value));
    necessary.emplace_back(features.begin(), features.end());
  }
  return necessary;
}

bool Holds(const Vantage& vantage, const Policy& policy, const Selector& selector, const Workload& workload) {
  if (policy.namespace_ && *policy.namespace_ != workload.namespace_) return false;
  if (selector.namespace_ && *selector.namespace_ != workload.namespace_) return false;
  if (!selector.namespace_labels.empty() && !Matches(selector.namespace_labels, vantage.LabelsOf(workload.namespace_))) return false;
  return Matches(selector.labels, workload.labels) && (!selector.name || GlobMatches(*selector.name, workload.name));
}

}  // namespace

SelectorIndex::SelectorIndex(const std::vector<const Policy*>& order, const Vantage& vantage) : vantage_(vantage) {
  struct Filing {
    Entry entry;
    std::vector<std::vector<std::string>> necessary;
  };
  std::vector<Filing> filings;
  std::unordered_map<std::string, std::size_t> frequency;
  for (Rank rank = 0; rank < order.size(); ++rank) {
    for (const Selector& selector : order[rank]->from) {
      if (!SelectsWorkloads(*order[rank], selector) || !vantage.Counts(selector)) continue;
      filings.push_back(
          {.entry = {.rank = rank, .policy = order[rank], .selector = &selector}, .necessary = NecessaryFeatures(*order[rank], selector)});
      for (const auto& features : filings.back().necessary) {
        for (const std::string& feature : features) ++frequency[feature];
      }
    }
  }
  std::set<std::size_t> lengths;
  for (const Filing& filing : filings) {
    const std::vector<std::string>* rarest = nullptr;
    std::size_t least = std::numeric_limits<std::size_t>::max();
    for (const auto& features : filing.necessary) {
      std::size_t sum = 0;
      for (const std::string& feature : features) sum += frequency[feature];
      if (sum < least) {
        least = sum;
        rarest = &features;
      }
    }
    if (rarest == nullptr) {
      unfiled_.push_back(filing.entry);
      continue;
    }
    for (const std::string& feature : *rarest) {
      files_[feature].push_back(filing.entry);
      if (feature.starts_with(kBeginning)) lengths.insert(feature.size() - 1);
    }
  }
  prefix_lengths_.assign(lengths.begin(), lengths.end());
}

void SelectorIndex::Collect(std::string_view feature, const Workload& workload, std::vector<Entry>& matches) const {
  const auto found = files_.find(feature);
  if (found == files_.end()) return;
  for (const Entry& entry : found->second) {
    if (Holds(vantage_, *entry.policy, *entry.selector, workload)) matches.push_back(entry);
  }
}

std::vector<SelectorIndex::Entry> SelectorIndex::Match(const Workload& workload) const {
  std::vector<Entry> matches;
  std::string text;
  Collect(Feature(text, kName, workload.name), workload, matches);
  Collect(Feature(text, kNamespace, workload.namespace_), workload, matches);
  for (const std::size_t length : prefix_lengths_) {
    if (length > workload.name.size()) break;
    Collect(Feature(text, kBeginning, std::string_view(workload.name).substr(0, length)), workload, matches);
  }
  for (const auto& [key, value] : workload.labels) {
    Collect(Feature(text, kKey, key), workload, matches);
    Collect(Feature(text, kLabel, key, value), workload, matches);
  }
  for (const Entry& entry : unfiled_) {
    if (Holds(vantage_, *entry.policy, *entry.selector, workload)) matches.push_back(entry);
  }
  return matches;
}

InterestList SelectorIndex::At(const std::vector<Entry>& matches, const IpAddress& address) {
  InterestList list;
  for (const Entry& entry : matches) {
    const Selector& selector = *entry.selector;
    const auto HoldsAddress = [&](const Prefix& prefix) { return prefix.Contains(address); };
    if (!selector.cidrs.empty() && std::ranges::none_of(selector.cidrs, HoldsAddress)) continue;
    RankedInterest interest{.rank = entry.rank};
    if (selector.interface) interest.interfaces.insert(*selector.interface);
    list.push_back(std::move(interest));
  }
  Normalise(list);
  return list;
}

}  // namespace egressd::policy
