#include "egressd/agent/agent.h"

#include <algorithm>
#include <format>

#include "agent/body.h"

namespace egressd::agent {
namespace {

gossip::Timing TimingOf(policy::Profile profile) {
  switch (profile) {
    case policy::Profile::kFast: return gossip::Scaled({}, 2, 5);
    case policy::Profile::kWan: return gossip::Scaled({}, 4, 1);
    case policy::Profile::kLan: break;
  }
  return {};
}

Settings WithIncarnationAbove(Settings settings, std::uint64_t used) {
  if (settings.incarnation <= used && used != UINT64_MAX) settings.incarnation = used + 1;
  return settings;
}

}  // namespace

Knowledge::Knowledge(Settings the_settings, PolicyParser the_parser, const Stored& stored, Time start)
    : settings(WithIncarnationAbove(std::move(the_settings), stored.incarnation)),
      parse(std::move(the_parser)),
      timing(TimingOf(settings.config.cluster.profile)),
      membership(settings.config.node.name, settings.incarnation, timing, settings.seed, ContactsOf(settings, stored.peers)),
      replication(timing),
      sealed_incarnation(settings.incarnation),
      tunnel_number(stored.tunnel_number),
      now(start),
      watch(settings.seed),
      drained(stored.drained),
      leases(start, settings.config.cluster.profile, settings.incarnation, stored.peers),
      networks(stored.networks),
      former_networks(stored.networks),
      slots(settings.slots) {}

Agent::Body::Body(Settings the_settings, PolicyParser the_parser, const Stored& stored, Time start)
    : Knowledge(std::move(the_settings), std::move(the_parser), stored, start) {
  if (!settings.keys.empty()) OpenChannel(stored);
  inputs.config = &settings.config;
  inputs.host = &host;
  if (auto compiled = CompileStored(stored.generation)) {
    in_force = std::move(compiled);
    replication.Have({.version = gossip::VersionOf(in_force->generation.number, stored.generation), .content = stored.generation});
  }
  ForgetPolicyOfInputs();
}

Agent::Agent(Settings settings, PolicyParser parse, Time now) {
  const Stored stored = DecodeStored(settings.stored).value_or(Stored{});
  settings.stored.clear();
  body_ = std::make_unique<Body>(std::move(settings), std::move(parse), stored, now);
}
Agent::~Agent() = default;
Agent::Agent(Agent&&) noexcept = default;

Output Agent::Step(Time now, const Input& input) {
  Output output;
  body_->now = now;
  body_->membership.Advance(now);
  body_->replication.Advance(now);
  std::visit([&](const auto& body) { body_->Take(now, body, output); }, input);
  body_->Settle(now, output);
  return output;
}

void Agent::Body::Take(Time, const Tick&, Output&) {}

void Agent::Body::Take(Time at, const HostChanged& input, Output&) {
  if (host_known && host == input.host) return;
  host = input.host;
  host_known = true;
  view_changed = build_needed = networks_in_doubt = true;
  processes.addresses.clear();
  for (const state::HostDevice& device : host.devices) {
    for (const Prefix& prefix : device.addresses) processes.addresses.push_back(prefix.address);
  }
  FollowProcesses();
  UpdateUnderlay(at);
}

void Agent::Body::Take(Time, const WorkloadsChanged& input, Output&) {
  const auto known = workloads.find(input.source);
  if (known == workloads.end() ? input.workloads.empty() : known->second == input.workloads) return;
  // Sources come and go with containers: of one that says nothing any more nothing is kept.
  if (input.workloads.empty()) {
    workloads.erase(known);
  } else {
    workloads.insert_or_assign(input.source, input.workloads);
  }
  if (pending) pending->compiled->selection->SetWorkloads(input.source, input.workloads);
  if (in_force->selection) {
    const std::vector<IpAddress> changed = in_force->selection->SetWorkloads(input.source, input.workloads);
    if (!changed.empty()) recheck = networks_in_doubt = true;
    if (build_needed || view_changed || pending || !synced || !plan::UpdateSources(inputs, changed, desired, touched)) {
      build_needed = true;
    } else if (!changed.empty()) {
      commit_needed = true;
    }
  }
}

void Agent::Body::Take(Time, const ProcessesChanged& input, Output&) {
  if (input.cgroups) processes.cgroups = *input.cgroups;
  if (input.users) processes.users = *input.users;
  FollowProcesses();
}

void Agent::Body::FollowProcesses() {
  const bool soon = pending && pending->compiled->selection->SetProcesses(processes);
  const bool now_too = in_force->selection && in_force->selection->SetProcesses(processes);
  if (!soon && !now_too) return;
  if (build_needed || view_changed || pending || !synced || !plan::UpdateProcesses(inputs, desired)) {
    build_needed = true;
  } else {
    touched.reset();
    commit_needed = true;
  }
}

void Agent::Body::Take(Time, const HandOver&, Output&) { stopping = view_changed = true; }

void Agent::Body::Take(Time at, const Leave&, Output& output) {
  if (leaving) return;
  leaving = true;
  watch.Stop(at);
  ReleaseAll("this node stops", output);
  view_changed = true;
  if (synced) Publish(at);
}

// Everything that follows from the inputs so far, in the order in which one thing needs the other.
void Agent::Body::Settle(Time at, Output& output) {
  AdvanceWatch(at, output);
  ReadEvents(output);
  if (keys) Settle(at, *keys, output);
  if (!pending) {
    if (const auto arrived = replication.TakeArrived()) Adopt(*arrived, output);
  }
  TryToSync(at, output);
  if (retry_at <= at) {
    retry_at = kNever;
    commit_needed = true;
  }
  const auto over = [&](const auto& entry) { return entry.second <= at; };
  if (std::erase_if(refused, [&](const auto& entry) { return entry.second.until <= at; }) > 0) view_changed = true;
  if (std::erase_if(handover.leaving_until, over) + std::erase_if(handover.not_offered, over) + std::erase_if(handover.former, over) > 0)
    view_changed = true;
  if (HandoverTimer() <= at || DetectionTimer() <= at) view_changed = true;
  if (drain_ends <= at) SetDrained(at, {.on = false}, output);
  AdvanceProbes(at, output);
  AdvanceLeases(at, output);
  if (may_take_at != kNever && may_take_at <= at) {
    may_take_at = kNever;
    view_changed = true;
  }
  // A policy that comes into force without a word from the kernel changes the view once more.
  UpdateNetworks(at);
  for (int round = 0; synced && round < 3 && (round == 0 || view_changed); ++round) {
    if (view_changed) {
      view_changed = false;
      peers_changed = true;
      UpdateTunnelNumber();
      UpdateUnable();
      networks_in_doubt = true;
      UpdateNetworks(at);
      UpdateWatch(at);
      UpdateHolding(at, output);
      // What comes of an apply is told when the kernel has it.
      if (!pending) Publish(at);
      UpdateInputs(at, output);
      TellOffered(output);
    }
    Rebuild(output);
    AdvanceRound(at, output);
  }
  AdvanceRenewal(at, output);
  AdvanceDeliveries(at);
  if (recheck_at <= at && committed_revision == revision) RecheckConnections(output);
  if (replicates()) {
    replication.Consider(at, membership.members());
  }
  Announce(at, output);
  ReadEvents(output);
  Store(output);
  Flush(output);
  output.wake_at = NextTimer(at);
}

void Agent::Body::Announce(Time at, Output& output) {
  if (!in_force->selection) return;
  const policy::PolicySet& set = in_force->selection->set();
  for (const IpAddress& address : announcer.Due(at)) {
    // This process may have stood still since it was decided that the address is to be announced.
    const auto hold = inputs.holds.find(address);
    if (hold == inputs.holds.end() || hold->second.standing != plan::Hold::Standing::kHeld) continue;
    const auto bound = in_force->gateway_of.find(address);
    if (bound == in_force->gateway_of.end() || !IsAnnouncedHere(address)) continue;
    if (const auto uplink = plan::UplinkFor(set, settings.config, host, bound->second, address)) {
      output.announce.push_back({.address = address, .device = uplink->device});
    }
  }
}

void Agent::Body::Store(Output& output) {
  if (!host_known) return;
  const bool as_it_was = membership.incarnation() == remembered.incarnation && tunnel_number == remembered.tunnel_number &&
                         replication.version() == remembered.version && drained == remembered.drained &&
                         networks == remembered.networks;
  if (as_it_was && !peers_changed && !view_changed) return;
  peers_changed = false;
  Remembered next{.incarnation = membership.incarnation(), .tunnel_number = tunnel_number, .peers = {}, .version = replication.version(),
                  .drained = drained, .networks = networks};
  for (const auto& [name, member] : membership.members()) {
    if (member.verdict != gossip::Verdict::kLeft) next.peers.insert(member.record.gossip);
  }
  next.peers.insert(leases.former.begin(), leases.former.end());
  if (!synced || next == remembered) return;
  remembered = std::move(next);
  output.store = Encode(Stored{.incarnation = remembered.incarnation,
                               .tunnel_number = remembered.tunnel_number,
                               .peers = remembered.peers,
                               .generation = in_force->selection ? EncodeGeneration(in_force->generation) : "",
                               .drained = drained,
                               .networks = networks});
}

Time Agent::Body::NextTimer(Time at) const {
  Time next = std::min({replication.NextTimer(), announcer.NextTimer(), retry_at, membership.NextTimer(at), watch.NextTimer(), LeaseTimer(),
                        HandoverTimer(), ConnectionsTimer(), ProbesTimer(), DetectionTimer(), drain_ends,
                        committed_revision == revision ? recheck_at : kNever});
  for (const auto& [address, refusal] : refused) next = std::min(next, refusal.until);
  if (!synced) next = std::min(next, membership.sync().NextTimer(at));
  if (keys) next = std::min(next, keys->NextTimer());
  if (synced && may_take_at > at) next = std::min(next, may_take_at);
  return next == kNever ? kNever : std::max(next, at + Duration{200});
}

bool Agent::hands_over() const { return !body_->handover.offerings.empty() || !body_->handover.leaving_until.empty(); }
bool Agent::may_wake() const {
  const auto& holds = body_->inputs.holds;
  return std::ranges::any_of(holds, [](const auto& entry) { return entry.second.lease.has_value(); }) &&
         std::ranges::none_of(holds, [&](const auto& entry) { return body_->IsStrict(entry.first); });
}
bool Agent::synced() const { return body_->synced; }
plan::TunnelIdentity Agent::tunnel_identity() const { return body_->inputs.self; }
const state::State& Agent::desired() const { return body_->desired; }
const state::Touched& Agent::touched() const { return body_->touched; }
std::uint64_t Agent::revision() const { return body_->revision; }
const std::string& Agent::policy_text() const { return body_->in_force->generation.text; }
const policy::Selection* Agent::selection() const { return body_->in_force->selection.get(); }

plan::Explanation Agent::Explain(const policy::Flow& flow) const {
  return plan::Explain(body_->inputs, flow, body_->settings.config.node.name);
}

ApplyResult Agent::Preview(const std::string& text) const {
  ApplyResult result;
  result.generation = body_->in_force->generation.number;
  Prepared prepared = body_->Prepare(text);
  result.findings = std::move(prepared.findings);
  if (prepared.compiled) body_->CompareWithCurrent(*prepared.compiled, result);
  return result;
}

}  // namespace egressd::agent
