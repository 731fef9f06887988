// The composition of everything pure, and the only mutable object in the core: what a node knows and what it wants.
//
// The caller's whole duty (daemon/loop.cc, and the simulator):
//
//   for (;;) {
//     Input input = <whatever came: a datagram, a timer, a host change, an operator's wish, the result of a commit>;
//     Output output = agent.Step(now, input);
//     if (output.store) <write it to disk>;                       // before anything is sent; store_keys, too
//     for (auto& datagram : output.send) <send>;
//     if (output.commit) agent.Step(now, Committed{*output.commit, <kernel.Reconcile(agent.desired())>});
//     for (auto& announcement : output.announce) <gratuitous ARP or unsolicited neighbour advertisement>;
//     if (output.recheck_connections) <delete every tracked connection for which !agent.MayStay(…)>;
//     for (auto& note : output.notes) <log, ring buffer>;
//     <sleep until output.wake_at or the next input>
//   }
//
// 1. Same inputs at the same times, same outputs: no clock, no system call, no hidden randomness.
// 2. Until the agent is synced with its cluster (or has waited for it in vain) nothing is to be committed: a restart leaves the
//    data path as it was. `commit` is never set before.
// 3. An applied policy set becomes a generation (and is stored and sent to others) only after the kernel of this node took it;
//    if it refuses, the former set stays in force and the ApplyResult says what the kernel said.
// 4. Datagrams from outside cost a counter if they are not what they must be, nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "egressd/agent/keys.h"
#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/time.h"
#include "egressd/gossip/key.h"
#include "egressd/plan/explain.h"
#include "egressd/plan/plan.h"
#include "egressd/policy/changes.h"
#include "egressd/policy/finding.h"
#include "egressd/policy/node_config.h"
#include "egressd/policy/selection.h"
#include "egressd/state/host.h"
#include "egressd/state/state.h"
#include "egressd/state/translation.h"

