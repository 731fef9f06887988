// What the selectors that speak of the host's own processes (`unit:`, `user:`) say, for every process that there can be.
//
// A process is known by three things that a packet of it tells: the cgroups that it is in, the number of its user, and its source address.
// Cgroups with the same answer share a *unit class*; so the kernel needs one element for each cgroup, and what a class means is worked out
// once, in boxes (unit class, range of users, range of sources).
//
// 1. Only a cgroup whose own unit a selector names is listed; its class says what holds for all units around it, too.
// 2. The number of a unit class follows from its content and stays; 0 is every process that is in no listed cgroup. A packet may find the
//    cgroup as it is after a change and the box as it was before it: it must never find another class's.
// 3. There are boxes for every unit that a selector names before any runs, and for every class that was seen.
// 4. Boxes are disjoint and in order; each says at least one interest. Where none speaks, an address of a workload decides by itself.
// Called by Selection and WhyNot.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/policy/selection.h"
#include "policy/interests.h"

namespace egressd::policy {

// Does any of the globs match any of the units?
bool AnyUnit(const std::vector<std::string>& globs, const std::vector<std::string>& units);

// The name of a unit that the pattern matches, as far as one comes to mind.
std::string UnitLike(std::string_view glob);

class ProcessInterests {
 public:
  struct Box {
    std::uint32_t unit_class = 0;
    std::uint32_t first_user = 0, last_user = 0;
    AddressRange source;
    InterestList interests;
  };
  // What policies say about a source address as a workload's; an empty list = nothing.
  using AtAddress = std::function<InterestList(const IpAddress&)>;

  // Keeps pointers into the policies.
  ProcessInterests(const std::vector<const Policy*>& order, const Vantage& vantage);
  bool empty() const { return wishes_.empty(); }

  void Take(const Processes& processes, const AtAddress& at_address);
  const std::vector<Selection::Unit>& units() const { return units_; }
  const std::vector<Box>& boxes() const { return boxes_; }
  const Selection::Nursery& nursery() const { return nursery_; }
  // nullopt: policies speak of these units, but no known cgroup is like them.
  std::optional<std::uint32_t> ClassOf(const std::vector<std::string>& units) const;

 private:
  struct Wish {
    Rank rank = 0;
    std::string name;  // of the selector: its policy and its place there
    const Selector* selector = nullptr;
    bool closed = false;  // without a gateway nothing goes out
  };
  using Held = std::vector<std::size_t>;  // indices of wishes_, sorted
  // The wishes whose globs name one of the units; without units: none.
  Held HeldBy(const std::vector<std::string>& units) const;
  // The wishes whose glob names this one unit; asked again and again for the same slices.
  const Held& HeldByName(const std::string& unit);
  std::uint32_t NumberOf(const Held& held);
  void FindUnits(const Processes& processes);
  void FindNursery(const Processes& processes);
  void Cut(std::uint32_t unit_class, const Held& held, const Processes& processes, const AtAddress& at_address);
  void CutSources(const Box& stem, const Held& held, const Processes& processes, const AtAddress& at_address);

  std::vector<Wish> wishes_;
  std::map<std::string, Held> by_name_;
  std::map<Held, std::uint32_t> classes_;
  std::set<Held> expected_;  // of units that selectors name
  std::vector<Selection::Unit> units_;
  std::vector<Box> boxes_;
  Selection::Nursery nursery_;
};

}  // namespace egressd::policy
