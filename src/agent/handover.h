// The planned handover of an egress IP, which loses no packet: drain, move, failback, a stopping daemon.
//
//   holder                               recipient                           every other node
//   offers X in its record  ───────────> prepares: translates and forwards
//                                        for X, without its address
//                                                                  <──────── sends the translations of its connections
//                           <─────────── says `prepared`
//   stops answering ARP and ND for X,
//   then says so (`silent`) ───────────> takes X with a higher term and
//                                        announces it               ───────> switches to the recipient, sends what is new
//   goes on forwarding for a while,
//   then lets go
//
// With `announce: bgp` the recipient has the address, and so a route to it, as soon as it prepares, and says `prepared` not before the
// route has had time to spread; the holder, instead of falling silent, gives up the address, and so its route.
//
// 1. At no moment two nodes answer ARP or ND for X: the holder says `silent` after its kernel has stopped.
// 2. Whatever does not go on within its time ends with the holder holding X as before.
// The steps are in handover.cc; Body calls them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "egressd/base/address.h"
#include "egressd/base/time.h"

namespace egressd::agent {

// This node gives an egress IP that it holds.
struct Offering {
  enum class Stage : std::uint8_t {
    kOffered,   // waits until the recipient is prepared
    kStopping,  // the kernel is told not to answer
    kSilent,    // it does not: waits for the recipient's claim
  };
  std::string to;
  Time begun{};
  Stage stage = Stage::kOffered;
  Time silent_since{};
};

// This node is offered an egress IP.
struct Preparation {
  std::string from;
  Time begun{};
  bool in_kernel = false;
  std::set<std::string> told;   // who has sent everything it knows
};

inline constexpr Duration kOfferLasts{5'000'000}, kSilenceLasts{2'000'000};
// How long a recipient waits for nodes that do not tell, and a holder goes on forwarding.
inline constexpr Duration kTellingLasts{1'000'000}, kLinger{1'000'000};
// With `announce: bgp`: how long a route needs to the routers around.
inline constexpr Duration kRouteSpreads{2'000'000};
// How long the network may still send to an address that nobody has any more: the usual life of a neighbour entry.
inline constexpr Duration kFormerLasts{60'000'000};

struct HandoverState {
  std::map<IpAddress, Offering> offerings;
  std::map<IpAddress, Preparation> preparing;
  std::map<IpAddress, Time> leaving_until;   // given away, still forwarded
  std::map<IpAddress, Time> former;          // no policy has it any more; plan::Inputs
  std::map<IpAddress, Time> not_offered;     // a handover failed: not again before
  std::map<IpAddress, std::string> moves;    // ordered
};

}  // namespace egressd::agent
