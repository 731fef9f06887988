// What an Agent is told: everything that can happen to a node. Made by the daemon's edges and by the simulator.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "egressd/agent/keys.h"
#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/time.h"
#include "egressd/policy/policy_set.h"
#include "egressd/policy/selection.h"
#include "egressd/state/host.h"
#include "egressd/state/translation.h"

namespace egressd::agent {

struct Tick {};
struct Datagram {
  Endpoint from;
  std::span<const std::uint8_t> bytes;
};
struct HostChanged {
  state::Host host;
};
struct WorkloadsChanged {
  std::string source;                          // "workloads.d/erp.yaml"
  std::vector<policy::Workload> workloads;     // everything this source says now
};
// Everything that is known of the host's own processes now. Either half may be left out when it is as it was.
struct ProcessesChanged {
  std::optional<std::vector<policy::Cgroup>> cgroups;
  std::optional<std::map<std::string, std::uint32_t>> users;
};
struct ApplyPolicy {
  std::uint64_t request = 0;                   // comes back in the ApplyResult
  std::string text;
  std::string actor;                           // "root", "policy_file"
  bool only_if_new = false;                    // the file at start or reload: a content that was applied before is left alone
};
struct Committed {
  std::uint64_t revision = 0;                  // of Output::commit
  std::optional<Error> error;
};
struct HandOver {};                            // this node is about to stop: what it holds is handed over, see Agent::hands_over
struct Leave {};                               // this node stops: tells the others; nothing is held any more
struct Renewed {                               // of Output::renew
  bool expired = false;                        // the kernel had let go of a lease already: nothing was prolonged
};
struct BfdPacket {                             // from UDP port 3784, RFC 5881; `time_to_live` for GTSM
  IpAddress from;
  std::uint16_t from_port = 0;
  std::uint8_t time_to_live = 0;
  std::span<const std::uint8_t> bytes;
};
struct EchoReply {                             // of an Output::echo
  IpAddress from;                              // tunnel address
  std::uint16_t sequence = 0;
};
// What the kernel of this source node has of the connections of an Output::collect.
struct Collected {
  std::uint64_t request = 0;
  std::vector<state::Translation> translations;
};
struct Remapped {                              // the kernel of this gateway had to change source ports
  std::vector<state::Translation> translations;
};
// Somebody else's MAC announces or answers for an address on an uplink of this node (RFC 5227, RFC 4861).
struct ForeignAnnouncement {
  IpAddress address;
  std::string device;
  MacAddress mac;
};
// The verdict of all health checks of a gateway.
struct HealthVerdict {
  std::string gateway;
  bool healthy = true;
  std::string text;                            // what failed
};
struct Drain {                                 // hand over what the node holds and take nothing, or the end of that
  bool on = true;
  std::string node;                            // known and not gone; "" = this one. Another one gets a letter
  std::optional<Duration> lasts;               // after this it ends by itself
};
struct Move {                                  // to be carried out by the holder; any node takes the order
  std::uint64_t request = 0;                   // comes back in an OrderResult
  IpAddress address;
  std::string node;
};
using Input = std::variant<Tick, Datagram, HostChanged, WorkloadsChanged, ProcessesChanged, ApplyPolicy, Committed, HandOver, Leave,
                           Renewed, BfdPacket, EchoReply, Collected, Remapped, ForeignAnnouncement, HealthVerdict, Drain, Move, KeyOrder>;

}  // namespace egressd::agent
