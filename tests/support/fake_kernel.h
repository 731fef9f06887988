// A kernel in memory with the verbs of kernel::Kernel, for tests that must not touch a real one. It passes the contract suite
// (tests/kernel/reconcile_contract.cc) that the real one passes.
#pragma once

#include <functional>
#include <string>

#include "egressd/base/error.h"
#include "egressd/state/state.h"
#include "egressd/state/transaction.h"

namespace egressd::test {

class FakeKernel {
 public:
  // Says whether a step is refused; empty = nothing is.
  std::function<bool(const state::Step&)> refuses;
  // What is in force; a test may change it as somebody else would.
  state::State state;

  Result<state::State> Observe() { return state; }

  Result<state::Transaction> Reconcile(const state::State& desired) {
    const state::State before = state;
    state::Transaction transaction = state::Diff(state, desired);
    for (const auto* phase : {&transaction.release, &transaction.build, &transaction.cut_over, &transaction.take, &transaction.clean}) {
      for (const state::Step& step : *phase) {
        if (refuses && refuses(step)) {
          state = before;
          return Fail(ErrorKind::kSystem, state::ToString(step) + ": refused");
        }
        state::Apply(step, state);
      }
    }
    return transaction;
  }

  Result<state::Transaction> Cleanup() { return Reconcile({}); }

  Result<state::Transaction> ReleaseEgressAddresses() {
    state::State desired = state;
    desired.egress_addresses.clear();
    return Reconcile(desired);
  }
};

}  // namespace egressd::test
