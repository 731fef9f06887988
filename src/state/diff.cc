#include <algorithm>
#include <iterator>
#include <set>
#include <type_traits>
#include <utility>

#include "egressd/state/transaction.h"

namespace egressd::state {
namespace {

template <typename Kind>
inline constexpr bool kIsNft = std::is_same_v<Kind, NftTable> || std::is_same_v<Kind, NftCounter> || std::is_same_v<Kind, NftLimit> ||
                               std::is_same_v<Kind, NftSet> || std::is_same_v<Kind, NftChain> || std::is_same_v<Kind, NftElement>;

// What disappears by itself because its container does.
struct Gone {
  std::set<NftFamily> families;
  std::set<NftName> sets;
  std::set<NftName> limits;  // these take nothing along, but let nobody refer to them while they are replaced

  // A set in use cannot be replaced: the chains that look into it let go of it in the same batch.
  bool Disturbs(const NftChain& chain) const {
    return std::ranges::any_of(chain.rules, [&](const NftRule& rule) {
      return std::ranges::any_of(rule.expressions, [&](const NftExpression& expression) {
        const auto* lookup = std::get_if<NftLookup>(&expression);
        const auto* limit = std::get_if<NftLimitBy>(&expression);
        return (lookup != nullptr && sets.contains({chain.key.family, lookup->set})) ||
               (limit != nullptr && sets.contains({chain.key.family, limit->map}));
      });
    });
  }
  bool Disturbs(const NftElement& element) const {
    const auto* limit = std::get_if<NftLimitName>(&element.value);
    return limit != nullptr && limits.contains({element.key.set.family, limit->name});
  }
  template <typename Kind>
  bool Disturbs(const Kind&) const {
    return false;
  }

  bool Takes(const NftElement& element) const { return families.contains(element.key.set.family) || sets.contains(element.key.set); }
  template <typename Kind>
  bool Takes(const Kind& object) const {
    if constexpr (std::is_same_v<typename Kind::Key, NftName>) return families.contains(object.key.family);
    return false;
  }
  void Add(const NftTable& table) { families.insert(table.key.family); }
  void Add(const NftSet& set) { sets.insert(set.key); }
  void Add(const NftLimit& limit) { limits.insert(limit.key); }
  template <typename Kind>
  void Add(const Kind&) {}
};

// The three lists that steps of one kind go to.
struct Lists {
  std::vector<Step>& create;
  std::vector<Step>& replace;
  std::vector<Step>& remove;
};

template <typename Kind>
Lists ListsOf(Transaction& transaction, std::vector<Step>& removed) {
  if constexpr (kIsNft<Kind>) {
    return {transaction.cut_over, transaction.cut_over, transaction.cut_over};
  } else if constexpr (std::is_same_v<Kind, EgressAddress>) {
    return {transaction.take, transaction.take, transaction.release};
  } else {
    return {transaction.build, transaction.build, removed};
  }
}

template <typename Key, typename Kind>
void DiffKind(const std::map<Key, Kind>& observed, const std::map<Key, Kind>& desired, Gone& gone, Lists lists) {
  if (desired.size() > observed.size()) lists.create.reserve(lists.create.size() + desired.size() - observed.size());
  auto found = observed.begin();
  auto wanted = desired.begin();
  while (found != observed.end() || wanted != desired.end()) {
    if (found != observed.end() && gone.Takes(found->second)) {
      ++found;
    } else if (wanted == desired.end() || (found != observed.end() && found->first < wanted->first)) {
      lists.remove.push_back({Operation::kRemove, found->second});
      gone.Add(found->second);
      ++found;
    } else if (found == observed.end() || wanted->first < found->first) {
      lists.create.push_back({Operation::kCreate, wanted->second});
      ++wanted;
    } else {
      if (!(found->second == wanted->second) || gone.Disturbs(wanted->second)) {
        lists.replace.push_back({Operation::kReplace, wanted->second});
        gone.Add(wanted->second);
      }
      ++found;
      ++wanted;
    }
  }
}

template <typename Kind>
Objects<Kind>& MapOf(State& state) {
  Objects<Kind>* result = nullptr;
  ForEachKind(
      [&](auto& objects) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(objects)>, Objects<Kind>>) result = &objects;
      },
      state);
  return *result;
}

void EraseElements(const NftName& set, State& state) {
  const auto first = state.elements.lower_bound(NftElement::Key{.set = set});
  auto last = first;
  while (last != state.elements.end() && last->first.set == set) ++last;
  state.elements.erase(first, last);
}

// What the kernel takes along when `object` is removed or replaced.
void EraseContents(const NftTable& table, State& state) {
  const auto of_family = [&](const auto& entry) { return entry.first.family == table.key.family; };
  std::erase_if(state.counters, of_family);
  std::erase_if(state.limits, of_family);
  std::erase_if(state.sets, of_family);
  std::erase_if(state.chains, of_family);
  std::erase_if(state.elements, [&](const auto& entry) { return entry.first.set.family == table.key.family; });
}
void EraseContents(const NftSet& set, State& state) { EraseElements(set.key, state); }
template <typename Kind>
void EraseContents(const Kind&, State&) {}

}  // namespace

Transaction Diff(const State& observed, const State& desired) {
  Transaction transaction;
  Gone gone;
  std::vector<std::vector<Step>> cleaned;  // one list per kind, in order of building
  ForEachKind(
      [&]<typename Key, typename Kind>(const std::map<Key, Kind>& found, const std::map<Key, Kind>& wanted) {
        DiffKind(found, wanted, gone, ListsOf<Kind>(transaction, cleaned.emplace_back()));
      },
      observed, desired);
  for (auto steps = cleaned.rbegin(); steps != cleaned.rend(); ++steps) {
    transaction.clean.insert(transaction.clean.end(), std::move_iterator(steps->begin()), std::move_iterator(steps->end()));
  }
  return transaction;
}

Transaction Diff(const State& observed, const State& desired, const std::set<NftElement::Key>& touched) {
  std::set<NftElement::Key> keys = touched;
  for (const auto& [name, set] : desired.sets) {
    if (!set.timeouts) continue;
    for (const State* state : {&observed, &desired}) {
      auto entry = state->elements.lower_bound({.set = name, .first = {}, .last = {}});
      for (; entry != state->elements.end() && entry->first.set == name; ++entry) keys.insert(entry->first);
    }
  }
  Transaction transaction;
  for (const NftElement::Key& key : keys) {
    const auto found = observed.elements.find(key);
    const auto wanted = desired.elements.find(key);
    const bool is_there = found != observed.elements.end();
    if (wanted == desired.elements.end()) {
      if (is_there) transaction.cut_over.push_back({Operation::kRemove, found->second});
    } else if (!is_there || found->second != wanted->second) {
      transaction.cut_over.push_back({is_there ? Operation::kReplace : Operation::kCreate, wanted->second});
    }
  }
  return transaction;
}

void Apply(const Step& step, State& state) {
  std::visit(
      [&]<typename Kind>(const Kind& object) {
        auto& objects = MapOf<Kind>(state);
        if (step.operation != Operation::kCreate) EraseContents(object, state);
        if (step.operation == Operation::kRemove) {
          objects.erase(object.key);
        } else {
          Put(objects, object);
        }
      },
      step.object);
}

void Apply(const Transaction& transaction, State& state) {
  for (const auto* phase : {&transaction.release, &transaction.build, &transaction.cut_over, &transaction.take, &transaction.clean}) {
    for (const Step& step : *phase) Apply(step, state);
  }
}

}  // namespace egressd::state
