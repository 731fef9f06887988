// How long the kernel keeps egress addresses that end by themselves. It tells only what is left of a lifetime, so what was written is
// remembered here: an address whose time runs as it should looks as it was asked for.
//
// An address of which nothing is known (an earlier process made it) looks as if it had been asked for with what is left of its time, so
// that it is written anew.
// Called by commit.cc (writes), observe.cc and drift.cc (compare).
#pragma once

#include <algorithm>
#include <map>

#include "egressd/base/time.h"
#include "egressd/state/state.h"

namespace egressd::kernel {

class AddressLifetimes {
 public:
  void Wrote(const state::EgressAddress& address) {
    if (address.lifetime) {
      written_[address.key] = *address.lifetime;
    } else {
      written_.erase(address.key);
    }
  }
  void Forget(const state::EgressAddress::Key& key) { written_.erase(key); }

  // The lifetime that the address was given, as far as `left` can be the rest of it.
  Duration Of(const state::EgressAddress::Key& key, Duration left) const {
    const auto found = written_.find(key);
    return found == written_.end() ? left : std::max(left, found->second);
  }

 private:
  std::map<state::EgressAddress::Key, Duration> written_;
};

}  // namespace egressd::kernel
