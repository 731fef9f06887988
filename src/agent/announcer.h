// When an egress IP is announced on its uplink: as soon as the kernel has it, and again after 100 ms, 1 s, 2 s and 4 s, because a
// switch or a router may lose one, and because the former holder may have answered in between.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/time.h"

namespace egressd::agent {

class Announcer {
 public:
  void Start(Time now, const IpAddress& address) { pending_[address] = {.round = 0, .begun = now}; }
  void Stop(const IpAddress& address) { pending_.erase(address); }
  void StopAll() { pending_.clear(); }
  // Addresses to announce now, in order.
  std::vector<IpAddress> Due(Time now);
  Time NextTimer() const;

 private:
  static constexpr std::array<Duration, 5> kAfter{Duration{0}, Duration{100'000}, Duration{1'000'000}, Duration{2'000'000},
                                                  Duration{4'000'000}};
  struct Progress {
    std::size_t round = 0;
    Time begun{};
    Time Next() const { return begun + kAfter[round]; }
  };
  std::map<IpAddress, Progress> pending_;
};

}  // namespace egressd::agent
