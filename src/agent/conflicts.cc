// Somebody else on the uplink has, or takes, an egress IP of ours (RFC 5227; RFC 4862 for IPv6).
#include <algorithm>
#include <format>

#include "agent/body.h"

namespace egressd::agent {
namespace {

// Before an address is taken that no member of the cluster held: three probes, and nobody may answer.
constexpr Duration kProbeInterval{50'000};
constexpr int kProbes = 3;
// After a takeover the former holder may still be heard; whoever has held an address for longer was overtaken.
constexpr Duration kDefended{5'000'000};
// Twice as long each time, until it has been quiet for a while: two members that give the same address up to each other at one moment are
// soon over it, and an uplink with a stranger on it is not asked all the time (RFC 5227 section 2.1.1).
constexpr Duration kKeepAway{1'000'000};
constexpr Duration kLongestKeepAway{10'000'000};
constexpr Duration kQuiet{60'000'000};

}  // namespace

Duration ConflictState::LongerAway(Time at, const IpAddress& address) {
  std::erase_if(lost, [&](const auto& entry) { return entry.second.until + kQuiet <= at; });
  const auto [entry, first] = lost.try_emplace(address, Lost{.keep_away = kKeepAway, .until = {}});
  Lost& now = entry->second;
  if (!first) now.keep_away = std::min(2 * now.keep_away, kLongestKeepAway);
  now.until = at + now.keep_away;
  return now.keep_away;
}

// Does this node tell the uplink who has the address? Where routes or somebody else do, the uplink has nothing to say about it either.
bool Agent::Body::IsAnnouncedHere(const IpAddress& address) const {
  const policy::Gateway* gateway = GatewayOf(address);
  return gateway != nullptr && gateway->announce == policy::Announce::kLayer2;
}

// Is the address known to be free? Asks, and says no until the answer could have come.
bool Agent::Body::IsProbed(Time at, const IpAddress& address) {
  if (!IsAnnouncedHere(address)) return true;
  const auto [probing, fresh] = conflicts.probings.try_emplace(address, Probing{.begun = at, .next = at});
  return !fresh && probing->second.sent == kProbes && at >= probing->second.next;
}

void Agent::Body::AdvanceProbes(Time at, Output& output) {
  for (auto& [address, probing] : conflicts.probings) {
    if (probing.next > at) continue;
    if (probing.sent == kProbes) {
      if (!std::exchange(probing.told, true)) view_changed = true;
      continue;
    }
    ++probing.sent;
    probing.next = at + kProbeInterval;
    const auto bound = current().gateway_of.find(address);
    if (bound == current().gateway_of.end()) continue;
    if (const auto uplink = plan::UplinkFor(current().selection->set(), settings.config, host, bound->second, address)) {
      output.probe.push_back({.address = address, .device = uplink->device});
    }
  }
}

Time Agent::Body::ProbesTimer() const {
  Time next = kNever;
  for (const auto& [address, probing] : conflicts.probings) {
    if (!probing.told) next = std::min(next, probing.next);
  }
  return next;
}

void Agent::Body::Take(Time at, const ForeignAnnouncement& input, Output& output) {
  if (!IsAnnouncedHere(input.address)) return;
  const std::string object = input.address.ToString();
  const auto answered = [&](std::string_view what) {
    refused[input.address] = {.until = at + conflicts.LongerAway(at, input.address),
                              .by = Refused::By::kOtherHost,
                              .reason = std::format("{} {} on {}", input.mac.ToString(), what, input.device)};
    view_changed = true;
  };
  if (const auto probing = conflicts.probings.find(input.address); probing != conflicts.probings.end() && !claims.contains(input.address)) {
    conflicts.probings.erase(probing);
    answered("already answers for it");
    output.notes.push_back({.kind = "ip.conflict", .text = std::format("{} not taken: {}", object, refused[input.address].reason),
                            .object = object, .warning = true});
    return;
  }
  const auto hold = committed_holds.find(input.address);
  if (hold == committed_holds.end() || hold->second.standing != plan::Hold::Standing::kHeld || !claims.contains(input.address)) return;
  if (handover.offerings.contains(input.address)) return;
  const auto since = conflicts.held_since.find(input.address);
  // Who sees nobody any more is the one that is cut off.
  const bool sees_others = std::ranges::any_of(membership.members(), [](const auto& entry) { return entry.second.lives(); });
  const bool fresh = sees_others && since != conflicts.held_since.end() && at - since->second < kDefended;
  const auto last = conflicts.defended.find(input.address);
  if (IsStrict(input.address) || fresh) {
    // A majority says that it is ours, or the former holder has not let go yet. Two that are sure of themselves must not shout for ever.
    if (last == conflicts.defended.end() || at - last->second >= kDefendInterval) {
      conflicts.defended[input.address] = at;
      announcer.Start(at, input.address);
      output.notes.push_back({.kind = "ip.conflict", .text = std::format("{} is announced by {} on {}, too", object, input.mac.ToString(),
                              input.device), .object = object, .warning = true});
    }
    return;
  }
  answered("announces it");
  output.notes.push_back({.kind = "ip.conflict", .text = std::format("{} given up: {}", object, refused[input.address].reason),
                          .object = object, .warning = true});
}

}  // namespace egressd::agent
