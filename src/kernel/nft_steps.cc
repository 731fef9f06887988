// The order within a batch. All of it takes effect at once, so the order only has to please the kernel:
// nothing may go while something refers to it, nothing may come before what it refers to.
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <format>
#include <set>
#include <variant>

#include "kernel/nft_batch.h"
#include "kernel/nft_lease.h"

namespace egressd::kernel {
namespace {

using state::NftFamily;
using state::NftName;
using state::Operation;
using state::Step;

// The steps of one kind, by what happens to the object.
struct Kind {
  std::vector<const Step*> go;    // kRemove, kReplace
  std::vector<const Step*> come;  // kCreate, kReplace
};

struct Sorted {
  Kind tables, counters, limits, sets, chains, elements;
  std::set<NftFamily> gone_tables;  // everything in them goes with them
  std::set<NftName> gone_sets;      // and their elements with them
  bool adds_lease = false;
};

const NftName& NameOf(const state::NftElement& element) { return element.key.set; }
template <typename T>
const NftName& NameOf(const T& object) {
  return object.key;
}

template <typename T>
const T& Get(const Step* step) {
  return std::get<T>(step->object);
}

Kind* KindOf(Sorted& sorted, const state::Object& object) {
  if (std::holds_alternative<state::NftTable>(object)) return &sorted.tables;
  if (std::holds_alternative<state::NftCounter>(object)) return &sorted.counters;
  if (std::holds_alternative<state::NftLimit>(object)) return &sorted.limits;
  if (std::holds_alternative<state::NftSet>(object)) return &sorted.sets;
  if (std::holds_alternative<state::NftChain>(object)) return &sorted.chains;
  if (std::holds_alternative<state::NftElement>(object)) return &sorted.elements;
  return nullptr;
}

Sorted Sort(std::span<const Step> steps) {
  Sorted sorted;
  sorted.adds_lease = AddsLease(steps);
  for (const auto& step : steps) {
    auto* kind = KindOf(sorted, step.object);
    if (kind == nullptr) continue;
    if (step.operation != Operation::kCreate) kind->go.push_back(&step);
    if (step.operation != Operation::kRemove) kind->come.push_back(&step);
  }
  for (const auto* step : sorted.tables.go) {
    if (step->operation == Operation::kRemove)
      sorted.gone_tables.insert(Get<state::NftTable>(step).key.family);
  }
  for (const auto* step : sorted.sets.go) sorted.gone_sets.insert(Get<state::NftSet>(step).key);
  return sorted;
}

class Encoder {
 public:
  Encoder(const Sorted& sorted, NftKnown& known, NftBatch& batch)
      : sorted_(sorted), known_(known), batch_(batch) {}

  Result<void> Run() {
    if (sorted_.adds_lease) EncodeAwakeRemoval(batch_);
    FlushRules();
    if (auto done = Elements(ElementPurpose::kRemove); !done) return done;
    RemoveSets();
    RemoveChains();
    RemoveObjectsAndTables();
    CreateTablesAndObjects();
    CreateSets();
    CreateChains();
    // Before the elements: a rule that looks into a map has the kernel walk through what is in it (nf_tables_bind_set).
    CreateRules();
    return Elements(ElementPurpose::kAdd);
  }

 private:
  bool GoesWithTable(NftFamily family) const { return sorted_.gone_tables.contains(family); }

  // A message about one named object that says no more than its name.
  void PutName(std::uint16_t type, const NftName& name, const Step* step) {
    EncodeName(batch_.Open(type, 0, name.family, {.step = step}), name.name);
    batch_.Close();
  }

  void FlushRules() {
    for (const auto* step : sorted_.chains.go) {
      const auto& name = Get<state::NftChain>(step).key;
      if (!GoesWithTable(name.family)) PutName(NFT_MSG_DELRULE, name, step);
    }
  }

  void RemoveSets() {
    for (const auto* step : sorted_.sets.go) {
      const auto& set = Get<state::NftSet>(step);
      const auto known = known_.sets.find(set.key);
      // Verdicts hold on to chains that may go in this batch, others to limits; older kernels let go of them
      // only with the element.
      const bool holds = known != known_.sets.end() && (known->second.value == state::NftSet::Type::kVerdict ||
                                                        known->second.value == state::NftSet::Type::kLimit);
      known_.sets.erase(set.key);
      if (GoesWithTable(set.key.family)) continue;
      if (holds) PutName(NFT_MSG_DELSETELEM, set.key, step);
      PutName(NFT_MSG_DELSET, set.key, step);
    }
  }

  void RemoveChains() {
    for (const auto* step : sorted_.chains.go) {
      const auto& chain = Get<state::NftChain>(step);
      const auto known = known_.chains.find(chain.key);
      // The hook of a chain cannot be changed; its rules can.
      const bool same_hook = known != known_.chains.end() && known->second == chain.hook;
      if (step->operation == Operation::kReplace && same_hook) continue;
      known_.chains.erase(chain.key);
      if (GoesWithTable(chain.key.family)) continue;
      EncodeChainName(batch_.Open(NFT_MSG_DELCHAIN, 0, chain.key.family, {.step = step}), chain.key.name);
      batch_.Close();
    }
  }

