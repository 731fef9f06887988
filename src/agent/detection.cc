// Who lives, as this node's own failure detector sees it. Only between the nodes of a gateway; everybody else hears of it through gossip.
#include <algorithm>
#include <format>

#include "agent/body.h"

namespace egressd::agent {
namespace {

// For the way of a packet. A lease was prolonged last at most one BFD interval after its daemon was last heard.
constexpr Duration kWay{50'000};
// Clocks differ by less than one part in so many.
constexpr int kClocks = 20;

}  // namespace

void Agent::Body::Take(Time at, const BfdPacket& input, Output&) { watch.Receive(at, input); }
void Agent::Body::Take(Time at, const EchoReply& input, Output&) { watch.Receive(at, input); }

// The nodes that share a gateway with this one, each with the quickest timers that they share.
void Agent::Body::UpdateWatch(Time at) {
  std::map<std::string, WatchedPeer> peers;
  if (in_force->selection && !leaving && channel) {
    const policy::NodeConfig::Node& self = settings.config.node;
    for (const auto& [gateway_name, gateway] : in_force->selection->set().gateways) {
      if (!policy::Matches(gateway.nodes, self.name, self.labels)) continue;
      const policy::BfdTimers wished = policy::BfdOf(gateway, settings.config.cluster.profile);
      for (const auto& [name, member] : membership.members()) {
        const gossip::Record& record = member.record;
        if (record.presence == gossip::Presence::kLeft || record.tunnel_number == 0) continue;
        if (record.tunnel_number > LastTunnelNumber(settings.config.tunnel) || record.tunnel_number == tunnel_number) continue;
        if (!policy::Matches(gateway.nodes, name, record.labels)) continue;
        const bfd::Timers timers{.min_tx = wished.min_tx, .min_rx = wished.min_rx, .multiplier = wished.multiplier};
        auto [peer, fresh] = peers.try_emplace(name);
        if (!fresh && peer->second.timers.min_tx * peer->second.timers.multiplier <= timers.min_tx * timers.multiplier) continue;
        peer->second = {.underlay = record.underlay,
                        .tunnel = plan::IdentityOf(record.tunnel_number, settings.config.tunnel).ipv4,
                        .timers = timers};
      }
    }
  }
  watch.Set(at, peers);
}

void Agent::Body::AdvanceWatch(Time at, Output& output) {
  watch.Advance(at);
  for (const Watch::Change& change : watch.TakeChanges()) {
    view_changed = true;
    switch (change.liveness) {
      case Liveness::kUnknown: break;
      case Liveness::kUp:
        membership.Vouch(at, change.peer);
        output.notes.push_back({.kind = "bfd.up", .text = std::format("BFD session with {} is up", change.peer), .object = change.peer});
        break;
      case Liveness::kDaemonSilent:
        output.notes.push_back({.kind = "bfd.down", .text = std::format("BFD session with {} is down, its data path answers", change.peer),
                                .object = change.peer, .warning = true});
        break;
      case Liveness::kSilent:
        membership.DeclareDead(at, change.peer);
        output.notes.push_back({.kind = "bfd.down", .text = std::format("{} is silent: neither BFD nor its data path answers", change.peer),
                                .object = change.peer, .warning = true});
        break;
    }
  }
  for (OutgoingBfd& packet : watch.TakeBfd()) {
    packet.from = *underlay;
    output.bfd.push_back(std::move(packet));
  }
  for (OutgoingEcho& echo : watch.TakeEchoes()) {
    echo.from = inputs.self.ipv4;
    output.echo.push_back(echo);
  }
}

std::optional<Time> Agent::Body::GoesOnUntil(const std::string& name, const gossip::Member& member) const {
  if (member.verdict == gossip::Verdict::kLeft || !watch.PathAnswers(name, now)) return std::nullopt;
  Duration grace{0};
  for (const gossip::Claim& claim : member.record.claims) grace = std::max(grace, LeaseOf(claim.address).value_or(Duration{0}));
  return watch.heard(name).value_or(member.since) + watch.PacketInterval(name) + grace + grace / kClocks + kWay;
}

Time Agent::Body::DetectionTimer() const {
  Time next = kNever;
  if (judged == Time::min() || leaving) return next;
  const bool any_silent = watch.AnyDaemonSilent();
  for (const auto& [name, member] : membership.members()) {
    if (member.lives() && !any_silent) continue;  // nearly always
    if (!member.lives() && !member.record.claims.empty()) {  // until when others count on its kernel: desired.cc
      for (const gossip::Claim& claim : member.record.claims) {
        const Time end = member.since + LeaseOf(claim.address).value_or(Duration{0});
        if (end > judged) next = std::min(next, end);
      }
    }
    if (watch.liveness(name) != Liveness::kDaemonSilent && member.lives()) continue;
    const auto until = GoesOnUntil(name, member);
    if (until && *until > judged) next = std::min(next, *until);
  }
  return next;
}

}  // namespace egressd::agent
