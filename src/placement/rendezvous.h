// The weight of every (node, IP) pair, highest first: whose turn it is to choose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "egressd/base/address.h"

namespace egressd::placement {

struct Pair {
  std::uint64_t rank = 0;
  std::size_t address = 0;  // index into the addresses given
  std::size_t node = 0;     // index into the nodes given
};

// Every address with every node. Equal hashes are ordered by index, so give both in an order that all nodes share.
std::vector<Pair> PairsByRank(const std::vector<IpAddress>& addresses, const std::vector<std::string>& nodes);

}  // namespace egressd::placement
