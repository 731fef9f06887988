// Every hold is a lease that the kernel ends by itself: who may hold, for how long, and when it is prolonged.
//
//   immediate   lease = restart_grace, prolonged by this node alone
//   strict      lease of votes.h, prolonged in rounds, with the consent of a majority
//   no peers    no lease
#include <algorithm>
#include <format>

#include "agent/body.h"
#include "egressd/base/hash.h"

namespace egressd::agent {
namespace {

// How long the kernel accepts a commit or a renewal after it was announced. Only strict leases promise anything about it; elsewhere a
// commit of everything after a start must fit.
constexpr Duration kAwake{5'000'000};
constexpr int kRenewalsPerLease = 5;
// Often, because what is left of a lease when its daemon dies decides when the next holder may be sure that it is over; but renewing takes
// about 15 us for each egress IP, and no more than a hundredth of one processor.
constexpr Duration kShortestRenewalInterval{200'000}, kLongestRenewalInterval{3'000'000}, kRenewalOfOne{1'500};

}  // namespace

LeaseTiming LeaseTimingOf(policy::Profile profile) {
  const LeaseTiming lan;
  switch (profile) {
    case policy::Profile::kFast: return {.round = lan.round / 4, .awake = lan.awake / 4, .lease = lan.lease / 4};
    case policy::Profile::kWan: return {.round = lan.round * 4, .awake = lan.awake * 4, .lease = lan.lease * 4};
    case policy::Profile::kLan: break;
  }
  return lan;
}

const policy::Gateway* Agent::Body::GatewayOf(const IpAddress& address) const {
  const auto bound = current().gateway_of.find(address);
  if (!current().selection || bound == current().gateway_of.end()) return nullptr;
  const auto found = current().selection->set().gateways.find(bound->second);
  return found == current().selection->set().gateways.end() ? nullptr : &found->second;
}

bool Agent::Body::IsStrict(const IpAddress& address) const {
  const policy::Gateway* gateway = GatewayOf(address);
  return HasPeers() && gateway != nullptr && gateway->takeover == policy::Takeover::kStrict;
}

bool Agent::Body::HasPeers() const {
  if (!channel) return false;
  return !settings.config.cluster.join.empty() || std::ranges::any_of(membership.members(), [](const auto& entry) {
    return entry.second.verdict != gossip::Verdict::kLeft;
  });
}

std::optional<Duration> Agent::Body::LeaseOf(const IpAddress& address) const {
  if (!HasPeers()) return std::nullopt;
  if (IsStrict(address)) return leases.timing.lease;
  const policy::Gateway* gateway = GatewayOf(address);
  return gateway == nullptr ? policy::Gateway{}.restart_grace : gateway->restart_grace;
}

// Every node that has not left, and every join address and former peer where nobody is known.
Electorate Agent::Body::CurrentElectorate() const { return ElectorateWith(leases.former); }

Electorate Agent::Body::ElectorateWith(const std::set<Endpoint>& former) const {
  std::set<Endpoint> inhabited;
  if (underlay) inhabited.insert(OwnEndpoint());
  std::set<std::string> names{settings.config.node.name};
  for (const auto& [name, member] : membership.members()) {
    inhabited.insert(member.record.gossip);
    if (member.verdict != gossip::Verdict::kLeft) names.insert(name);
  }
  Electorate electorate;
  std::set<Endpoint> contacts = former;
  contacts.insert(settings.config.cluster.join.begin(), settings.config.cluster.join.end());
  for (const Endpoint& contact : contacts) {
    if (inhabited.contains(contact)) continue;
    electorate.unknown.push_back(contact);
    names.insert(contact.ToString());
  }
  electorate.size = names.size();
  for (const std::string& name : names) electorate.digest = StableHash(name, electorate.digest);
  return electorate;
}

// Another node has said which electorate it sees.
void Agent::Body::CompareElectorate(const std::string& node, std::uint64_t digest) {
  if (leases.former.empty()) return;
  std::set<Endpoint> known;
  for (const auto& [name, member] : membership.members()) known.insert(member.record.gossip);
  std::erase_if(leases.former, [&](const Endpoint& peer) { return known.contains(peer); });
  const Electorate without = ElectorateWith({});
  if (std::exchange(leases.digest_without_former, without.digest) != without.digest) leases.without_former.clear();
  if (digest == without.digest) leases.without_former.insert(node);
  if (leases.without_former.size() > without.size / 2) leases.former.clear();
}

// With `quorum: majority`, a node that does not see most of the others alive holds nothing.
bool Agent::Body::HasQuorum() const {
  if (settings.config.cluster.quorum == policy::Quorum::kNone) return true;
  const auto alive = 1 + std::ranges::count_if(membership.members(), [](const auto& entry) { return entry.second.lives(); });
  return static_cast<std::size_t>(alive) > CurrentElectorate().size / 2;
}

bool Agent::Body::MayHold(Time at, const IpAddress& address) const {
  if (leases.fenced_until > at) return false;
  if (!IsStrict(address)) return true;
  const auto found = leases.consent.find(address);
  return found != leases.consent.end() && found->second > at;
}

// What this node holds or wants under strict, and what its kernel may still have.
std::vector<gossip::Claim> Agent::Body::StrictWishes() const {
  std::map<IpAddress, std::uint64_t> wishes = leases.wanted;
  for (const auto& [address, term] : claims) {
    const auto offering = handover.offerings.find(address);
    const bool given = offering != handover.offerings.end() && offering->second.stage == Offering::Stage::kSilent;
    if (IsStrict(address) && !given) wishes[address] = term;
  }
  for (const auto& [address, hold] : committed_holds) {
    // Even if no policy knows it any more: a kernel that refuses to let go answers until its lease is over.
    const bool strict = IsStrict(address) || (hold.lease == leases.timing.lease && leases.asked.contains(address));
    if (hold.standing == plan::Hold::Standing::kHeld && strict) wishes.try_emplace(address, 0);
  }
  std::vector<gossip::Claim> result;
  for (const auto& [address, term] : wishes) result.push_back({.address = address, .term = term});
  return result;
}

void Agent::Body::AdvanceLeases(Time at, Output& output) {
  // It stood still for longer than its leases: others may have taken over without a word that it could hear.
  const bool holds_leases = std::ranges::any_of(committed_holds, [](const auto& entry) { return entry.second.lease.has_value(); });
  if (holds_leases && leases.ends <= at) Fence(at, output);
  if (leases.fenced_until != Time::min() && leases.fenced_until <= at) {
    leases.fenced_until = Time::min();
    view_changed = true;
  }
  if (!leases.unconfirmed.empty() && leases.first_round_at != kNever && at >= leases.first_round_at + 2 * leases.timing.round) {
    leases.unconfirmed.clear();
    view_changed = true;
  }
  if (std::erase_if(leases.consent, [&](const auto& entry) { return entry.second <= at; }) > 0) view_changed = true;
}

void Agent::Body::Fence(Time at, Output& output) {
  if (leases.fenced_until > at) return;
  leases.fenced_until = at + timing.probe_interval;
  leases.ends = kNever;
  leases.consent.clear();
  view_changed = true;
  membership.AskEverybody();
  output.notes.push_back({.kind = "lease.expired",
                          .text = "this daemon stood still for longer than its leases: it holds nothing until it has heard the others",
                          .object = settings.config.node.name, .warning = true});
}

// A round of consent, if one is due; the requests go out with this step.
void Agent::Body::AdvanceRound(Time at, Output& output) {
  const std::vector<gossip::Claim> wishes = StrictWishes();
  // What is not asked for any more is given back at once: the next holder waits for it. With nothing left to ask for, by one last round.
  const bool last_round = wishes.empty() && !leases.asked.empty();
  const bool gives_back = std::ranges::any_of(leases.asked, [&](const IpAddress& address) {
    return !std::ranges::contains(wishes, address, &gossip::Claim::address);
  });
  if (!last_round && (wishes.empty() || at < leases.first_round_at || leaving)) {
    leases.next_round = wishes.empty() || leaving ? kNever : leases.first_round_at;
    return;
  }
  const bool new_wish = std::ranges::any_of(wishes, [&](const gossip::Claim& wish) { return !leases.asked.contains(wish.address); });
  const bool wait = leases.next_round > at && leases.next_round != kNever;
  if (wait && !last_round && !((new_wish || gives_back) && at - leases.asker.begun() >= leases.timing.round / 4)) return;
  // What the round before has decided is carried out with the time that is left of it.
  if (output.commit || !output.renew.empty()) {
    leases.next_round = std::min(leases.next_round, at);
    return;
  }
  const Electorate electorate = CurrentElectorate();
  leases.asked.clear();
  for (const gossip::Claim& wish : wishes) leases.asked.insert(wish.address);
  std::erase_if(leases.consent, [&](const auto& entry) { return !leases.asked.contains(entry.first); });  // it is given back
  const LeaseRequest request = leases.asker.Begin(at, wishes, electorate.digest, electorate.size);
  leases.round_used = last_round;
  leases.round_opened = !last_round;
  if (!last_round) output.wake = leases.timing.awake;
  leases.next_round = last_round ? kNever : at + leases.timing.round;
  for (const auto& [name, member] : membership.members()) {
    if (member.verdict != gossip::Verdict::kLeft) SendLetter(member.record.gossip, request);
  }
  const std::string& self = settings.config.node.name;
  leases.asker.Receive(self, leases.voter.Answer(at, self, request, electorate.digest));
  TakeConsent(at, output);
}

void Agent::Body::TakeConsent(Time at, Output& output) {
  const std::vector<IpAddress> granted = leases.asker.Granted(at);
  bool taken = false;
  for (const IpAddress& address : granted) {
    const Time until = leases.asker.begun() + leases.timing.lease;
    auto [entry, fresh] = leases.consent.try_emplace(address, until);
    entry->second = until;
    leases.unconfirmed.erase(address);
    if (fresh) view_changed = true;
    taken = taken || fresh;
  }
  // One batch to a round: renewing is left to the next one when there is something to take. What is only wanted may be promised to
  // somebody else for long: what is held does not wait for it.
  if (taken || leases.round_used || !IsCovered(at)) return;
  if (std::exchange(leases.commit_waits, false)) {
    commit_needed = true;
  } else {
    RenewLeases(output);
    leases.round_used = !output.renew.empty();
  }
}

// Does the round that is open consent to everything strict that the kernel shall answer for? Then no lease that a commit gives is longer
// than what the others have promised.
bool Agent::Body::IsCovered(Time at) const {
  const std::vector<IpAddress> granted = leases.asker.Granted(at);
  return leases.round_opened && std::ranges::all_of(inputs.holds, [&](const auto& entry) {
    return !IsStrictlyHeld(entry) || std::ranges::contains(granted, entry.first);
  });
}

bool Agent::Body::IsStrictlyHeld(const std::pair<const IpAddress, plan::Hold>& hold) const {
  return hold.second.standing == plan::Hold::Standing::kHeld && IsStrict(hold.first);
}

void Agent::Body::RenewLeases(Output& output) const {
  for (const auto& [address, hold] : committed_holds) {
    if (!hold.lease || !inputs.holds.contains(address)) continue;
    if (hold.standing == plan::Hold::Standing::kLeaving && !claims.contains(address)) continue;  // it ends by itself
    if (IsStrict(address) && !(leases.round_opened && std::ranges::contains(leases.asker.Granted(now), address))) continue;
    output.renew.insert(address);
  }
}

// Renewals of what needs nobody's consent. Rounds renew that as well; this is for a node without one, or without a majority.
void Agent::Body::AdvanceRenewal(Time at, Output& output) {
  if (leases.next_renewal > at || output.commit || !output.renew.empty()) return;
  leases.next_renewal = kNever;
  RenewLeases(output);
  std::erase_if(output.renew, [&](const IpAddress& address) { return IsStrict(address); });
  if (!output.renew.empty()) WakeForLeases(output);
}

// For leases that need no consent. The kernel does not tell whose leases it accepts: whatever the open round has granted waits for the
// next one.
void Agent::Body::WakeForLeases(Output& output) {
  output.wake = kAwake;
  leases.round_opened = false;
}

std::optional<Duration> Agent::Body::ShortestLease() const {
  std::optional<Duration> shortest;
  for (const auto& [address, hold] : committed_holds) {
    if (hold.lease && !IsStrict(address)) shortest = std::min(shortest.value_or(*hold.lease), *hold.lease);
  }
  return shortest;
}

// The kernel has new leases; those that it had before go on as they were.
void Agent::Body::LeasesPlaced(Time at) {
  const std::optional<Duration> shortest = ShortestLease();
  if (!shortest) {
    leases.ends = leases.next_renewal = kNever;
  } else if (leases.ends == kNever) {
    leases.ends = at + *shortest;
    leases.next_renewal = at;  // what an earlier start has left in the kernel is prolonged now
  } else {
    leases.ends = std::min(leases.ends, at + *shortest);
  }
}

void Agent::Body::Take(Time at, const Renewed& input, Output&) {
  if (input.expired) {
    // Gone, for whatever reason: made anew as far as this node may still hold it.
    commit_needed = true;
    return;
  }
  if (const std::optional<Duration> shortest = ShortestLease()) {
    leases.ends = at + *shortest;
    const auto held = static_cast<std::int64_t>(committed_holds.size());
    const Duration wanted = std::clamp(Duration{kRenewalOfOne * held}, kShortestRenewalInterval, kLongestRenewalInterval);
    leases.next_renewal = at + std::min(*shortest / kRenewalsPerLease, wanted);
  }
}

// A commit may add leases; those of strict holds only within a round that consents to all of them. Outside of one the kernel sleeps, so
// that it refuses what has run out meanwhile instead of giving it anew.
void Agent::Body::WakeForCommit(Time at, Output& output) {
  const auto leased = [](const auto& entry) { return entry.second.lease.has_value(); };
  const auto strictly_held = [&](const auto& entry) { return IsStrictlyHeld(entry); };
  if (std::ranges::any_of(inputs.holds, strictly_held)) {
    if (IsCovered(at)) return;
    output.wake = Duration{0};
    leases.round_opened = false;
    output.renew.clear();
  } else if (std::ranges::any_of(inputs.holds, leased)) {
    WakeForLeases(output);
    std::erase_if(output.renew, [&](const IpAddress& address) { return IsStrict(address); });
  }
}

Time Agent::Body::LeaseTimer() const {
  Time next = std::min({leases.next_round, leases.next_renewal, leases.ends});
  if (leases.fenced_until > now) next = std::min(next, leases.fenced_until);
  for (const auto& [address, until] : leases.consent) next = std::min(next, until);
  return next;
}

void Agent::Body::Receive(Time at, const Endpoint& from, const std::string& sender, const LeaseRequest& request) {
  if (!synced) return;
  CompareElectorate(sender, request.electorate);
  SendLetter(from, leases.voter.Answer(at, sender, request, CurrentElectorate().digest));
}

void Agent::Body::Receive(Time at, const std::string& sender, const LeaseGrant& grant, Output& output) {
  CompareElectorate(sender, grant.electorate);
  leases.asker.Receive(sender, grant);
  TakeConsent(at, output);
}

}  // namespace egressd::agent
