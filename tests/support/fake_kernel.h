// A kernel in memory with the verbs of kernel::Kernel, for tests that must not touch a real one. It passes the contract suite
// (tests/kernel/reconcile_contract.cc) that the real one passes.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "egressd/base/error.h"
#include "egressd/base/time.h"
#include "egressd/state/state.h"
#include "egressd/state/transaction.h"

namespace egressd::test {

class FakeKernel {
 public:
  // Says whether a step is refused; empty = nothing is.
  std::function<bool(const state::Step&)> refuses;
  // What is in force; a test may change it as somebody else would. Leases that ran out are in it until the next verb.
  state::State state;
  // The kernel's clock.
  Time now{};

  Result<state::State> Observe() {
    EndLeases();
    return state;
  }

  Result<state::Transaction> Reconcile(const state::State& desired, const state::Touched& = std::nullopt) {
    EndLeases();
    const state::State before = state;
    const std::map<Key, Time> ends_before = ends_;
    state::Transaction transaction = state::Diff(state, desired);
    if (std::ranges::any_of(transaction.cut_over, GivesLease)) {
      if (!std::exchange(awake_, false)) return Late();
    }
    for (const auto* phase : {&transaction.release, &transaction.build, &transaction.cut_over, &transaction.take, &transaction.clean}) {
      for (const state::Step& step : *phase) {
        if (refuses && refuses(step)) {
          Restore(before, ends_before);
          return Fail(ErrorKind::kSystem, state::ToString(step) + ": refused");
        }
        state::Apply(step, state);
        if (GivesLease(step)) Start(std::get<state::NftElement>(step.object));
      }
    }
    EndLeases();
    return transaction;
  }

  Result<void> Wake(Duration at_most) {
    awake_ = at_most > Duration{0};
    awake_until_ = now + state::TimeoutWithin(at_most);
    return {};
  }

  Result<void> Renew(const state::State& desired, const std::optional<std::set<IpAddress>>& egress_ips = std::nullopt) {
    EndLeases();
    std::set<state::NftBytes> keys;
    if (egress_ips) {
      for (const IpAddress& address : *egress_ips) keys.insert(state::NftBytes::Of(address));
    }
    const auto is_meant = [&](const auto& entry) { return entry.second.timeout && (!egress_ips || keys.contains(entry.first.first)); };
    if (std::ranges::none_of(desired.elements, is_meant)) return {};
    if (!awake_) return Late();
    for (const auto& entry : desired.elements) {
      if (is_meant(entry) && !state.elements.contains(entry.first)) {
        return Fail(ErrorKind::kExpired, state::ToString(entry.second) + ": it had run out");
      }
    }
    awake_ = false;
    for (const auto& entry : desired.elements) {
      if (!is_meant(entry)) continue;
      const state::NftElement& element = entry.second;
      state::Put(state.elements, element);
      Start(element);
    }
    return {};
  }

  // Does this kernel answer who asks for the egress IP, by ARP or neighbour discovery?
  bool Answers(const IpAddress& address) {
    EndLeases();
    const bool ipv4 = address.family() == Family::kIpv4;
    const state::NftName answers{.family = ipv4 ? state::NftFamily::kArp : state::NftFamily::kInet, .name = ipv4 ? "answers" : "answers6"};
    const state::NftBytes key = state::NftBytes::Of(address);
    const bool there = std::ranges::any_of(state.egress_addresses, [&](const auto& entry) { return entry.first.address == address; });
    return there && state.elements.contains({.set = answers, .first = key, .last = key});
  }

  Result<state::Transaction> Cleanup() { return Reconcile({}); }

  Result<state::Transaction> ReleaseEgressAddresses() {
    state::State desired = state;
    desired.egress_addresses.clear();
    return Reconcile(desired);
  }

 private:
  using Key = state::NftElement::Key;

  static std::unexpected<Error> Late() { return Fail(ErrorKind::kExpired, "too late for leases"); }

  static bool GivesLease(const state::Step& step) {
    const auto* element = std::get_if<state::NftElement>(&step.object);
    return element != nullptr && element->timeout && step.operation != state::Operation::kRemove;
  }

  void Start(const state::NftElement& element) { ends_[element.key] = now + *element.timeout; }

  void EndLeases() {
    if (awake_ && awake_until_ <= now) awake_ = false;
    std::erase_if(ends_, [&](const auto& entry) {
      const auto found = state.elements.find(entry.first);
      const bool is_lease = found != state.elements.end() && found->second.timeout;
      if (is_lease && entry.second <= now) state.elements.erase(found);
      return !is_lease || entry.second <= now;
    });
  }

  // As the real one undoes: a lease that had to go on the way is not given again.
  void Restore(const state::State& before, const std::map<Key, Time>& ends_before) {
    const state::State failed = std::exchange(state, before);
    std::erase_if(state.elements, [&](const auto& entry) { return entry.second.timeout && !failed.elements.contains(entry.first); });
    ends_ = ends_before;
  }

  std::map<Key, Time> ends_;
  bool awake_ = false;
  Time awake_until_{};
};

}  // namespace egressd::test
