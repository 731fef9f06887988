// The addresses of a pool as a numbered list, without ever writing the list down: IPv6 pools may hold 2^64 of them.
//
// 1. Positions count in the order in which the pool lists its ranges, exclusions left out.
// 2. In a pool with `pair` the i-th IPv4 address goes with the i-th IPv6 address.
// 3. Ranges of the wrong family are left out (Validate reports them).
// Called by Bind and Validate.
#pragma once

#include <optional>
#include <vector>

#include "egressd/policy/policy_set.h"

namespace egressd::policy {

class PoolLayout {
 public:
  explicit PoolLayout(const Pool& pool);

  // What is left of the ranges, in the order of positions.
  const std::vector<AddressRange>& Ranges(Family family) const { return family == Family::kIpv4 ? ipv4_ : ipv6_; }
  // Number of addresses, saturating at 2^64 - 1.
  std::uint64_t Count(Family family) const;
  std::optional<std::uint64_t> PositionOf(const IpAddress& address) const;
  std::optional<IpAddress> At(Family family, std::uint64_t position) const;
  bool Contains(const IpAddress& address) const { return PositionOf(address).has_value(); }
  bool pair() const { return pair_; }
  // The other half of a pair; nullopt without `pair`, or when the address is not in the pool.
  std::optional<IpAddress> MateOf(const IpAddress& address) const;

 private:
  std::vector<AddressRange> ipv4_;
  std::vector<AddressRange> ipv6_;
  bool pair_ = false;
};

}  // namespace egressd::policy