  void RemoveObjectsAndTables() {
    for (const auto* step : sorted_.counters.go) {
      const auto& key = Get<state::NftCounter>(step).key;
      if (step->operation != Operation::kRemove || GoesWithTable(key.family)) continue;
      EncodeCounterName(batch_.Open(NFT_MSG_DELOBJ, 0, key.family, {.step = step}), key.name);
      batch_.Close();
    }
    for (const auto* step : sorted_.limits.go) {
      const auto& key = Get<state::NftLimit>(step).key;
      if (GoesWithTable(key.family)) continue;
      EncodeLimitName(batch_.Open(NFT_MSG_DELOBJ, 0, key.family, {.step = step}), key.name);
      batch_.Close();
    }
    for (const auto* step : sorted_.tables.go) {
      if (step->operation != Operation::kRemove) continue;
      const auto& table = Get<state::NftTable>(step);
      EncodeTable(batch_.Open(NFT_MSG_DELTABLE, 0, table.key.family, {.step = step}), table);
      batch_.Close();
      std::erase_if(known_.sets, [&](const auto& each) { return each.first.family == table.key.family; });
      std::erase_if(known_.chains, [&](const auto& each) { return each.first.family == table.key.family; });
    }
  }

  void CreateTablesAndObjects() {
    for (const auto* step : sorted_.tables.come) {
      const auto& table = Get<state::NftTable>(step);
      EncodeTable(batch_.Open(NFT_MSG_NEWTABLE, NLM_F_CREATE, table.key.family, {.step = step}), table);
      batch_.Close();
    }
    for (const auto* step : sorted_.counters.come) {
      const auto& counter = Get<state::NftCounter>(step);
      EncodeCounter(batch_.Open(NFT_MSG_NEWOBJ, NLM_F_CREATE, counter.key.family, {.step = step}), counter);
      batch_.Close();
    }
    for (const auto* step : sorted_.limits.come) {
      const auto& limit = Get<state::NftLimit>(step);
      EncodeLimit(batch_.Open(NFT_MSG_NEWOBJ, NLM_F_CREATE, limit.key.family, {.step = step}), limit);
      batch_.Close();
    }
  }

  void CreateSets() {
    std::uint32_t id = 0;
    for (const auto* step : sorted_.sets.come) {
      const auto& set = Get<state::NftSet>(step);
      EncodeSet(batch_.Open(NFT_MSG_NEWSET, NLM_F_CREATE, set.key.family, {.step = step}), set, ++id);
      batch_.Close();
      known_.sets.insert_or_assign(set.key, set);
    }
  }

  void CreateChains() {
    for (const auto* step : sorted_.chains.come) {
      const auto& chain = Get<state::NftChain>(step);
      // For a chain that stays this sets the policy back to accept.
      EncodeChain(batch_.Open(NFT_MSG_NEWCHAIN, NLM_F_CREATE, chain.key.family, {.step = step}), chain);
      batch_.Close();
      known_.chains.insert_or_assign(chain.key, chain.hook);
    }
  }

  void CreateRules() {
    for (const auto* step : sorted_.chains.come) {
      const auto& chain = Get<state::NftChain>(step);
      for (const auto& rule : chain.rules) {
        EncodeRule(batch_.Open(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, chain.key.family,
                               {.step = step, .rule = &rule}),
                   chain.key, rule);
        batch_.Close();
      }
    }
  }

  // Steps come in order of key, so the elements of a set stand together; each run of one set shares messages.
  Result<void> Elements(ElementPurpose purpose) {
    const bool add = purpose == ElementPurpose::kAdd;
    const state::NftSet* set = nullptr;
    nlmsghdr* message = nullptr;
    nlattr* list = nullptr;
    const auto close = [&] {
      if (message == nullptr) return;
      mnl_attr_nest_end(message, list);
      batch_.Close();
      message = nullptr;
    };
    for (const auto* step : add ? sorted_.elements.come : sorted_.elements.go) {
      const auto& element = Get<state::NftElement>(step);
      const auto& name = NameOf(element);
      if (!add && (GoesWithTable(name.family) || sorted_.gone_sets.contains(name))) continue;
      if (set == nullptr || set->key != name) {
        close();
        const auto known = known_.sets.find(name);
        if (known == known_.sets.end() || !Fits(element, known->second)) {
          set = nullptr;
          return Fail(ErrorKind::kInvalid,
                      std::format("{}: there is no set for it", state::ToString(element)));
        }
        set = &known->second;
      } else if (!Fits(element, *set)) {
        close();
        return Fail(ErrorKind::kInvalid,
                    std::format("{}: not of the type of its set", state::ToString(element)));
      }
      if (message == nullptr) {
        message = batch_.Open(add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, add ? NLM_F_CREATE : 0,
                              name.family, {.step = step});
        EncodeName(message, name.name);
        list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
      }
      batch_.Continue({.step = step});
      EncodeElement(message, element, *set, purpose);
      if (message->nlmsg_len > NftBatch::kListBytes) close();
    }
    close();
    return {};
  }

  static bool Fits(const state::NftElement& element, const state::NftSet& set) {
    const auto size = state::Bytes(set.type);
    if (element.key.first.bytes().size() != size || element.key.last.bytes().size() != size) return false;
    if (!set.intervals && element.key.first != element.key.last) return false;
    if (element.timeout && !set.timeouts) return false;
    if (set.value == state::NftSet::Type::kNothing)
      return std::holds_alternative<std::monostate>(element.value);
    if (set.value == state::NftSet::Type::kVerdict)
      return std::holds_alternative<state::NftVerdict>(element.value);
    if (set.value == state::NftSet::Type::kLimit)
      return std::holds_alternative<state::NftLimitName>(element.value);
    const auto* value = std::get_if<state::NftBytes>(&element.value);
    return value != nullptr && value->bytes().size() == state::Bytes(set.value);
  }

  const Sorted& sorted_;
  NftKnown& known_;
  NftBatch& batch_;
};

}  // namespace

Result<void> Encode(std::span<const Step> steps, NftKnown& known, NftBatch& batch) {
  const auto sorted = Sort(steps);
  return Encoder(sorted, known, batch).Run();
}

}  // namespace egressd::kernel
