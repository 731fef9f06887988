// Egress addresses on a kernel that keeps no protocol number with them.
#include <doctest/doctest.h>

#include "kernel/address_memory.h"
#include "support/temporary_directory.h"

namespace egressd::test {

TEST_CASE("on an old kernel, egress addresses are ours because they are remembered, also by the next process") {
  using kernel::AddressMemory;
  TemporaryDirectory directory;
  const state::EgressAddress::Key key{.device = "eth0", .address = IpAddress::Parse("203.0.113.10").value()};
  {
    AddressMemory memory(directory.path(), AddressMemory::Need::kOldKernel);
    CHECK_FALSE(memory.Knows("eth0", Prefix::Of(key.address)));
    REQUIRE(memory.Add(key));
  }
  AddressMemory later(directory.path(), AddressMemory::Need::kOldKernel);
  CHECK(later.Knows("eth0", Prefix::Of(key.address)));
  CHECK_FALSE(later.Knows("eth1", Prefix::Of(key.address)));
  CHECK_FALSE(later.Knows("eth0", {key.address, 24}));
  REQUIRE(later.Remove(key));
  CHECK_FALSE(AddressMemory(directory.path(), AddressMemory::Need::kOldKernel).Contains(key));
}

TEST_CASE("on a kernel that keeps the number, nothing is remembered") {
  using kernel::AddressMemory;
  TemporaryDirectory directory;
  AddressMemory memory(directory.path(), AddressMemory::Need::kNone);
  REQUIRE(memory.Add({.device = "eth0", .address = IpAddress::Parse("203.0.113.10").value()}));
  CHECK_FALSE(memory.Contains({.device = "eth0", .address = IpAddress::Parse("203.0.113.10").value()}));
  CHECK(std::filesystem::is_empty(directory.path()));
}

}  // namespace egressd::test
