// The state of an Agent. Its functions are spread over the files by noun:
//   agent.cc    Step: one input after the other, then what follows from all of them
//   cluster.cc  gossip in and out, synchronisation, this node's own record
//   apply.cc    policy sets: applied here, arrived from others, confirmed or refused by the kernel
//   desired.cc  from view and policy to plan::Inputs and State
//   detection.cc  who lives, as this node's own failure detector sees it
//   leases.cc, handover.cc, connections.cc, conflicts.cc, orders.cc   holding egress IPs
//   status.cc, health.cc, stay.cc   questions
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/announcer.h"
#include "agent/connections.h"
#include "agent/generation.h"
#include "agent/handover.h"
#include "agent/holding.h"
#include "agent/identity.h"
#include "agent/letter.h"
#include "agent/slots.h"
#include "agent/stored.h"
#include "agent/votes.h"
#include "agent/watch.h"
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

// An egress IP that this node cannot have for a while: the kernel did not take it, or somebody else on the uplink has it.
struct Refused {
  Time until;
  std::string reason;                                    // the kernel's words, or who has it
};

// Asking the uplink whether an address is free (conflicts.cc).
struct Probing {
  Time begun{};
  Time next{};
  int sent = 0;
  bool told = false;                                     // nobody answered in time
};

struct Agent::Body {
  Body(Settings the_settings, PolicyParser the_parser, Stored stored, Time now);

  // ---- agent.cc
  void Take(Time now, const HostChanged& input, Output& output);
  void Take(Time now, const WorkloadsChanged& input, Output& output);
  void Take(Time now, const HandOver& input, Output& output);
  void Take(Time now, const Leave& input, Output& output);
  void Take(Time now, const Tick& input, Output& output);
  void Settle(Time now, Output& output);
  void Announce(Time now, Output& output);
  void Store(Output& output);
  Time NextTimer(Time now) const;

  // ---- detection.cc
  void Take(Time now, const BfdPacket& input, Output& output);
  void Take(Time now, const EchoReply& input, Output& output);
  void UpdateWatch(Time now);
  void AdvanceWatch(Time now, Output& output);
  // Until when a node whose daemon is silent goes on alone; nullopt = it does not.
  std::optional<Time> GoesOnUntil(const std::string& name, const gossip::Member& member) const;
  Time DetectionTimer() const;

  // ---- leases.cc
  struct Electorate {
    std::size_t size = 1;
    std::uint64_t digest = 0;
    std::vector<Endpoint> unknown;                       // join addresses where nobody is known
  };
  void Take(Time now, const Renewed& input, Output& output);
  void Receive(Time now, const Endpoint& from, const std::string& sender, const LeaseRequest& request);
  void Receive(Time now, const std::string& sender, const LeaseGrant& grant, Output& output);
  const policy::Gateway* GatewayOf(const IpAddress& address) const;
  bool IsStrict(const IpAddress& address) const;
  bool HasPeers() const;
  std::optional<Duration> LeaseOf(const IpAddress& address) const;
  Electorate CurrentElectorate() const;
  bool HasQuorum() const;
  bool MayHold(Time now, const IpAddress& address) const;
  std::vector<gossip::Claim> StrictWishes() const;
  void AdvanceLeases(Time now, Output& output);
  void AdvanceRound(Time now, Output& output);
  void AdvanceRenewal(Time now, Output& output);
  void TakeConsent(Time now, Output& output);
  void RenewLeases(Output& output);
  std::optional<Duration> ShortestLease() const;
  void LeasesPlaced(Time now);
  void Fence(Time now, Output& output);
  void WakeForCommit(Output& output) const;
  Time LeaseTimer() const;

  // ---- handover.cc
  std::string BetterPlace(const HoldingView& view, const IpAddress& address) const;
  std::string PlaceElsewhere(const HoldingView& view, const IpAddress& address) const;
  std::map<IpAddress, std::string> FailbackPlaces(const HoldingView& view) const;
  void Offer(Time now, const HoldingView& view, Output& output);
  void AdvanceOfferings(Time now, const HoldingView& view, Output& output);
  void Prepare(Time now, const HoldingView& view);
  std::set<IpAddress> OfferedAndSilent(const HoldingView& view) const;
  bool IsPrepared(Time now, const Preparation& preparation) const;
  void HandoverCommitted(Time now);
  Time HandoverTimer() const;

  // ---- connections.cc
  void Take(Time now, const Collected& input, Output& output);
  void Take(Time now, const Remapped& input, Output& output);
  void Receive(const Endpoint& from, const std::string& sender, const Connections& connections, Output& output);
  void Receive(const std::string& sender, const ConnectionsTaken& taken);
  void StartCollecting(Collecting collecting, Output& output);
  void TellOffered(Output& output);
  void FollowCarriers(Time now, const std::map<EgressId, plan::Carrier>& next, Output& output);
  void AdvanceDeliveries(Time now);
  Time ConnectionsTimer() const;

  // ---- conflicts.cc
  void Take(Time now, const ForeignAnnouncement& input, Output& output);
  bool IsProbed(Time now, const IpAddress& address);
  void AdvanceProbes(Time now, Output& output);
  Time ProbesTimer() const;

