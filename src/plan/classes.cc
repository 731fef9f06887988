#include "plan/classes.h"

#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "plan/chains.h"
#include "plan/choice.h"
#include "plan/rule.h"
#include "plan/sets.h"

namespace egressd::plan {
namespace {

using policy::Action;
using policy::Policy;
using policy::Reach;
using policy::SourceClass;
using state::NftBytes;
using state::NftRule;

constexpr Family kBoth[] = {Family::kIpv4, Family::kIpv6};

class ClassWriter {
 public:
  ClassWriter(const Facts& facts, state::State& state) : facts_(facts), state_(state) {}

  // One rule for each policy (and device it is limited to), in deciding order.
  std::vector<NftRule> Rules(const SourceClass& source_class) {
    std::vector<NftRule> rules;
    for (const policy::Interest& interest : source_class.interests) {
      const Policy& policy = *interest.policy;
      const PolicySets& sets = SetsOf(policy);
      if (policy.to == Reach::kListed && !sets.Has(sets.to, source_class.family)) continue;  // nothing of this family is meant
      const Family family = source_class.family;
      if (interest.interfaces.empty()) rules.push_back(Decide(Conditions(Words(), policy, sets, family), policy, sets, family));
      for (const std::string& device : interest.interfaces) {
        Words words;
        words.From(device);
        rules.push_back(Decide(Conditions(std::move(words), policy, sets, family), policy, sets, family));
      }
    }
    return rules;
  }

 private:
  // Which sets a policy has, and for which families.
  struct PolicySets {
    unsigned to = 0;
    unsigned except = 0;
    unsigned spread = 0;
    bool ports = false;
    static unsigned Bit(Family family) { return family == Family::kIpv4 ? 1u : 2u; }
    static bool Has(unsigned families, Family family) { return (families & Bit(family)) != 0; }
  };

  unsigned PutDestinations(std::string_view stem, const Policy& policy, const std::vector<policy::Destination>& destinations) {
    unsigned families = 0;
    const std::vector<Prefix> prefixes = policy::Resolve(*facts_.set, destinations);
    for (const Family family : kBoth) {
      bool present = false;
      for (const Prefix& prefix : prefixes) present = present || prefix.family() == family;
      if (!present) continue;
      PutNetworks(state_, DestinationSet(stem, family, policy.name), family, prefixes);
      families |= PolicySets::Bit(family);
    }
    return families;
  }

  void PutSpread(const Policy& policy, Family family) {
    std::vector<std::uint32_t> marks;
    for (const policy::Binding* binding : LotsOf(facts_, policy, family)) marks.push_back(DecidedMark(binding->id));
    PutMarkTable(state_, SpreadMap(family, policy.name), marks);
  }

  const PolicySets& SetsOf(const Policy& policy) {
    const auto [found, is_new] = sets_.try_emplace(&policy);
    if (!is_new) return found->second;
    for (const Family family : kBoth) {
      if (!policy::UsesGateway(policy) || facts_.BindingsOf(policy.name, family).size() < 2) continue;
      PutSpread(policy, family);
      found->second.spread |= PolicySets::Bit(family);
    }
    if (policy.to == Reach::kListed) found->second.to = PutDestinations("to", policy, policy.destinations);
    if (!policy.except.empty()) found->second.except = PutDestinations("except", policy, policy.except);
    found->second.ports = !policy.ports.empty();
    if (found->second.ports) PutPorts(state_, PortSet(policy.name), policy.ports);
    return found->second;
  }

  static Words Conditions(Words words, const Policy& policy, const PolicySets& sets, Family family) {
    if (policy.to == Reach::kExternal) words.DestinationNotIn(family, PerFamily(stem::kInternal, family));
    if (policy.to == Reach::kListed) words.DestinationIn(family, DestinationSet("to", family, policy.name));
    if (PolicySets::Has(sets.except, family)) words.DestinationNotIn(family, DestinationSet("except", family, policy.name));
    if (sets.ports) words.PortIn(PortSet(policy.name));
    return words;
  }

