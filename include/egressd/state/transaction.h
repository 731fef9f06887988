// The difference between two states, in the order in which it can be carried out without a gap:
//
//   release   egress addresses that stop being ours
//   build     links, sysctls, addresses, neighbours, FDB, routes, rules that are new or changed
//   cut over  all of nftables, one atomic batch
//   take      egress addresses that become ours
//   clean     what nothing uses any more, in reverse order of building
//
// A crash in between leaves too much, never too little; the next reconcile tidies.
//
// 1. Apply(Diff(a, b), a) == b for all states.
// 2. Diff(a, a) is empty.
// 3. Steps of one phase and kind come in order of key.
// 4. Diff(a, b, touched) == Diff(a, b) when nothing but `touched`, elements of sets that stay, and leases differs; it costs what that is.
// 5. What the kernel takes along has no step of its own: a removed table takes all of its family, a removed or replaced set its elements.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "egressd/state/state.h"

namespace egressd::state {

enum class Operation : std::uint8_t { kCreate, kReplace, kRemove };
std::string_view ToString(Operation operation);

using Object = std::variant<Sysctl, Link, Vlan, Address, Neighbour, FdbEntry, Route, Rule, NftTable, NftCounter, NftLimit, NftSet, NftChain,
                            NftElement, EgressAddress>;

// "route", "element", …: one word.
std::string_view KindOf(const Object& object);

struct Step {
  Operation operation = Operation::kCreate;
  Object object;  // kRemove: the object as it was observed; else as it shall be
};

struct Transaction {
  std::vector<Step> release;
  std::vector<Step> build;
  std::vector<Step> cut_over;
  std::vector<Step> take;
  std::vector<Step> clean;
  bool empty() const { return release.empty() && build.empty() && cut_over.empty() && take.empty() && clean.empty(); }
  std::size_t size() const { return release.size() + build.size() + cut_over.size() + take.size() + clean.size(); }
};

// What must be done to get from `observed` to `desired`.
Transaction Diff(const State& observed, const State& desired);
// The elements by which a state may differ from an earlier one, beside leases; unset = by anything.
using Touched = std::optional<std::set<NftElement::Key>>;
Transaction Diff(const State& observed, const State& desired, const std::set<NftElement::Key>& touched);
// Carries the transaction out on a value.
void Apply(const Transaction& transaction, State& state);
void Apply(const Step& step, State& state);
// "+ route …", "~ …", "- …", one line a step, phases in order.
std::string ToString(const Transaction& transaction);
std::string ToString(const Step& step);

}  // namespace egressd::state
