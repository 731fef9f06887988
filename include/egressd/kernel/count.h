// What an nftables counter says.
#pragma once

#include <cstdint>
#include <map>

namespace egressd::kernel {

struct Count {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  // from the IP header on
  friend bool operator==(const Count&, const Count&) = default;
  Count& operator+=(const Count& other) {
    packets += other.packets;
    bytes += other.bytes;
    return *this;
  }
};
using CountsByMark = std::map<std::uint32_t, Count>;

}  // namespace egressd::kernel