  NftRule Decide(Words words, const Policy& policy, const PolicySets& sets, Family family) const {
    switch (policy.action) {
      case Action::kDirect: return words.Goto(chain::kDirect);
      case Action::kDrop: return words.Drop(counter::kPolicyDrop);
      case Action::kSnat:
      case Action::kRoute: break;
    }
    if (PolicySets::Has(sets.spread, family)) {
      const std::string map = SpreadMap(family, policy.name);
      if (policy.spread == policy::Spread::kFlow) return words.SetConnectionMarkInTurn(kLots, map).Goto(chain::kSteer);
      const std::uint32_t seed = SpreadSeed(facts_.inputs.config->node.name);
      return words.SetConnectionMarkByHash(family, kLots, seed, map).Goto(chain::kSteer);
    }
    if (const auto bindings = facts_.BindingsOf(policy.name, family); !bindings.empty()) {
      return words.SetConnectionMark(DecidedMark(bindings.front()->id)).Goto(chain::kSteer);
    }
    // No egress IP of this family: as without a gateway.
    return words.Goto(policy.on_no_gateway == policy::OnNoGateway::kDirect ? chain::kDirect : chain::kNoGateway);
  }

  const Facts& facts_;
  state::State& state_;
  std::unordered_map<const Policy*, PolicySets> sets_;
};

}  // namespace

std::optional<std::uint32_t> SimpleMark(const Facts& facts, const SourceClass& source_class) {
  if (source_class.interests.size() != 1) return std::nullopt;
  const policy::Interest& interest = source_class.interests.front();
  const Policy& policy = *interest.policy;
  if (!interest.interfaces.empty() || !policy::UsesGateway(policy) || policy.to != Reach::kExternal) return std::nullopt;
  if (!policy.except.empty() || !policy.ports.empty()) return std::nullopt;
  const auto bindings = facts.BindingsOf(policy.name, source_class.family);
  if (bindings.size() != 1) return std::nullopt;
  return DecidedMark(bindings.front()->id);
}

std::vector<std::uint32_t> MarksOf(const Facts& facts, const SourceClass& source_class) {
  std::vector<std::uint32_t> marks;
  bool direct = !SimpleMark(facts, source_class);  // what none of its policies is about
  for (const policy::Interest& interest : source_class.interests) {
    direct = direct || interest.policy->on_no_gateway == policy::OnNoGateway::kDirect;
    for (const policy::Binding* binding : facts.BindingsOf(interest.policy->name, source_class.family)) {
      marks.push_back(DecidedMark(binding->id));
    }
  }
  if (direct) marks.push_back(kDecidedDirect);
  return marks;
}

void PutSourceClasses(const Facts& facts, state::State& state) {
  if (facts.inputs.selection == nullptr) return;
  const policy::Selection& selection = *facts.inputs.selection;
  ClassWriter writer(facts, state);
  std::unordered_map<const SourceClass*, NftBytes> values;
  Elements classes(state, set::kClasses);
  const NftRule otherwise = Words().Goto(chain::kDirect);
  for (const SourceClass* source_class : selection.Classes()) {
    if (const std::optional<std::uint32_t> mark = SimpleMark(facts, *source_class)) {
      values.emplace(source_class, NftBytes::Mark(*mark));
      continue;
    }
    const std::string name = ClassChain(source_class->key);
    std::vector<NftRule> rules = writer.Rules(*source_class);
    rules.push_back(otherwise);
    PutChain(state, name, std::move(rules));
    classes.Add(NftBytes::Mark(source_class->key), state::NftVerdict{.code = state::NftVerdict::Code::kGoto, .chain = name});
    values.emplace(source_class, NftBytes::Mark(source_class->key));
  }

  Elements sources[] = {Elements(state, PerFamily(stem::kSource, Family::kIpv4)), Elements(state, PerFamily(stem::kSource, Family::kIpv6))};
  for (const auto& [address, source_class] : selection.exact()) {
    sources[address.family() == Family::kIpv4 ? 0 : 1].Add(NftBytes::Of(address), values.at(source_class));
  }
  for (const Family family : kBoth) {
    Elements networks(state, PerFamily(stem::kNetwork, family));
    for (const policy::Selection::Network& network : selection.networks()) {
      if (network.range.family() != family) continue;
      networks.AddRange(NftBytes::Of(network.range.first), NftBytes::Of(network.range.last), values.at(network.source_class));
    }
    // Sources that only a device selects: most packets that come by are none of ours, so no mark is left behind.
    const SourceClass* other = selection.other(family);
    if (other == nullptr) continue;
    std::vector<NftRule> rules = writer.Rules(*other);
    rules.push_back(Words().Return());
    PutChain(state, PerFamily(stem::kOther, family), std::move(rules));
  }
}

}  // namespace egressd::plan
