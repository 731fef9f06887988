// What an Agent wants done after a step, in the order of Output's members (agent.h shows the caller's loop). Carried out by the daemon's
// edges and by the simulator.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "egressd/agent/keys.h"
#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/time.h"
#include "egressd/policy/changes.h"
#include "egressd/policy/finding.h"
#include "egressd/state/translation.h"

namespace egressd::agent {

struct OutgoingDatagram {
  Endpoint to;
  std::vector<std::uint8_t> bytes;
};
struct Announcement {
  IpAddress address;
  std::string device;
  auto operator<=>(const Announcement&) const = default;
};
struct Note {
  std::string kind;      // "member.alive", "member.dead", "ip.taken", "ip.released", "policy.applied", "policy.refused", …
  std::string text;
  std::string object;    // node, address or policy that it is about
  bool warning = false;
};
struct ApplyResult {
  std::uint64_t request = 0;
  std::vector<policy::Finding> findings;       // errors: nothing was applied
  std::optional<Error> error;                  // the kernel refused: the former policy is in force
  std::uint64_t generation = 0;                // in force afterwards
  std::vector<policy::Change> changes;
  std::vector<std::string> effects;
};
struct OrderResult {                           // of a Move
  std::uint64_t request = 0;
  std::optional<Error> error;                  // kNotFound: no such egress IP or node; kInvalid: that node cannot have it
};
struct OutgoingBfd {                           // to UDP port 3784 with TTL 255
  IpAddress from;                              // this node's underlay address
  IpAddress to;
  std::uint16_t from_port = 0;                 // 49152-65535, one for each session
  std::vector<std::uint8_t> bytes;
};
struct OutgoingEcho {                          // an ICMP or ICMPv6 echo request through the tunnel
  IpAddress from;                              // this node's tunnel address
  IpAddress to;                                // tunnel address
  std::uint16_t sequence = 0;
};
// The connections that this node sent through these ids.
struct Collect {
  std::uint64_t request = 0;
  std::set<EgressId> ids;
};
// Connections to make in the kernel of this gateway, each with the egress IP that it leaves with.
struct Restore {
  std::vector<std::pair<state::Translation, IpAddress>> translations;
};
// Is anybody there? One ARP request or neighbour solicitation (RFC 5227 section 2.1.1, RFC 4862 section 5.4); an answer is a
// ForeignAnnouncement.
struct AddressProbe {
  IpAddress address;
  std::string device;
  auto operator<=>(const AddressProbe&) const = default;
};
// The kernel of this node has an egress IP that it did not have.
struct Takeover {
  enum class Reason : std::uint8_t {
    kFirst,     // nobody who is known had it before
    kNodeDead,
    kHandover,  // its holder offered it: drain, move, failback, a stop
    kReleased,  // its holder let go of it: a health check, an uplink, a conflict
  };
  IpAddress address;
  std::string gateway;
  Reason reason = Reason::kFirst;
  Duration lasted{};                           // since the holder was found dead, or else since it was decided
};
struct Output {
  std::optional<std::string> store;
  std::optional<std::string> store_keys;       // secret; on disk before anything is sent
  // Before anything is sent or committed: for so long the kernel accepts leases (kernel::Kernel::Wake). If this process is stopped for
  // longer between here and the commit, the commit is refused. 0: it accepts none until the next `wake`.
  std::optional<Duration> wake;
  std::vector<OutgoingDatagram> send;
  std::optional<std::uint64_t> commit;         // desired() changed: revision to commit
  std::set<IpAddress> renew;                   // prolong the leases of these egress IPs in the kernel, then Renewed
  std::vector<Announcement> announce;
  std::vector<AddressProbe> probe;
  std::vector<OutgoingBfd> bfd;
  std::vector<OutgoingEcho> echo;
  std::vector<Collect> collect;
  bool collect_remapped = false;               // every connection whose port this gateway had to change: Remapped
  Restore restore;
  std::vector<IpAddress> forget;               // egress IPs whose translations the kernel of this node shall forget
  bool recheck_connections = false;
  std::vector<Note> notes;
  std::vector<ApplyResult> results;
  std::vector<OrderResult> orders;
  std::vector<KeyResult> key_results;
  std::vector<Takeover> takeovers;
  Time wake_at = kNever;
};

}  // namespace egressd::agent