namespace egressd::agent {

// Text of a policy file → policy set, or findings. Pure. (The YAML reader; the simulator has its own.)
using PolicyParser = std::function<std::expected<policy::PolicySet, std::vector<policy::Finding>>(std::string_view text)>;

struct Settings {
  policy::NodeConfig config;         // node.name is filled in
  std::vector<gossip::Key> keys;     // first one seals; empty = a cluster of one, nothing is sent or received
  std::uint64_t incarnation = 0;     // grows with every start of this node (wall clock in ms); orders its records
  std::uint64_t seed = 0;            // for jitter and choices that need no secrecy
  std::string stored;                // what `Output::store` last held, "" = nothing yet
  std::string stored_keys;           // what `Output::store_keys` last held, "" = nothing yet
  // Next-hop slots as found in the kernel at start: tunnel address of the gateway → slot. Keeps tables stable over restarts.
  std::map<IpAddress, Slot> slots;
};

// ---- inputs ----
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
struct Drain {                                 // hand over what this node holds and take nothing, or the end of that
  bool on = true;
};
struct Move {                                  // to be carried out by the holder; any node takes the order
  std::uint64_t request = 0;                   // comes back in an OrderResult
  IpAddress address;
  std::string node;
};
using Input = std::variant<Tick, Datagram, HostChanged, WorkloadsChanged, ApplyPolicy, Committed, Leave, Renewed, BfdPacket, EchoReply,
                           Collected, Remapped, ForeignAnnouncement, HealthVerdict, Drain, Move, KeyOrder>;

// ---- outputs ----
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
  IpAddress to;
  std::uint16_t from_port = 0;                 // 49152-65535, one for each session
  std::vector<std::uint8_t> bytes;
};
struct OutgoingEcho {                          // an ICMP or ICMPv6 echo request through the tunnel
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
struct Output {
  std::optional<std::string> store;
  std::optional<std::string> store_keys;       // secret; on disk before anything is sent
  // Before anything is sent or committed: for so long the kernel accepts leases (kernel::Kernel::Wake). If this process is stopped for longer
  // between here and the commit, the commit is refused.
  std::optional<Duration> wake;
  std::vector<OutgoingDatagram> send;
  std::optional<std::uint64_t> commit;         // desired() changed: revision to commit
  bool renew = false;                          // prolong every lease of desired(), then Renewed
  std::vector<Announcement> announce;
  std::vector<AddressProbe> probe;
  std::vector<OutgoingBfd> bfd;
  std::vector<OutgoingEcho> echo;
  std::vector<Collect> collect;
  Restore restore;
  std::vector<IpAddress> forget;               // egress IPs whose translations the kernel of this node shall forget
  bool recheck_connections = false;
  std::vector<Note> notes;
  std::vector<ApplyResult> results;
  std::vector<OrderResult> orders;
  std::vector<KeyResult> key_results;
  Time wake_at = kNever;
};

// ---- what status and get show ----
enum class NodeState : std::uint8_t { kAlive, kSuspect, kDead, kLeft, kDrained };
std::string_view ToString(NodeState state);
struct NodeStatus {
  std::string name;
  NodeState state = NodeState::kAlive;
  bool self = false;
  IpAddress address;
  IpAddress tunnel_address;
  policy::Labels labels;
  bool gateway = false;                        // some gateway selects it
  std::uint64_t generation = 0;
  std::optional<Duration> round_trip;
  std::vector<IpAddress> egress_ips;           // held
};
enum class EgressIpState : std::uint8_t { kHeld, kMoving, kUnassigned, kConflict };
std::string_view ToString(EgressIpState state);
struct EgressIpStatus {
  IpAddress address;
  std::string gateway;
  std::string node;                            // holder; empty = nobody
  EgressIpState state = EgressIpState::kUnassigned;
  std::vector<std::string> policies;
};
struct PolicyStatus {
  std::string name;
  policy::Action action = policy::Action::kSnat;
  bool enabled = true;
  std::string gateway;
  std::vector<policy::Binding> bindings;
  std::vector<std::string> nodes;              // holders of its egress IPs
  std::size_t workloads = 0;                   // addresses of known workloads that it selects
};
struct Health {
  std::string code;                            // stable, "W1xx" warnings, "E1xx" errors
  bool error = false;
  std::string object, text, hint;
};
struct RejectedDatagrams {                     // counters since start
  std::uint64_t malformed = 0, wrong_cluster = 0, wrong_key = 0, forged = 0, replayed = 0;
};
struct Status {
  std::string node;
  bool synced = false;
  std::uint64_t generation = 0;                // 0 = no policy yet
  std::string digest;                          // 16 hexadecimal digits of the policy text
  std::string cluster;
  std::vector<NodeStatus> nodes;               // in order of name, this one included
  std::vector<EgressIpStatus> egress_ips;      // in order
  std::vector<PolicyStatus> policies;          // in deciding order, disabled ones last
  std::vector<Health> health;
  RejectedDatagrams rejected;
  std::vector<gossip::Fingerprint> keys;       // of the ring in force; the first one seals
  std::uint64_t key_ring = 0;                  // its number; 0 = it is that of the key file
};

class Agent {
 public:
  Agent(Settings settings, PolicyParser parse, Time now);
  ~Agent();
  Agent(Agent&&) noexcept;

  [[nodiscard]] Output Step(Time now, const Input& input);

  // What the kernel shall look like now; changes only in Step.
  const state::State& desired() const;
  std::uint64_t revision() const;
  Status status() const;
  const RejectedDatagrams& rejected() const;
  // Text of the policy in force, "" without one.
  const std::string& policy_text() const;
  // The key ring in force, the first one seals; empty in a cluster of one.
  std::vector<gossip::Key> keys() const;
  // Known workloads and which policy governs each, for `get workloads`.
  const policy::Selection* selection() const;
  plan::Explanation Explain(const policy::Flow& flow) const;
  // What `apply` of this text would change, without doing it (findings, changes, effects; generation is the one in force).
  ApplyResult Preview(const std::string& text) const;
  // May a tracked connection stay under the policy in force? `original` is the tuple of its first packet, `translated` the source address
  // that its destination sees, `mark` what egressd decided (plan::DecisionIn of its connection mark). Connections of sources that no policy
  // selects may stay, unless their egress id is gone.
  bool MayStay(const policy::Flow& original, const IpAddress& translated, std::uint16_t mark) const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace egressd::agent
