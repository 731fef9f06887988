// What an Agent does with what it knows (knowledge.h). The functions are spread over the files by noun:
//   agent.cc    Step: one input after the other, then what follows from all of them
//   cluster.cc  gossip in and out, synchronisation, this node's own record
//   apply.cc    policy sets: applied here, arrived from others, confirmed or refused by the kernel
//   desired.cc  from view and policy to plan::Inputs and State
//   detection.cc  who lives, as this node's own failure detector sees it
//   leases.cc, handover.cc, connections.cc, conflicts.cc, orders.cc   holding egress IPs
//   keys.cc     the key ring
//   status.cc, health.cc, stay.cc   questions
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/holding.h"
#include "agent/identity.h"
#include "agent/knowledge.h"
#include "agent/letter.h"
#include "egressd/agent/agent.h"
#include "egressd/policy/validate.h"

namespace egressd::agent {

struct Agent::Body : Knowledge {
  Body(Settings the_settings, PolicyParser the_parser, const Stored& stored, Time now);

  // ---- agent.cc
  void Take(Time now, const HostChanged& input, Output& output);
  void Take(Time now, const WorkloadsChanged& input, Output& output);
  void Take(Time now, const ProcessesChanged& input, Output& output);
  void FollowProcesses();
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
  void Take(Time now, const Renewed& input, Output& output);
  void Receive(Time now, const Endpoint& from, const std::string& sender, const LeaseRequest& request);
  void Receive(Time now, const std::string& sender, const LeaseGrant& grant, Output& output);
  const policy::Gateway* GatewayOf(const IpAddress& address) const;
  bool IsStrict(const IpAddress& address) const;
  bool HasPeers() const;
  std::optional<Duration> LeaseOf(const IpAddress& address) const;
  Electorate CurrentElectorate() const;
  Electorate ElectorateWith(const std::set<Endpoint>& former) const;
  void CompareElectorate(const std::string& node, std::uint64_t digest);
  bool HasQuorum() const;
  bool MayHold(Time now, const IpAddress& address) const;
  std::vector<gossip::Claim> StrictWishes() const;
  void AdvanceLeases(Time now, Output& output);
  void AdvanceRound(Time now, Output& output);
  void AdvanceRenewal(Time now, Output& output);
  void TakeConsent(Time now, Output& output);
  bool IsCovered(Time now) const;
  bool IsStrictlyHeld(const std::pair<const IpAddress, plan::Hold>& hold) const;
  void RenewLeases(Output& output) const;
  std::optional<Duration> ShortestLease() const;
  void LeasesPlaced(Time now);
  void Fence(Time now, Output& output);
  void WakeForLeases(Output& output);
  void WakeForCommit(Time now, Output& output);
  Time LeaseTimer() const;

  // ---- handover.cc
  std::string BetterPlace(const HoldingView& view, const IpAddress& address) const;
  std::string PlaceElsewhere(const HoldingView& view, const IpAddress& address) const;
  std::map<IpAddress, std::string> FailbackPlaces(const HoldingView& view) const;
  void Offer(Time now, const HoldingView& view, Output& output);
  void AdvanceOfferings(Time now, const HoldingView& view, Output& output);
  void Prepare(Time now, const HoldingView& view);
  std::set<IpAddress> OfferedAndSilent(const HoldingView& view) const;
  Duration HeadStartOf(const IpAddress& address) const;
  bool IsPrepared(Time now, const IpAddress& address, const Preparation& preparation) const;
  void HandoverCommitted(Time now);
  Time HandoverTimer() const;

  // ---- connections.cc
  void Take(Time now, const Collected& input, Output& output);
  void Take(Time now, const Remapped& input, Output& output);
  void Receive(const Endpoint& from, const std::string& sender, const Connections& connections, Output& output);
  void Receive(const std::string& sender, const ConnectionsTaken& taken);
  void StartCollecting(Collecting collecting, Output& output);
  void Deliver(Time now, const std::string& to, const std::set<EgressId>& ids, Connections::Reason reason,
               std::vector<state::Translation> translations);
  void TellOffered(Output& output);
  void FollowCarriers(Time now, const std::map<EgressId, plan::Carrier>& next, Output& output);
  void AdvanceDeliveries(Time now);
  Time ConnectionsTimer() const;

  // ---- conflicts.cc
  void Take(Time now, const ForeignAnnouncement& input, Output& output);
  bool IsAnnouncedHere(const IpAddress& address) const;
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

  // ---- keys.cc
  void Take(Time now, const KeyOrder& input, Output& output);
  void OpenChannel(const Stored& stored);
  void Settle(Time now, KeyAgreement& agreement, Output& output);
  // A datagram that was opened. True: it was a letter about keys, and is done with.
  bool TakeKeyLetter(Time now, const Endpoint& from, const gossip::Received& received);

  // ---- apply.cc
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
  void BeginTakeover(Time now, const IpAddress& address, const HoldingView& view, const Holding& holding, const gossip::Claims& known);
  std::map<IpAddress, plan::Hold> Holds(Time now) const;
  const gossip::Hold* LastHolder(const gossip::Claims& known, const IpAddress& address) const;
  void ReleaseAll(std::string_view reason, Output& output);
  void UpdateUnable();
  void UpdateNetworks(Time now);
  std::vector<Prefix> RoutedBack(const std::string& node) const;
  void UpdateInputs(Time now, Output& output);
  std::vector<plan::Peer> Peers(const std::vector<NodeView>& nodes) const;
  std::map<EgressId, plan::Carrier> Carriers(const std::vector<NodeView>& nodes, const std::map<IpAddress, plan::Hold>& holds) const;
  void Rebuild(Output& output);
  void ForgetPolicyOfInputs();                           // before what they point into goes away
  bool IsGatewayNode(const std::string& gateway, const std::string& name, const policy::Labels& labels) const;

  // ---- stay.cc
  void RecheckConnections(Output& output);
  const policy::InternalNetworks& InternalNow();
  std::optional<bool> OwnMayStay(const policy::Flow& original, const IpAddress& translated, std::uint16_t mark);

  // ---- status.cc, health.cc
  std::vector<NodeStatus> NodeStatuses() const;
  bool IsOffered(const IpAddress& address) const;
  std::vector<EgressIpStatus> EgressIpStatuses() const;
  std::vector<PolicyStatus> PolicyStatuses() const;
  std::vector<Health> HealthFindings(const Status& status) const;
};

}  // namespace egressd::agent
