#include "plan/chains.h"

#include <algorithm>
#include <utility>

#include "plan/processes.h"
#include "plan/rule.h"

namespace egressd::plan {
namespace {

using state::kCtStateInvalid;
using state::kCtStateNew;
using state::kCtStateUntracked;
using state::NftHook;
using state::NftRule;
using Rules = std::vector<NftRule>;

constexpr Family kBoth[] = {Family::kIpv4, Family::kIpv6};
constexpr std::uint8_t kIcmp = 1, kIcmpv6 = 58;
constexpr std::uint8_t kNeighbourSolicitation = 135, kNeighbourAdvertisement = 136;
constexpr std::uint16_t kTcpHeadersIpv4Bytes = 40, kTcpHeadersIpv6Bytes = 60;
constexpr std::uint32_t kNoConntrack = kCtStateInvalid | kCtStateUntracked;

// Priorities of linux/netfilter_ipv4.h.
constexpr std::int32_t kRaw = -300, kMangle = -150, kBeforeFilter = -10, kBeforeSrcnat = 90, kLast = 300;

void PutBaseChain(state::State& state, std::string_view name, NftHook hook, Rules rules) {
  state::Put(state.chains, state::NftChain{.key = {.name = std::string(name)}, .hook = hook, .rules = std::move(rules)});
}

// The outer packets: not tracked, known peers only, without the marks of the packet inside.
void PutOuter(const Facts& facts, state::State& state) {
  const std::uint16_t port = facts.tunnel().port;
  Rules in{Words().UdpPort(port).Goto(chain::kOuterIn)}, outer, out, refuse;
  for (const Family family : kBoth) {
    const std::string peers = PerFamily(stem::kPeers, family);
    outer.push_back(Words().SourceIn(family, peers).Notrack().Accept());
    out.push_back(Words().UdpPort(port).DestinationIn(family, peers).SetPacketMark(0).Notrack().Accept());
    refuse.push_back(Words().UdpPort(port).SourceNotIn(family, peers).Drop(counter::kNotAPeer));
  }
  if (!facts.inputs.former.empty()) {
    for (const Family family : kBoth) in.push_back(Words().DestinationIn(family, PerFamily(stem::kFormer, family)).Drop(counter::kNotHeld));
  }
  PutChain(state, chain::kOuterIn, std::move(outer));
  PutBaseChain(state, chain::kRawPrerouting, {.point = NftHook::Point::kPrerouting, .priority = kRaw}, std::move(in));
  PutBaseChain(state, chain::kRawOutput, {.point = NftHook::Point::kOutput, .priority = kRaw}, std::move(out));
  PutBaseChain(state, chain::kRawInput, {.point = NftHook::Point::kInput, .priority = kRaw}, std::move(refuse));
}

NftRule OverLimit(Direction direction, std::string_view map) {
  return Words().ConnectionIs(direction).ConnectionMark(kDecidedMask, kDecided).OverLimitOfConnectionId(map).Drop(counter::kOverLimit);
}

// Which traffic is ours, and what was decided about it.
void PutEntrances(const Facts& facts, state::State& state) {
  Rules rules{Words().From(facts.tunnel().device).Goto(chain::kFromTunnel)};
  // What comes back from the outside, to whoever; what comes back through the tunnel was counted by the gateway.
  if (facts.limits) rules.push_back(OverLimit(Direction::kReply, set::kLimitIn));
  // To a workload that kept its address: by its node's networks, not by those of this host, where the same address may be somebody else's.
  if (facts.keeps) {
    rules.push_back(Words()
                        .ConnectionIs(Direction::kReply)
                        .ConnectionMark(kDecidedMask, kDecided)
                        .ConnectionIdIn(set::kKept)
                        .SetPacketMark(facts.marks.Of(kHomeSlot))
                        .Return());
    // A segment for a workload without a connection, after a takeover perhaps: its node may still tell of it. Sent back to the router that
    // it came from it would become a connection of its own, in the way of the one that is told of.
    for (const Family family : kBoth) {
      rules.push_back(Words()
                          .DestinationIn(family, PerFamily(stem::kAway, family))
                          .ConnectionState(kCtStateNew | kCtStateInvalid)
                          .Drop(counter::kUnexpected));
    }
  }
  rules.push_back(Words().ConnectionIs(Direction::kReply).Return());
  // Nearly everything ends here.
  rules.push_back(Words().SetPacketMarkByConnectionMark(set::kNextHop).Return());
  rules.push_back(Words().ConnectionMark(kDecidedMask, kDecided).Goto(chain::kDecidedBefore));
  rules.push_back(Words().Goto(chain::kClassify));
  PutBaseChain(state, chain::kPrerouting, {.point = NftHook::Point::kPrerouting, .priority = kMangle}, std::move(rules));

  PutOutput(facts, state);
  PutChain(state, chain::kDecidedBefore,
           {Words().ConnectionMark(kIdMask, kDirectMark).Return(), Words().SetPacketMarkByConnectionMark(set::kNextHop).Return(),
            Words().Goto(chain::kNoGateway)});
}

void PutClassify(const Facts& facts, state::State& state) {
  Rules classify, own;
  for (const Family family : kBoth) {
    classify.push_back(Words().SetConnectionMarkBySource(family, PerFamily(stem::kSource, family)).Goto(chain::kDispatch));
  }
  // A guarded network: who is no known workload reaches nothing external, whatever selects networks and devices.
  for (const Family family : kBoth) {
    classify.push_back(Words()
                           .SourceIn(family, PerFamily(stem::kGuard, family))
                           .SourceNotIn(family, PerFamily(stem::kKnown, family))
                           .DestinationNotIn(family, PerFamily(stem::kInternal, family))
                           .DestinationNotIn(family, PerFamily(stem::kLocal, family))
                           .Drop(counter::kUnknownSource));
  }
  // Networks and devices select what the host forwards, not what it receives itself.
  for (const Family family : kBoth) classify.push_back(Words().DestinationIn(family, PerFamily(stem::kLocal, family)).Return());
  for (const Family family : kBoth) {
    classify.push_back(Words().SetConnectionMarkBySource(family, PerFamily(stem::kNetwork, family)).Goto(chain::kDispatch));
  }
  for (const Family family : kBoth) {
    if (facts.inputs.selection == nullptr || facts.inputs.selection->other(family) == nullptr) continue;
    classify.push_back(Words().Is(family).Goto(PerFamily(stem::kOther, family)));
  }
  PutChain(state, chain::kClassify, std::move(classify));

  // What the host says to itself and to the other nodes never takes the tunnel that it would be about.
  for (const Family family : kBoth) {
    own.push_back(Words().DestinationIn(family, PerFamily(stem::kLocal, family)).Goto(chain::kDirect));
    own.push_back(Words().DestinationIn(family, PerFamily(stem::kPeers, family)).Goto(chain::kDirect));
  }
  for (const Prefix& network : {facts.tunnel().ipv4, facts.tunnel().ipv6}) {
    own.push_back(Words().DestinationIn(network).Goto(chain::kDirect));
  }
  own.push_back(Words().Goto(chain::kDispatch));
  PutChain(state, chain::kDispatchOwn, std::move(own));

  // Loading the connection mark ends a rule for packets without a connection: they reach the last one.
  Rules dispatch{Words().ConnectionMark(kClassBit, kClassBit).VerdictByConnectionMark(set::kClasses)};
  for (const Family family : kBoth) {
    dispatch.push_back(Words().DestinationIn(family, PerFamily(stem::kInternal, family)).Goto(chain::kDirect));
  }
  dispatch.push_back(Words().ConnectionMark(kDecidedMask, kDecided).Goto(chain::kSteer));
  dispatch.push_back(Words().Goto(chain::kUntracked));
  PutChain(state, chain::kDispatch, std::move(dispatch));
}

void PutVerdicts(state::State& state) {
  PutChain(state, chain::kSteer,
           {Words().SetPacketMarkByConnectionMark(set::kNextHop).Return(),
            Words().ConnectionIdIn(set::kWithoutGateway).Goto(chain::kDirect),
            Words().Goto(chain::kNoGateway)});
  PutChain(state, chain::kDirect, {Words().SetConnectionMark(kDecidedDirect).Return()});

  Rules no_gateway{Words().ConnectionState(kNoConntrack).Goto(chain::kUntracked)};
  for (const Family family : kBoth) no_gateway.push_back(Words().DestinationIn(family, PerFamily(stem::kLocal, family)).Return());
  no_gateway.push_back(Words().Drop(counter::kNoGateway));
  PutChain(state, chain::kNoGateway, std::move(no_gateway));

  // Packets of a selected source that belong to no connection could not be translated: what would leave the networks here is dropped.
  Rules untracked{Words().Icmpv6OfTheLink().Return()};
  for (const Family family : kBoth) {
    untracked.push_back(Words().DestinationIn(family, PerFamily(stem::kInternal, family)).Return());
    untracked.push_back(Words().DestinationIn(family, PerFamily(stem::kLocal, family)).Return());
  }
  untracked.push_back(Words().Drop(counter::kUntracked));
  PutChain(state, chain::kUntracked, std::move(untracked));
}

// The gateway's entrance. The kernel has put the id of the VXLAN header into the packet mark.
void PutFromTunnel(const Facts& facts, state::State& state) {
  Rules rules{Words().ConnectionState(kNoConntrack).Drop(),
              // Back on the source node. Only the reverse-path filter reads this mark (routing.cc).
              Words().ConnectionIs(Direction::kReply).SetPacketMark(facts.marks.Of(kReplySlot)).Return()};
  for (const Prefix& network : {facts.tunnel().ipv4, facts.tunnel().ipv6}) {
    rules.push_back(Words().DestinationIn(network).SetPacketMark(0).Return());
  }
  // In every packet, not only the first: what the source node says now decides, and `leave` compares it with the translation.
  rules.push_back(Words().SetConnectionMarkFromPacketId(kDecided).Done());
  // Who keeps an address must be the one to whom replies to it go.
  if (facts.keeps) {
    for (const Family family : kBoth) {
      rules.push_back(Words()
                          .ConnectionIdIn(set::kKept)
                          .SourceNotOfSender(family, PerFamily(stem::kOrigins, family))
                          .Drop(counter::kWrongSource));
    }
  }
  rules.push_back(Words().SetPacketMarkByConnectionId(set::kHeld).Return());
  rules.push_back(Words().Drop(counter::kNotHeld));
  PutChain(state, chain::kFromTunnel, std::move(rules));
}

void PutNat(const Facts& facts, state::State& state) {
  const std::string& device = facts.tunnel().device;
  Rules rules{Words().ConnectionMarkNot(kDecidedMask, kDecided).Return(), Words().ConnectionMark(kIdMask, kDirectMark).Return()};
  if (facts.keeps) {
    for (const Family family : kBoth) rules.push_back(Words().To(device).ConnectionIdIn(set::kKept).SnatToItself(family));
  }
  for (const IpAddress& own : {facts.inputs.self.ipv4, facts.inputs.self.ipv6}) rules.push_back(Words().To(device).SnatTo(own));
  for (const Family family : kBoth) rules.push_back(Words().SnatByConnectionId(family, PerFamily(stem::kSnat, family)));
  if (facts.keeps) {
    for (const Family family : kBoth) rules.push_back(Words().ConnectionIdIn(set::kKept).SnatToItself(family));
  }
  PutBaseChain(state, chain::kNat, {.type = NftHook::Type::kNat, .point = NftHook::Point::kPostrouting, .priority = kBeforeSrcnat},
               std::move(rules));
}

// The last line of defence, behind everybody's translation: what leaves has the address that belongs to its id, and a lease on it, or
// does not leave. An address of the node itself (`egress_ip: node`) needs none.
void PutLeave(const Facts& facts, state::State& state) {
  Rules leave{Words().To(facts.tunnel().device).Goto(chain::kLeaveTunnel)};
  // Before the lookups that count what leaves.
  if (facts.limits) leave.push_back(OverLimit(Direction::kOriginal, set::kLimitOut));
  // Nearly everything ends with the first of these lookups.
  for (const Family family : kBoth) {
    leave.push_back(Words().ConnectionMarkAndSourceIn(family, PerFamily(stem::kSources, family)).Goto(PerFamily(stem::kLeased, family)));
  }
  leave.push_back(Words().ConnectionIs(Direction::kReply).ConnectionMarkIn(kReceivedSet).Return());
  leave.push_back(Words().ConnectionIs(Direction::kReply).Return());
  // A routed packet has the address of its workload (from_tunnel), which nobody else answers for: it needs no lease.
  if (facts.keeps) leave.push_back(Words().ConnectionMarkIn(set::kRouted).Return());
  leave.push_back(Words().ConnectionMark(0xffffffff, kDecidedDirect).Return());
  leave.push_back(Words().ConnectionMark(kDecidedMask, kDecided).Drop(counter::kWrongSource));
  for (const Family family : kBoth) {
    PutChain(state, PerFamily(stem::kLeased, family),
             {Words().SourceIn(family, PerFamily(stem::kLease, family)).Return(),
              Words().SourceIn(family, PerFamily(stem::kEgress, family)).Drop(counter::kLeaseOver)});
  }
  PutBaseChain(state, chain::kLeave, {.point = NftHook::Point::kPostrouting, .priority = kLast}, std::move(leave));

  const auto ClampTo = [&](std::uint16_t headers_bytes) {
    return static_cast<std::uint16_t>(facts.mtu_bytes - std::min<std::uint32_t>(headers_bytes, facts.mtu_bytes));
  };
  const IpAddress addresses[] = {facts.inputs.self.ipv4, facts.inputs.self.ipv6};
  Rules tunnel{Words().Is(Family::kIpv4).TcpSyn().ClampMss(ClampTo(kTcpHeadersIpv4Bytes)).Done(),
               Words().Is(Family::kIpv6).TcpSyn().ClampMss(ClampTo(kTcpHeadersIpv6Bytes)).Done(),
               Words().ConnectionIs(Direction::kReply).SetPacketMark(0).ConnectionMarkIn(kReceivedSet).Return(),
               Words().ConnectionIs(Direction::kReply).Return(),
               // Multicast listener reports and the like of the device itself; a gateway drops what has no connection.
               Words().ConnectionState(kNoConntrack).SetPacketMark(0).Return()};
  if (facts.keeps) {
    for (const Family family : kBoth) {
      tunnel.push_back(Words()
                           .ConnectionMark(kDecidedMask, kDecided)
                           .ConnectionIdIn(set::kKept)
                           .SourceIn(family, PerFamily(stem::kHomes, family))
                           .SetPacketMarkToConnectionId()
                           .Return());
    }
  }
  for (const IpAddress& own : addresses) tunnel.push_back(Words().SourceIsNot(own).Drop(counter::kWrongSource));
  tunnel.push_back(Words().ConnectionMark(kDecidedMask, kDecided).SetPacketMarkToConnectionId().Return());
  tunnel.push_back(Words().SetPacketMark(0).Done());
  PutChain(state, chain::kLeaveTunnel, std::move(tunnel));
}

void PutForwardAndInput(const Facts& facts, state::State& state) {
  const std::string& device = facts.tunnel().device;
  Rules forward{Words().From(device).Goto(chain::kForwardTunnel)};
  if (facts.keeps) forward.push_back(Words().PacketMark(facts.marks.mask, facts.marks.Of(kHomeSlot)).SetPacketMark(0).Done());
  PutBaseChain(state, chain::kForward, {.point = NftHook::Point::kForward, .priority = kMangle}, std::move(forward));
  PutChain(state, chain::kForwardTunnel,
           {Words().To(device).Drop(counter::kHairpin),
            Words().PacketMark(facts.marks.mask, facts.marks.Of(kReplySlot)).SetPacketMark(0).Done()});
  // To this host's own processes.
  Rules input{Words().ConnectionIs(Direction::kReply).ConnectionMarkIn(kReceivedSet).Done()}, to_egress;
  for (const Family family : kBoth) {
    input.push_back(Words().DestinationIn(family, PerFamily(stem::kEgress, family)).Goto(chain::kToEgress));
  }
  // Out of the tunnel comes what this node asked for, and echo requests. A reset for anything else would go to the outside, with the tunnel
  // address as its source.
  for (const Family family : kBoth) {
    input.push_back(Words()
                        .From(device)
                        .Is(family)
                        .NotProtocol(family == Family::kIpv4 ? kIcmp : kIcmpv6)
                        .ConnectionState(kCtStateNew | kCtStateInvalid)
                        .Drop(counter::kUnexpected));
  }
  PutBaseChain(state, chain::kInput, {.point = NftHook::Point::kInput, .priority = kBeforeFilter}, std::move(input));

  // Who still sends here what is another node's now gets no answer with its address.
  for (const Family family : kBoth) {
    to_egress.push_back(Words().DestinationNotIn(family, PerFamily(stem::kLease, family)).Drop(counter::kLeaseOver));
  }
  // A segment for an egress IP without a connection: after a takeover its owner may still come back; a reset would end it.
  for (const Family family : kBoth) {
    to_egress.push_back(Words()
                            .Is(family)
                            .NotProtocol(family == Family::kIpv4 ? kIcmp : kIcmpv6)
                            .ConnectionState(kCtStateNew | kCtStateInvalid)
                            .Drop(counter::kUnexpected));
  }
  PutChain(state, chain::kToEgress, std::move(to_egress));
}

// An egress IP that another node has, or is about to have, must not be heard of from here: no answer names it, and no question comes from
// it (a neighbour that is asked learns who asks). Announcements of our own do not pass here (kernel/announce.h).
//
// In a subnet that the host has no address in nobody needs to answer a question that comes from the host's address, and the egress IP must
// not ask: it may be another node's already. So nobody asks, as in a probe of RFC 5227, which every host answers.
void PutNeighbours(const Facts& facts, state::State& state) {
  const std::string egress6 = PerFamily(stem::kEgress, Family::kIpv6), answers6 = PerFamily(stem::kAnswers, Family::kIpv6);
  PutBaseChain(state, chain::kNeighbours, {.point = NftHook::Point::kOutput, .priority = kBeforeFilter},
               {Words()
                    .Icmpv6(kNeighbourAdvertisement)
                    .NeighbourTargetIn(egress6)
                    .NeighbourTargetNotIn(answers6)
                    .Drop(counter::kNotAnswered),
                Words()
                    .Icmpv6(kNeighbourSolicitation)
                    .SourceIn(Family::kIpv6, egress6)
                    .SourceNotIn(Family::kIpv6, answers6)
                    .Drop(counter::kNotAnswered)});
  Rules arp;
  if (!facts.subnets.empty()) arp.push_back(Words().ArpAsksFor(set::kArpSubnets).ArpSenderBecomesNobody().Done());
  arp.push_back(Words().ArpSenderIn(set::kArpEgress).ArpSenderNotIn(set::kArpAnswers).Drop(counter::kNotAnswered));
  state::Put(state.chains, state::NftChain{.key = {.family = state::NftFamily::kArp, .name = std::string(chain::kNeighbours)},
                                           .hook = NftHook{.point = NftHook::Point::kOutput, .priority = kBeforeFilter},
                                           .rules = std::move(arp)});
}

}  // namespace

void PutChain(state::State& state, std::string_view name, Rules rules) {
  state::Put(state.chains, state::NftChain{.key = {.name = std::string(name)}, .rules = std::move(rules)});
}

// The host's own processes: those that a policy speaks of, and those that use a workload's address. A changed mark makes the kernel route
// again.
void PutOutput(const Facts& facts, state::State& state) {
  Rules own{Words().ConnectionIs(Direction::kReply).Return()};
  for (NftRule& rule : DecidedRules(facts)) own.push_back(std::move(rule));
  own.push_back(Words().ConnectionMark(kDecidedMask, kDecided).Goto(chain::kDecidedBefore));
  own.push_back(Words().PacketMark(0xffffffff, kDaemonMark).Return());
  for (NftRule& rule : ProcessRules(facts)) own.push_back(std::move(rule));
  for (const Family family : kBoth) {
    own.push_back(Words().SetConnectionMarkBySource(family, PerFamily(stem::kSource, family)).Goto(chain::kDispatchOwn));
  }
  PutBaseChain(state, chain::kOutput, {.type = NftHook::Type::kRoute, .point = NftHook::Point::kOutput, .priority = kMangle},
               std::move(own));
}

void PutSkeletonChains(const Facts& facts, state::State& state) {
  PutOuter(facts, state);
  PutEntrances(facts, state);
  PutClassify(facts, state);
  PutVerdicts(state);
  PutFromTunnel(facts, state);
  PutNat(facts, state);
  PutLeave(facts, state);
  PutForwardAndInput(facts, state);
  PutNeighbours(facts, state);
}

}  // namespace egressd::plan
