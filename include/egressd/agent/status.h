// What an Agent knows of the cluster, for `egressctl status` and `get`: made for every question anew, nothing is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/ids.h"
#include "egressd/base/time.h"
#include "egressd/gossip/key.h"
#include "egressd/gossip/message.h"
#include "egressd/policy/policy_set.h"

namespace egressd::agent {

enum class NodeState : std::uint8_t { kAlive, kSuspect, kDead, kLeft, kDrained };
std::string_view ToString(NodeState state);
NodeState StateOf(gossip::Verdict verdict);
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
  std::string bfd;                             // state of this node's session with it: "up", "init", "down", "admindown"; "" = no session
  std::optional<Duration> detection_time;      // of that session: after so long a silence it is down
  std::string path;                            // does its kernel answer through the tunnel: "up", "down"; "" = it is not asked
};
enum class EgressIpState : std::uint8_t { kHeld, kMoving, kUnassigned, kConflict };
std::string_view ToString(EgressIpState state);
struct EgressIpStatus {
  IpAddress address;
  std::string gateway;
  std::string node;                            // holder; empty = nobody
  EgressIpState state = EgressIpState::kUnassigned;
  std::vector<std::string> policies;
  std::vector<EgressId> ids;                   // in order, one for each of the policies
  bool held_here = false;                      // the kernel of this node has it and answers for it, whatever others say
  std::optional<Duration> lease;               // held here: the kernel ends it so long after the last renewal; unset = elsewhere, or never
};
struct PolicyStatus {
  std::string name;
  policy::Action action = policy::Action::kSnat;
  bool enabled = true;
  std::string gateway;
  std::vector<policy::Binding> bindings;
  std::vector<std::string> nodes;              // holders of its egress IPs
  policy::Source source = policy::Source::kMasquerade;
  policy::Bandwidth bandwidth;
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

}  // namespace egressd::agent
