// Gossip in and out, synchronisation, and what this node says of itself.
#include <algorithm>
#include <format>

#include "agent/body.h"
#include "agent/identity.h"

namespace egressd::agent {
namespace {

void Count(RejectedDatagrams& rejected, gossip::Rejection rejection) {
  switch (rejection) {
    case gossip::Rejection::kMalformed: ++rejected.malformed; break;
    case gossip::Rejection::kWrongCluster: ++rejected.wrong_cluster; break;
    case gossip::Rejection::kWrongKey: ++rejected.wrong_key; break;
    case gossip::Rejection::kForged: ++rejected.forged; break;
    case gossip::Rejection::kReplayed: ++rejected.replayed; break;
  }
}

Note NoteOf(const gossip::MemberEvent& event) {
  switch (event.verdict) {
    case gossip::Verdict::kAlive: return {.kind = "member.alive", .text = std::format("{} is alive", event.name), .object = event.name};
    case gossip::Verdict::kSuspect:
      return {.kind = "member.suspect", .text = std::format("{} does not answer", event.name), .object = event.name, .warning = true};
    case gossip::Verdict::kDead:
      return {.kind = "member.dead", .text = std::format("{} is dead", event.name), .object = event.name, .warning = true};
    case gossip::Verdict::kLeft: break;
  }
  return {.kind = "member.left", .text = std::format("{} has left", event.name), .object = event.name};
}

}  // namespace

void Agent::Body::Take(Time at, const Datagram& input, Output& output) {
  if (!channel || !membership.sync().begun()) return;
  const auto received = channel->Open(input.bytes);
  if (!received) return Count(rejected, received.error());
  if (TakeKeyLetter(at, input.from, *received)) return;
  if (received->sender == settings.config.node.name) {
    // Our own words come back to us when we are among the join addresses; a stranger's do not come from our address.
    const bool namesake = received->incarnation != membership.incarnation() && input.from.address != underlay;
    if (namesake && received->message) membership.Receive(at, input.from, received->sender, *received->message);
    return;
  }
  if (!received->message) return;
  if (const auto* request = std::get_if<gossip::ChunkRequest>(&*received->message)) {
    if (replicates()) replication.Receive(at, input.from, received->sender, *request);
  } else if (const auto* chunk = std::get_if<gossip::Chunk>(&*received->message)) {
    if (replicates()) replication.Receive(at, input.from, received->sender, *chunk);
  } else {
    membership.Receive(at, input.from, received->sender, *received->message);
    if (const auto* letter = std::get_if<gossip::Letter>(&*received->message)) Receive(at, input.from, received->sender, *letter, output);
  }
}

void Agent::Body::Receive(Time at, const Endpoint& from, const std::string& sender, const gossip::Letter& letter, Output& output) {
  if (!membership.members().contains(sender)) return;
  const auto decoded = Decode(letter.bytes);
  if (!decoded) {
    ++rejected.malformed;
    return;
  }
  if (const auto* request = std::get_if<LeaseRequest>(&*decoded)) {
    Receive(at, from, sender, *request);
  } else if (const auto* grant = std::get_if<LeaseGrant>(&*decoded)) {
    Receive(at, sender, *grant, output);
  } else if (const auto* connections = std::get_if<Connections>(&*decoded)) {
    Receive(from, sender, *connections, output);
  } else if (const auto* taken = std::get_if<ConnectionsTaken>(&*decoded)) {
    Receive(sender, *taken);
  } else if (const auto* ports = std::get_if<RemappedPorts>(&*decoded)) {
    for (const state::Translation& translation : ports->translations) carried.remaps.Learn(translation);
  } else if (std::holds_alternative<RemappedPortsWanted>(*decoded)) {
    output.collect_remapped = true;
  } else if (const auto* move = std::get_if<MoveOrder>(&*decoded)) {
    Receive(*move);
  } else if (const auto* drain = std::get_if<DrainOrder>(&*decoded)) {
    Receive(at, *drain, output);
  }
}

void Agent::Body::SendLetter(const Endpoint& to, const Letter& letter) { SendBytes(to, Encode(letter)); }

void Agent::Body::SendBytes(const Endpoint& to, const gossip::Bytes& bytes) {
  letters.push_back({.to = to, .message = gossip::Letter{.bytes = bytes}});
}

Endpoint Agent::Body::OwnEndpoint() const {
  return {.address = settings.config.cluster.listen_address.value_or(*underlay), .port = settings.config.cluster.listen_port};
}

void Agent::Body::ReadEvents(Output& output) {
  for (const gossip::MemberEvent& event : membership.TakeEvents()) {
    output.notes.push_back(NoteOf(event));
    if (keys && event.verdict == gossip::Verdict::kAlive) keys->MetAgain(now, event.name);
  }
  if (membership.TakeChanged()) view_changed = true;
}

void Agent::Body::TryToSync(Time at, Output& output) {
  if (synced || leaving || !host_known || !underlay || !membership.synced(at)) return;
  if (replicates()) replication.Consider(at, membership.members());
  if (replication.fetching() && at < membership.sync().Limit()) return;  // the cluster has a newer policy: it is coming
  // Whoever hears of this node must be able to talk with it.
  if (keys && !keys->caught_up() && !membership.members().empty() && at < membership.sync().Limit()) return;
  if (keys) keys->CaughtUp();
  synced = true;
  view_changed = commit_needed = true;
  const auto& former = membership.former();
  if (former) {
    for (const gossip::Claim& claim : former->claims) {
      claims[claim.address] = claim.term;
      if (IsStrict(claim.address)) leases.unconfirmed.insert(claim.address);
    }
    if (former->tunnel_number != 0) tunnel_number = former->tunnel_number;
  } else {
    // Nobody remembers this node. What its kernel still has and nobody claims stays where it is.
    std::set<IpAddress> claimed;
    for (const auto& [name, member] : membership.members()) {
      for (const gossip::Claim& claim : member.record.claims) claimed.insert(claim.address);
    }
    for (const IpAddress& address : settings.held) {
      if (in_force->gateway_of.contains(address) && !IsStrict(address) && !claimed.contains(address)) claims[address] = 1;
    }
  }
  // Whoever starts together with us is heard of within this; before that, nothing new is taken.
  leases.first_round_at = at + leases.timing.awake + leases.timing.lease;  // what an earlier start may still have in the kernel runs out
  for (const auto& [name, member] : membership.members()) SendLetter(member.record.gossip, RemappedPortsWanted{});
  output.collect_remapped = true;
  may_take_at = membership.members().empty() && settings.config.cluster.join.empty() ? at : at + timing.probe_interval;
  output.notes.push_back({.kind = "cluster.synced",
                          .text = std::format("synced with {} other {}", membership.members().size(),
                                              membership.members().size() == 1 ? "node" : "nodes"),
                          .object = settings.config.node.name});
  std::deque<ApplyPolicy> applies = std::exchange(waiting, {});
  for (const ApplyPolicy& apply : applies) Take(at, apply, output);
}

void Agent::Body::Flush(Output& output) {
  std::vector<gossip::Outgoing> outgoing = membership.TakeOutgoing();
  std::ranges::move(replication.TakeOutgoing(), std::back_inserter(outgoing));
  std::ranges::move(std::exchange(letters, {}), std::back_inserter(outgoing));
  if (keys) std::ranges::move(keys->TakeOutgoing(), std::back_inserter(outgoing));
  if (!channel) return;
  if (membership.incarnation() != sealed_incarnation) {
    sealed_incarnation = membership.incarnation();
    channel->Renew(sealed_incarnation);
  }
  for (const gossip::Outgoing& message : outgoing) {
    for (gossip::Bytes& bytes : channel->Close(message.message, keys->SealFor(message.to)))
      output.send.push_back({.to = message.to, .bytes = std::move(bytes)});
  }
}

void Agent::Body::UpdateUnderlay(Time at) {
  underlay = UnderlayOf(settings.config, host, underlay);
  if (!underlay) return;
  membership.Begin(at, OwnEndpoint());
}

// Own number: the former one, else the first choice; when a living node with an earlier name has the same, the next free one.
void Agent::Body::UpdateTunnelNumber() {
  const std::string& name = settings.config.node.name;
  const std::uint16_t last = LastTunnelNumber(settings.config.tunnel);
  const auto in_use = [&](std::uint16_t number) {
    return std::ranges::any_of(membership.members(), [&](const auto& entry) {
      return entry.second.verdict != gossip::Verdict::kLeft && entry.second.record.tunnel_number == number;
    });
  };
  if (tunnel_number == 0 || tunnel_number > last) {
    tunnel_number = NextFree(FirstChoice(name, last), last, in_use);
    return;
  }
  const bool yields = std::ranges::any_of(membership.members(), [&](const auto& entry) {
    return entry.second.lives() && entry.second.record.tunnel_number == tunnel_number && entry.first < name;
  });
  if (yields) tunnel_number = NextFree(tunnel_number, last, in_use);
}

gossip::Record Agent::Body::OwnRecord() const {
  gossip::Record record;
  record.name = settings.config.node.name;
  record.presence = leaving ? gossip::Presence::kLeft : gossip::Presence::kMember;
  record.ready = ready();
  record.gossip = OwnEndpoint();
  record.underlay = *underlay;
  record.tunnel_number = tunnel_number;
  for (const auto& [key, value] : settings.config.node.labels) {
    if (record.labels.size() < gossip::kLabelLimit && key.size() <= gossip::kLabelBytesLimit && value.size() <= gossip::kLabelBytesLimit) {
      record.labels.emplace(key, value);
    }
  }
  // With its own file the number means nothing to others: only the digest is shown, so that the skew can be seen.
  record.policy = replication.version();
  if (!settings.config.replicate_policy && in_force->selection) {
    record.policy = {.number = 0, .digest = DigestOfText(in_force->generation.text)};
  }
  for (const auto& [address, term] : claims) {
    if (record.claims.size() < gossip::kClaimLimit) record.claims.push_back({.address = address, .term = term});
  }
  record.unable = unable;
  if (record.unable.size() > gossip::kClaimLimit) record.unable.resize(gossip::kClaimLimit);
  if (!leaving) record.networks = networks;
  record.drained = drained || stopping;
  for (const auto& [address, offering] : handover.offerings) {
    if (!claims.contains(address) || record.offers.size() >= gossip::kClaimLimit) continue;
    record.offers.push_back({.address = address, .to = offering.to, .silent = offering.stage == Offering::Stage::kSilent});
  }
  for (const auto& [address, preparation] : handover.preparing) {
    if (IsPrepared(now, address, preparation) && record.prepared.size() < gossip::kClaimLimit) record.prepared.push_back(address);
  }
  return record;
}

void Agent::Body::Publish(Time at) {
  if (!underlay) return;
  membership.Publish(at, OwnRecord());
  membership.TakeChanged();  // by us, and taken into account already
}

std::vector<NodeView> Agent::Body::View(const gossip::Record& own) const {
  std::vector<NodeView> nodes;
  bool own_added = false;
  const auto add_own = [&] {
    nodes.push_back({.record = &own, .lives = !leaving, .alive = !leaving});
    own_added = true;
  };
  for (const auto& [name, member] : membership.members()) {
    if (!own_added && own.name < name) add_own();
    NodeView node{.record = &member.record, .lives = member.lives(), .alive = member.verdict == gossip::Verdict::kAlive};
    const Liveness liveness = watch.liveness(name);
    if (liveness == Liveness::kDaemonSilent || liveness == Liveness::kSilent) node.alive = false;
    if (const auto until = GoesOnUntil(name, member); until && (liveness == Liveness::kDaemonSilent || !node.lives)) {
      node.lives = now < *until;
    }
    nodes.push_back(node);
  }
  if (!own_added) add_own();
  return nodes;
}

}  // namespace egressd::agent
