// The state of an Agent. Its functions are spread over the files by noun:
//   agent.cc    Step: one input after the other, then what follows from all of them
//   cluster.cc  gossip in and out, synchronisation, this node's own record
//   apply.cc    policy sets: applied here, arrived from others, confirmed or refused by the kernel
//   desired.cc  from view and policy to plan::Inputs and State
//   keys.cc     the key ring
//   status.cc, health.cc, stay.cc   questions
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/announcer.h"
#include "agent/generation.h"
#include "agent/holding.h"
#include "agent/key_agreement.h"
#include "agent/slots.h"
#include "agent/stored.h"
#include "egressd/agent/agent.h"
#include "egressd/gossip/channel.h"
#include "egressd/gossip/membership.h"
#include "egressd/gossip/replication.h"
#include "egressd/policy/validate.h"

namespace egressd::agent {

// A policy, compiled. Lives on the heap, so that plan::Inputs may point into it.
struct Compiled {
  PolicyGeneration generation;
  std::unique_ptr<policy::Selection> selection;          // nullptr = no policy
  std::map<IpAddress, std::string> gateway_of;           // every egress IP that is bound → its gateway
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

// An egress IP that the kernel did not take. Somebody else may have it, until it is tried here again.
struct Refused {
  Time until;
  std::string reason;                                    // the kernel's words
};

// Where other nodes should be: join addresses and former peers; nowhere in a cluster of one.
std::set<Endpoint> ContactsOf(const Settings& settings, const std::set<Endpoint>& former_peers);

struct Agent::Body {
  Body(Settings the_settings, PolicyParser the_parser, Stored stored, Time now);

  // ---- agent.cc
  void Take(Time now, const HostChanged& input, Output& output);
  void Take(Time now, const WorkloadsChanged& input, Output& output);
  void Take(Time now, const Leave& input, Output& output);
  void Take(Time now, const Tick& input, Output& output);
  template <typename Other>
  void Take(Time, const Other&, Output&) {}
  void Settle(Time now, Output& output);
  void Announce(Time now, Output& output);
  void Store(Output& output);
  Time NextTimer(Time now) const;

  // ---- cluster.cc
  void Take(Time now, const Datagram& input, Output& output);
  void TryToSync(Time now, Output& output);
  void ReadEvents(Output& output);
  void Flush(Output& output);
  void UpdateUnderlay(Time now);
  void UpdateTunnelNumber();
  void Publish(Time now);
  gossip::Record OwnRecord() const;
  bool ready() const { return synced && kernel_error.empty() && committed_revision > 0 && !leaving; }
  // Everybody, in order of name. `own` is this node as it is now and must outlive the result.
  std::vector<NodeView> View(const gossip::Record& own) const;
  bool replicates() const { return settings.config.replicate_policy && channel.has_value(); }

  // ---- keys.cc
  void Take(Time now, const KeyOrder& input, Output& output);
  void OpenChannel(const Stored& stored);
  void Settle(Time now, KeyAgreement& agreement, Output& output);
  // A datagram that was opened. True: it was a letter about keys, and is done with.
  bool TakeKeyLetter(Time now, const Endpoint& from, const gossip::Received& received);

  // ---- apply.cc
  struct Prepared {
    std::vector<policy::Finding> findings;
    std::unique_ptr<Compiled> compiled;                  // nullptr = errors
  };
  void Take(Time now, const ApplyPolicy& input, Output& output);
  void Take(Time now, const Committed& input, Output& output);
  Prepared Prepare(const std::string& text) const;
  policy::Surroundings KnownSurroundings() const;
  void CompareWithCurrent(const Compiled& next, ApplyResult& result) const;
  void StartApply(const ApplyPolicy& input, Output& output);
  void FinishApply(Output& output);
  void AbandonApply(const Error& error, Output& output);
  void Adopt(const gossip::Generation& generation, Output& output);
  void PutInForce(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<policy::Selection> Compile(policy::PolicySet set) const;
  std::unique_ptr<Compiled> CompileStored(const std::string& content) const;
  // What the data path follows: the pending policy while the kernel is asked, else the one in force.
  const Compiled& current() const { return pending ? *pending->compiled : *in_force; }

  // ---- desired.cc
  void UpdateHolding(Time now, Output& output);
  void UpdateUnable();
  void UpdateInputs();
  std::vector<plan::Peer> Peers(const std::vector<NodeView>& nodes) const;
  std::map<EgressId, plan::Carrier> Carriers(const std::vector<NodeView>& nodes) const;
  void Rebuild(Output& output);
  void ForgetPolicyOfInputs();                           // before what they point into goes away
  bool IsGatewayNode(const std::string& gateway, const std::string& name, const policy::Labels& labels) const;

  // ---- status.cc, health.cc
  std::vector<NodeStatus> NodeStatuses() const;
  std::vector<EgressIpStatus> EgressIpStatuses() const;
  std::vector<PolicyStatus> PolicyStatuses() const;
  std::vector<Health> HealthFindings(const Status& status) const;

  Settings settings;
  PolicyParser parse;
  gossip::Timing timing;
  std::optional<KeyAgreement> keys;                      // unset: a cluster of one
  std::optional<gossip::Channel> channel;                // the same
  gossip::Membership membership;
  gossip::Replication replication;
  std::uint64_t sealed_incarnation = 0;
  RejectedDatagrams rejected;

  state::Host host;
  bool host_known = false;
  std::optional<IpAddress> underlay;
  std::uint16_t tunnel_number = 0;
  std::map<std::string, std::vector<policy::Workload>> workloads;

  bool synced = false;
  bool leaving = false;
  Time now{};                                            // of the last Step, for questions
  Time may_take_at = kNever;                             // kNever: now, when synced
  std::deque<ApplyPolicy> waiting;                       // until synced

  std::unique_ptr<Compiled> in_force = std::make_unique<Compiled>();
  std::optional<Pending> pending;
  std::string unusable_generation;                       // what was wrong with one that arrived

  std::map<IpAddress, std::uint64_t> claims;             // own: address → term
  std::vector<IpAddress> unable;
  std::map<IpAddress, Refused> refused;
  SlotTable slots;
  std::map<std::string, std::string> node_carriers;      // policy with `egress_ip: node` → gateway node in use

  plan::Inputs inputs;
  state::State desired;
  std::uint64_t revision = 0;
  std::uint64_t committed_revision = 0;                  // last one that the kernel took
  std::set<IpAddress> committed_addresses;               // held, and in the kernel
  std::string kernel_error;
  Time retry_at = kNever;
  bool recheck = false;                                  // connections, after the next commit
  Announcer announcer;

  // For MayStay, which is asked for every tracked connection: InternalOf the inputs of this revision.
  policy::InternalNetworks internal;
  std::optional<std::uint64_t> internal_revision;

  // What changed since the last Settle.
  bool view_changed = false;                             // members, host, policy, own state
  bool build_needed = false;                             // something that plan::Build reads and plan::Inputs does not show
  bool commit_needed = false;                            // whatever Build says

  struct Remembered {                                    // of the last Output::store
    std::uint64_t incarnation = 0;
    std::uint16_t tunnel_number = 0;
    std::set<Endpoint> peers;
    gossip::Version version;
    bool operator==(const Remembered&) const = default;
  } remembered;
};

}  // namespace egressd::agent
