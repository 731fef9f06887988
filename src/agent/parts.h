// What Body is made of, apart from what has a header of its own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/generation.h"
#include "egressd/agent/outputs.h"
#include "egressd/base/address.h"
#include "egressd/base/time.h"
#include "egressd/gossip/replication.h"
#include "egressd/placement/place.h"
#include "egressd/policy/finding.h"
#include "egressd/policy/selection.h"

namespace egressd::agent {

// A policy, compiled. Lives on the heap, so that plan::Inputs may point into it.
struct Compiled {
  PolicyGeneration generation;
  std::unique_ptr<policy::Selection> selection;          // nullptr = no policy
  std::map<IpAddress, std::string> gateway_of;           // every egress IP that is bound → its gateway
  placement::Apart apart;                                // egress IPs of one policy, which belong on different nodes
};

// An apply that the kernel has not confirmed yet.
struct Pending {
  std::uint64_t request = 0;
  std::uint64_t revision = 0;                            // of the first commit that carries it; 0 = none was needed
  ApplyResult result;
  std::unique_ptr<Compiled> compiled;
  std::map<IpAddress, std::uint64_t> former_claims = {};  // come back if the kernel refuses
  std::vector<Note> notes = {};                          // told when the kernel has it
};

// An egress IP that this node cannot have for a while: the kernel did not take it, or somebody else on the uplink has it.
struct Refused {
  enum class By : std::uint8_t { kKernel, kOtherHost };
  Time until;
  By by = By::kKernel;
  std::string reason;                                    // the kernel's words, or who has it
};

// What a policy text became.
struct Prepared {
  std::vector<policy::Finding> findings;
  std::unique_ptr<Compiled> compiled;                    // nullptr = errors
};

// Of the last Output::store.
struct Remembered {
  std::uint64_t incarnation = 0;
  std::uint16_t tunnel_number = 0;
  std::set<Endpoint> peers;
  gossip::Version version;
  bool drained = false;
  std::vector<gossip::Network> networks = {};
  bool operator==(const Remembered&) const = default;
};

}  // namespace egressd::agent
