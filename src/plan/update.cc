// Workloads and units come and go all the time; the rest of the state seldom follows. Its cost here does not depend on how many there are.
#include <algorithm>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "plan/classes.h"
#include "plan/facts.h"
#include "plan/processes.h"
#include "plan/routing.h"
#include "plan/sets.h"

namespace egressd::plan {
namespace {

using state::NftBytes;
using state::NftElement;
using state::State;

auto ElementsOf(const State& state, std::string_view set_name) {
  const state::NftName name{.name = std::string(set_name)};
  const auto first = state.elements.lower_bound({.set = name, .first = {}, .last = {}});
  auto last = first;
  while (last != state.elements.end() && last->first.set == name) ++last;
  return std::ranges::subrange(first, last);
}

// Which networks are internal and which devices forward follows from where workloads are, and seldom changes with one of them.
bool SameSurroundings(const Facts& facts, const State& state) {
  State now;
  PutSysctls(facts, now);
  PutInternal(facts, now);
  if (now.sysctls != state.sysctls) return false;
  return std::ranges::all_of(std::vector{Family::kIpv4, Family::kIpv6}, [&](Family family) {
    const std::string name = PerFamily(stem::kInternal, family);
    return std::ranges::equal(ElementsOf(now, name), ElementsOf(state, name));
  });
}

bool SameClasses(const Facts& facts, const State& state) {
  std::ptrdiff_t chained = 0;
  for (const policy::SourceClass* source_class : facts.inputs.selection->Classes()) {
    if (SimpleMark(facts, *source_class)) continue;
    if (!state.chains.contains({.name = ClassChain(source_class->key)})) return false;
    ++chained;
  }
  return std::ranges::distance(ElementsOf(state, set::kClasses)) == chained;
}

}  // namespace

bool UpdateSources(const Inputs& inputs, std::span<const IpAddress> changed, State& state, state::Touched& touched) {
  if (inputs.selection == nullptr) return false;
  const Facts facts(inputs);
  if (!SameClasses(facts, state) || !SameSurroundings(facts, state)) return false;
  const auto& exact = inputs.selection->exact();
  const auto& known = inputs.selection->known_in_guard();
  using Value = decltype(NftElement::value);
  const auto put = [&](std::string_view stem, const IpAddress& address, std::optional<Value> value) {
    const NftBytes key = NftBytes::Of(address);
    NftElement element{.key = {.set = {.name = PerFamily(stem, address.family())}, .first = key, .last = key}, .value = {}};
    if (touched) touched->insert(element.key);
    if (!value) return void(state.elements.erase(element.key));
    element.value = std::move(*value);
    state::Put(state.elements, std::move(element));
  };
  for (const IpAddress& address : changed) {
    const auto found = exact.find(address);
    const bool is_selected = found != exact.end();
    std::optional<Value> mark, present;
    if (is_selected) mark = NftBytes::Mark(SimpleMark(facts, *found->second).value_or(found->second->key));
    if (!is_selected && known.contains(address)) present.emplace();
    put(stem::kSource, address, std::move(mark));
    put(stem::kKnown, address, std::move(present));
  }
  if (inputs.selection->names_processes()) touched.reset();
  ReplaceProcesses(facts, state);  // a process may use one of these addresses
  return true;
}

bool UpdateProcesses(const Inputs& inputs, State& state) {
  if (inputs.selection == nullptr) return false;
  const Facts facts(inputs);
  if (!SameClasses(facts, state)) return false;
  ReplaceProcesses(facts, state);
  return true;
}

}  // namespace egressd::plan
