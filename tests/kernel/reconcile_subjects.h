// The two subjects of one contract: the kernel of this machine in a namespace of its own, and the fake.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <thread>

#include "egressd/kernel/kernel.h"
#include "egressd/state/transaction.h"
#include "rtnl_outsider.h"
#include "support/fake_kernel.h"
#include "support/sandbox.h"
#include "support/temporary_directory.h"

namespace egressd::test {

using state::State;

struct RealSubject {
  Sandbox sandbox;
  TemporaryDirectory directory;
  Outsider outsider;
  kernel::Kernel kernel = Start();

  kernel::Kernel Start() {
    REQUIRE(outsider.MakeVeth("eth0", "eth0peer") == 0);
    REQUIRE(outsider.SetUp("eth0") == 0);
    REQUIRE(outsider.SetUp("eth0peer") == 0);
    return kernel::Kernel::Open({.state_directory = directory.path()}).value();
  }
  void Pass(Duration time) { std::this_thread::sleep_for(time); }
  // A device on which IPv6 is switched off refuses IPv6 addresses.
  void RefuseIpv6EgressAddresses() {
    std::ofstream("/proc/sys/net/ipv6/conf/eth0/disable_ipv6") << "1";
  }
};

struct FakeSubject {
  FakeKernel kernel;
  void Pass(Duration time) { kernel.now += time; }
  void RefuseIpv6EgressAddresses() {
    kernel.refuses = [](const state::Step& step) {
      const auto* address = std::get_if<state::EgressAddress>(&step.object);
      return address != nullptr && address->key.address.family() == Family::kIpv6;
    };
  }
};

// Text, so that a failure shows what is wrong.
inline std::string Difference(const State& observed, const State& desired) { return state::ToString(state::Diff(observed, desired)); }

template <typename Subject>
void Reach(Subject& subject, const State& desired) {
  const auto done = subject.kernel.Reconcile(desired);
  REQUIRE_MESSAGE(done.has_value(), (done ? std::string() : done.error().message));
  const auto observed = subject.kernel.Observe();
  REQUIRE(observed);
  CHECK(Difference(*observed, desired) == "");
  const auto again = subject.kernel.Reconcile(desired);
  REQUIRE(again);
  CHECK(state::ToString(*again) == "");
}

}  // namespace egressd::test
