// Who else on the uplink has an egress IP (RFC 5227, RFC 4862 section 5.4): asked before it is taken, listened for as long as it is held.
// The steps are in conflicts.cc.
#pragma once

#include <cstdint>
#include <map>

#include "egressd/base/address.h"
#include "egressd/base/time.h"

namespace egressd::agent {

// Asking the uplink whether an address is free.
struct Probing {
  Time begun{};
  Time next{};
  int sent = 0;
  bool told = false;                                     // nobody answered in time
};

// Two that are sure of themselves must not shout for ever: between two announcements against somebody else.
inline constexpr Duration kDefendInterval{1'000'000};

// To somebody else on the uplink.
struct Lost {
  Duration keep_away{};
  Time until{};
};

struct ConflictState {
  // Another conflict about the address: for how long it is left alone now.
  Duration LongerAway(Time at, const IpAddress& address);

  std::map<IpAddress, Probing> probings;
  std::map<IpAddress, Time> held_since;
  std::map<IpAddress, Time> defended;                    // last, with an announcement of our own
  std::map<IpAddress, Lost> lost;
  std::map<IpAddress, std::uint64_t> seen_terms;         // the highest ever heard of: terms never fall
};

}  // namespace egressd::agent
