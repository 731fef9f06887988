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
#include <string>
#include <vector>

#include "egressd/agent/inputs.h"
#include "egressd/agent/outputs.h"
#include "egressd/agent/status.h"
#include "egressd/base/address.h"
#include "egressd/base/time.h"
#include "egressd/gossip/key.h"
#include "egressd/plan/explain.h"
#include "egressd/plan/plan.h"
#include "egressd/policy/finding.h"
#include "egressd/policy/node_config.h"
#include "egressd/policy/selection.h"
#include "egressd/state/state.h"

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
  // Egress IPs that the kernel has at start, of an earlier life.
  std::set<IpAddress> held;
};

class Agent {
 public:
  Agent(Settings settings, PolicyParser parse, Time now);
  ~Agent();
  Agent(Agent&&) noexcept;

  [[nodiscard]] Output Step(Time now, const Input& input);

  // What the kernel shall look like now; changes only in Step.
  const state::State& desired() const;
  // By what it may differ from what was asked of the kernel in the last commit that succeeded.
  const state::Touched& touched() const;
  std::uint64_t revision() const;
  // Something that this node held is on its way to another one.
  bool hands_over() const;
  // May leases that somebody else removed be put back at any time? Not those that need the consent of others.
  bool may_wake() const;
  bool synced() const;
  plan::TunnelIdentity tunnel_identity() const;
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
