// The egress IPs that this node is taking: why, and since when.
//
// Owned by the agent: begun when it decides to take one (desired.cc), over when the kernel of this node has it (apply.cc).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "egressd/agent/outputs.h"
#include "egressd/base/address.h"
#include "egressd/base/time.h"

namespace egressd::agent {

class Takeovers {
 public:
  // `dead_since`: since when the node that had it last counts as dead; nullopt = it does not.
  void Begin(Time now, const IpAddress& address, Takeover::Reason reason, std::optional<Time> dead_since) {
    begun_[address] = {.since = dead_since.value_or(now), .reason = reason};
  }
  void GiveUp(const IpAddress& address) { begun_.erase(address); }
  // It is held here from now on; nullopt: it was before, this daemon only started anew.
  std::optional<Takeover> End(Time now, const IpAddress& address, const std::string& gateway) {
    const auto begun = begun_.extract(address);
    if (!begun) return std::nullopt;
    return Takeover{.address = address, .gateway = gateway, .reason = begun.mapped().reason, .lasted = now - begun.mapped().since};
  }

 private:
  struct Begun {
    Time since;
    Takeover::Reason reason = Takeover::Reason::kFirst;
  };
  std::map<IpAddress, Begun> begun_;
};

}  // namespace egressd::agent
