// Which egress addresses are ours on kernels before 5.18, which keep no protocol number (IFA_PROTO) with an address.
//
// 1. On newer kernels this is empty and writes nothing.
// 2. An address is on disk before it is on the device, so none is ever left behind.
//
// <state_directory>/egress-addresses: "<device> <address>" per line. Without a directory: remembered in this object only.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "egressd/base/error.h"
#include "egressd/state/state.h"

namespace egressd::kernel {

class AddressMemory {
 public:
  enum class Need : std::uint8_t { kNone, kOldKernel };
  // What the running kernel needs.
  static Need NeedHere();
  AddressMemory(const std::string& state_directory, Need need);

  bool Contains(const state::EgressAddress::Key& key) const { return keys_.contains(key); }
  // The same for an address as the kernel tells it; ours are /32 or /128.
  bool Knows(const std::string& device, const Prefix& prefix) const {
    return prefix.is_single() && Contains({.device = device, .address = prefix.address});
  }
  Result<void> Add(const state::EgressAddress::Key& key);
  Result<void> Remove(const state::EgressAddress::Key& key);

 private:
  Result<void> Save() const;
  std::string file_;  // "" = not on disk
  Need need_;
  std::set<state::EgressAddress::Key> keys_;
};

}  // namespace egressd::kernel
