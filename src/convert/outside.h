// The addresses with which VpcEgressGateways leave: each gets its own, one for each replica, and all of its policies share them.
//
// 1. Those that an object names (spec.externalIPs) or has (status.externalIPs) are given to nobody else.
// 2. The others get free ones of their IPPool or Subnet, in order.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "convert/draft.h"

namespace egressd::convert {

class OutsideAddresses {
 public:
  explicit OutsideAddresses(const Draft& draft);

  struct Taken {
    std::vector<policy::AddressPair> addresses;
    std::optional<policy::Subnet> subnet;
  };
  // nullopt: reported.
  std::optional<Taken> TakeFor(Manifest& gateway, std::size_t replicas);

 private:
  struct Network {
    std::vector<AddressRange> usable;
    policy::Subnet subnet;
  };
  std::optional<Network> NetworkOf(Manifest& subnet) const;
  std::optional<std::vector<AddressRange>> PoolOf(Manifest& gateway, const Node& name) const;
  std::optional<std::vector<policy::AddressPair>> Named(Manifest& gateway, const Node& list) const;
  std::vector<policy::AddressPair> Free(const std::vector<AddressRange>& ranges, std::size_t count);

  const Draft& draft_;
  std::set<IpAddress> taken_;
};

// "10.0.0.1,fd00::1" → both.
std::vector<std::string> SplitAtCommas(const std::string& text);
// The networks of a Subnet; empty: reported.
std::vector<Prefix> NetworksOfSubnet(Manifest& subnet, const std::string& becomes);

}  // namespace egressd::convert