  // ---- orders.cc
  void Take(Time now, const Drain& input, Output& output);
  void Take(Time now, const Move& input, Output& output);
  void Take(Time now, const HealthVerdict& input, Output& output);
  void Receive(Time now, const DrainOrder& order, Output& output);
  void Receive(const MoveOrder& order);
  void SetDrained(Time now, const Drain& order, Output& output);

  // ---- cluster.cc
  void Take(Time now, const Datagram& input, Output& output);
  void TryToSync(Time now, Output& output);
  void ReadEvents(Output& output);
  void Flush(Output& output);
  void UpdateUnderlay(Time now);
  void UpdateTunnelNumber();
  void Publish(Time now);
  gossip::Record OwnRecord() const;
  void Receive(Time now, const Endpoint& from, const std::string& sender, const gossip::Letter& letter, Output& output);
  void SendLetter(const Endpoint& to, const Letter& letter);
  void SendBytes(const Endpoint& to, const gossip::Bytes& bytes);
  Endpoint OwnEndpoint() const;
  bool ready() const { return synced && kernel_error.empty() && committed_revision > 0 && !leaving; }
  // Everybody, in order of name. `own` is this node as it is now and must outlive the result.
  std::vector<NodeView> View(const gossip::Record& own) const;
  bool replicates() const { return settings.config.replicate_policy && channel.has_value(); }

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
  HoldingView ViewForHolding(Time now, const gossip::Record& own);
  void UpdateHolding(Time now, Output& output);
  bool MayClaim(Time now, const gossip::Claim& claim, const Holding& holding);
  std::map<IpAddress, plan::Hold> Holds(Time now) const;
  const gossip::Hold* LastHolder(const gossip::Claims& known, const IpAddress& address) const;
  void ReleaseAll(std::string_view reason, Output& output);
  void UpdateUnable();
  void UpdateInputs(Time now, Output& output);
  std::vector<plan::Peer> Peers(const std::vector<NodeView>& nodes) const;
  std::map<EgressId, plan::Carrier> Carriers(const std::vector<NodeView>& nodes, const std::map<IpAddress, plan::Hold>& holds) const;
  void Rebuild(Output& output);
  void ForgetPolicyOfInputs();                           // before what they point into goes away
  bool IsGatewayNode(const std::string& gateway, const std::string& name, const policy::Labels& labels) const;

  // ---- status.cc, health.cc
  std::vector<NodeStatus> NodeStatuses() const;
  bool IsOffered(const IpAddress& address) const;
  std::vector<EgressIpStatus> EgressIpStatuses() const;
  std::vector<PolicyStatus> PolicyStatuses() const;
  std::vector<Health> HealthFindings(const Status& status) const;

  Settings settings;
  PolicyParser parse;
  gossip::Timing timing;
  std::optional<gossip::Channel> channel;                // unset: a cluster of one
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
  std::map<IpAddress, std::uint64_t> wanted;             // strict: claimed as soon as a majority consents
  Watch watch;

  LeaseTiming lease_timing;
  Voter voter;
  Asker asker;
  std::set<IpAddress> asked;                             // in this round
  std::map<IpAddress, Time> consent;                     // strict: until when it may be held without a new grant
  Time first_round_at = kNever, next_round = kNever, next_renewal = kNever;
  Time lease_ends = kNever;                              // of the leases that this node prolongs alone
  Time fenced_until = Time::min();                       // nothing is held before
  bool round_used = false;                               // the kernel takes one batch of leases a round
  bool commit_waits = false;                             // for a round

  std::map<IpAddress, Offering> offerings;
  std::map<IpAddress, Preparation> preparing;
  std::map<IpAddress, Time> leaving_until;               // given away, still forwarded
  std::map<IpAddress, Time> not_offered;                 // a handover failed: not again before
  std::map<IpAddress, std::string> moves;                // ordered
  std::set<IpAddress> announce_again;
  bool drained = false, stopping = false;
  Time drain_ends = kNever;
  std::map<std::string, std::string> unhealthy;          // gateway → what failed

  std::map<std::uint64_t, Collecting> collections;
  std::map<std::uint64_t, Delivery> deliveries;
  std::map<IpAddress, std::pair<std::string, std::string>> told_offers;   // address → from, to
  std::map<EgressId, std::string> last_peers;            // where an id went, as long as it went to a peer
  std::map<EgressId, Time> restoring;
  std::map<std::string, Telling> tellings;               // by sender
  std::uint64_t last_collection = 0, last_batch = 0;
  Remaps remaps;

  std::map<IpAddress, Probing> probings;
  std::map<IpAddress, Time> held_since, defended;
  std::map<IpAddress, std::uint64_t> seen_terms;
  std::set<IpAddress> unconfirmed;                       // strict, held before this start: the kernel's lease of then still stands
  Time judged = Time::min();                             // of the last UpdateHolding
  std::vector<IpAddress> unable;
  std::map<IpAddress, Refused> refused;
  SlotTable slots;
  std::map<std::string, std::string> node_carriers;      // policy with `egress_ip: node` → gateway node in use

  plan::Inputs inputs;
  state::State desired;
  std::uint64_t revision = 0;
  std::uint64_t committed_revision = 0;                  // last one that the kernel took
  std::map<IpAddress, plan::Hold> committed_holds;       // in the kernel
  std::vector<gossip::Outgoing> letters;                 // that wait for Flush
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
    bool drained = false;
    bool operator==(const Remembered&) const = default;
  } remembered;
};

}  // namespace egressd::agent
