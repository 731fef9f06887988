#include "plan/processes.h"

#include <functional>
#include <set>
#include <string>
#include <utility>

#include "plan/chains.h"
#include "plan/classes.h"
#include "plan/rule.h"
#include "plan/sets.h"

namespace egressd::plan {
namespace {

using state::NftBytes;
using state::NftSet;

constexpr std::uint8_t kUdp = 17;
constexpr Family kBoth[] = {Family::kIpv4, Family::kIpv6};

bool SpeakOfProcesses(const Facts& facts) { return facts.inputs.selection != nullptr && facts.inputs.selection->names_processes(); }

NftBytes OwnKey(std::uint32_t unit_class, std::uint32_t user, const IpAddress& source) {
  return NftBytes::Concat({NftBytes::Mark(unit_class), NftBytes::NetworkOrder(user), NftBytes::Of(source)});
}

std::vector<std::string> SetNames() {
  return {PerFamily(stem::kOwn, Family::kIpv4), PerFamily(stem::kOwn, Family::kIpv6), std::string(set::kUnits),
          std::string(set::kNurseries), std::string(set::kBorn), std::string(set::kAgree)};
}

// Where to look for the unit of a process: the innermost says what holds for those around it, too. 0 = it is in none.
std::set<std::uint8_t, std::greater<>> Levels(const policy::Selection& selection) {
  std::set<std::uint8_t, std::greater<>> levels{0};
  for (const policy::Selection::Unit& unit : selection.units()) levels.insert(unit.level);
  return levels;
}

// Elements that may be asked for more than once, in order.
void PutAgreements(const Facts& facts, state::State& state) {
  const policy::Selection& selection = *facts.inputs.selection;
  std::set<const policy::SourceClass*> classes;
  for (const policy::Selection::OwnSource& own : selection.own_sources()) classes.insert(own.source_class);
  for (const IpAddress& address : selection.processes().addresses) {
    const auto found = selection.exact().find(address);
    if (found != selection.exact().end()) classes.insert(found->second);
  }
  Elements agree(state, set::kAgree);
  for (const policy::SourceClass* source_class : classes) {
    const std::uint32_t value = SimpleMark(facts, *source_class).value_or(source_class->key);
    for (const std::uint32_t mark : MarksOf(facts, *source_class)) {
      agree.Add(NftBytes::Concat({NftBytes::Mark(value), NftBytes::Mark(mark)}));
    }
  }
}

// A unit has started where a policy expects one that it fails closed for, and this daemon has not looked at it yet. For milliseconds, or
// for as long as no daemon runs. What stays inside is none of it.
void PutUnknownUnits(const Facts& facts, state::State& state) {
  if (facts.inputs.selection->nursery().levels.empty()) return;
  std::vector<state::NftRule> unknown;
  for (const Family family : kBoth) {
    unknown.push_back(Words().DestinationIn(family, PerFamily(stem::kInternal, family)).Return());
    unknown.push_back(Words().DestinationIn(family, PerFamily(stem::kLocal, family)).Return());
  }
  unknown.push_back(Words().Drop(counter::kUnknownUnit));
  PutChain(state, chain::kUnknownUnit, std::move(unknown));
}

// UDP knows no end: for minutes a port that one process gave back is still the connection, and the address, of the next one that gets it.
void PutOwnAgain(const Facts& facts, state::State& state) {
  std::vector<state::NftRule> again;
  for (const Family family : kBoth) {
    again.push_back(Words().DestinationIn(family, PerFamily(stem::kInternal, family)).Goto(chain::kDecidedBefore));
  }
  for (const std::uint8_t level : Levels(*facts.inputs.selection)) {
    for (const Family family : kBoth) {
      const std::string own = PerFamily(stem::kOwn, family);
      again.push_back(Words().ProcessAgrees(family, level, set::kUnits, own, set::kAgree).Goto(chain::kDecidedBefore));
      again.push_back(Words().ProcessIn(family, level, set::kUnits, own).Drop(counter::kOtherProcess));
    }
  }
  for (const Family family : kBoth) {
    again.push_back(Words().SourceAgrees(family, PerFamily(stem::kSource, family), set::kAgree).Goto(chain::kDecidedBefore));
  }
  // A process that no policy speaks of.
  again.push_back(Words().ConnectionMark(kIdMask, kDirectMark).Return());
  again.push_back(Words().Drop(counter::kOtherProcess));
  PutChain(state, chain::kOwnAgain, std::move(again));
}

}  // namespace

std::vector<state::NftRule> DecidedRules(const Facts& facts) {
  std::vector<state::NftRule> rules;
  if (SpeakOfProcesses(facts)) rules.push_back(Words().ConnectionMark(kDecidedMask, kDecided).Protocol(kUdp).Goto(chain::kOwnAgain));
  return rules;
}

std::vector<state::NftRule> ProcessRules(const Facts& facts) {
  std::vector<state::NftRule> rules;
  if (!SpeakOfProcesses(facts)) return rules;
  const policy::Selection& selection = *facts.inputs.selection;
  // The outer packets of the tunnel keep the socket of the process that sent what is inside.
  for (const Family family : kBoth) {
    rules.push_back(Words().UdpPort(facts.tunnel().port).DestinationIn(family, PerFamily(stem::kPeers, family)).Return());
  }
  for (const std::uint8_t level : selection.nursery().levels) {
    Words words;
    words.ConnectionState(state::kCtStateNew).OfProcess();
    if (level > 1) words.CgroupIn(static_cast<std::uint8_t>(level - 1), set::kNurseries);  // the top of the tree is one, and has no level
    rules.push_back(words.CgroupNotIn(level, set::kBorn).Goto(chain::kUnknownUnit));
  }
  for (const std::uint8_t level : Levels(selection)) {
    for (const Family family : kBoth) {
      const std::string own = PerFamily(stem::kOwn, family);
      rules.push_back(Words().SetConnectionMarkByProcess(family, level, set::kUnits, own).Goto(chain::kDispatchOwn));
    }
  }
  return rules;
}

void PutProcesses(const Facts& facts, state::State& state) {
  if (!SpeakOfProcesses(facts)) return;
  using Type = NftSet::Type;
  const policy::Selection& selection = *facts.inputs.selection;
  const auto Declare = [&](std::string_view name, NftSet set) {
    set.key.name = name;
    state::Put(state.sets, std::move(set));
  };
  Declare(set::kUnits, {.type = Type::kCgroup, .value = Type::kMark});
  Declare(set::kNurseries, {.type = Type::kCgroup});
  Declare(set::kBorn, {.type = Type::kCgroup});
  Declare(set::kAgree, {.type = Type::kMarkMark});
  for (const Family family : kBoth) {
    Declare(PerFamily(stem::kOwn, family),
            {.type = family == Family::kIpv4 ? Type::kMarkUserIpv4 : Type::kMarkUserIpv6, .value = Type::kMark, .intervals = true});
  }
  Elements units(state, set::kUnits);
  for (const policy::Selection::Unit& unit : selection.units()) units.Add(NftBytes::Cgroup(unit.cgroup), NftBytes::Mark(unit.unit_class));
  Elements nurseries(state, set::kNurseries), born(state, set::kBorn);
  for (const std::uint64_t parent : selection.nursery().parents) nurseries.Add(NftBytes::Cgroup(parent));
  for (const std::uint64_t known : selection.nursery().known) born.Add(NftBytes::Cgroup(known));
  Elements own[] = {Elements(state, PerFamily(stem::kOwn, Family::kIpv4)), Elements(state, PerFamily(stem::kOwn, Family::kIpv6))};
  for (const policy::Selection::OwnSource& source : selection.own_sources()) {
    const std::uint32_t value = SimpleMark(facts, *source.source_class).value_or(source.source_class->key);
    own[source.source.family() == Family::kIpv4 ? 0 : 1].AddRange(OwnKey(source.unit_class, source.first_user, source.source.first),
                                                                  OwnKey(source.unit_class, source.last_user, source.source.last),
                                                                  NftBytes::Mark(value));
  }

  PutAgreements(facts, state);
  PutUnknownUnits(facts, state);
  PutOwnAgain(facts, state);
}

void ReplaceProcesses(const Facts& facts, state::State& state) {
  if (!SpeakOfProcesses(facts)) return;
  for (const std::string& name : SetNames()) {
    const state::NftName set{.name = name};
    const auto first = state.elements.lower_bound({.set = set, .first = {}, .last = {}});
    auto last = first;
    while (last != state.elements.end() && last->first.set == set) ++last;
    state.elements.erase(first, last);
  }
  state.chains.erase({.name = std::string(chain::kUnknownUnit)});
  PutProcesses(facts, state);
  PutOutput(facts, state);
}

}  // namespace egressd::plan
