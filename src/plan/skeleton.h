// The names and marks of the data path: what stands in nftables whatever the policy says.
//
// A packet of a selected workload on its source node:
//
//   prerouting ── first packet ──> classify ──> dispatch ──> [class_…] ──> steer ── slot mark ──> ip rule ──> tunnel device
//       └──────── later packets ──> decided ── slot mark ──> …                 └─> direct: leaves as without egressd
//
// The host's own traffic enters in `output` instead: the unit (units: cgroup → unit class), user and source of its process (own4) decide,
// else its source alone (src4); then dispatch_own, which leaves alone what goes to this host and its peers, and dispatch as above.
//
// and on the gateway: prerouting ──> from_tunnel (id → held) ──> nat (id → egress IP) ──> leave (id and address must agree, and the
// address must have a lease).
//
// What this node does for an egress IP hangs on elements that the kernel takes away by itself when nobody renews them: lease4/6 let
// packets out and in, `answers` (its own table, arp) and answers6 let the host answer who asks for the address.
//
// 1. The connection mark of everything decided here is kDecided (plan.h) | id; kDecided | 65535 says "goes out directly". The upper
//    half is a signature: connection marks of other programs (wg-quick's 0xca6c, say) are never taken for an id. Its high byte is zero,
//    so that a tool that copies connection marks to packets does not make a next-hop slot of it.
// 2. The packet mark carries the next-hop slot in the byte of `datapath.next_hop_mark` and the id below. Only the low half enters the
//    tunnel, where the kernel carries it as the group policy id.
// 3. Values of src*/net* from 0x80000000 are source classes, below they are connection marks.
//
// Used by every file of this folder.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "egressd/base/address.h"
#include "egressd/base/ids.h"
#include "egressd/plan/plan.h"

namespace egressd::plan {

inline constexpr std::string_view kTable = "egressd";

inline constexpr std::uint32_t kIdMask = 0x0000ffff;
inline constexpr std::uint32_t kClassBit = 0x80000000;
constexpr std::uint32_t DecidedMark(EgressId id) { return kDecided | id.value; }
inline constexpr std::uint32_t kDecidedDirect = kDecided | kDirectMark;

// Packet marks of this node's configuration.
struct SlotMarks {
  std::uint32_t mask = 0xff000000;
  std::uint32_t Of(std::uint8_t slot) const { return static_cast<std::uint32_t>(slot) << std::countr_zero(mask); }
};

// Chains. Base chains have the name of what they do at their hook.
namespace chain {
inline constexpr std::string_view kRawPrerouting = "raw_prerouting", kRawOutput = "raw_output", kRawInput = "raw_input";
inline constexpr std::string_view kOuterIn = "outer_in", kForwardTunnel = "forward_tunnel";
inline constexpr std::string_view kPrerouting = "prerouting", kOutput = "output", kInput = "input", kForward = "forward";
inline constexpr std::string_view kNat = "nat", kLeave = "leave";
inline constexpr std::string_view kFromTunnel = "from_tunnel", kDecidedBefore = "decided", kClassify = "classify", kDispatch = "dispatch";
inline constexpr std::string_view kDispatchOwn = "dispatch_own", kSteer = "steer", kDirect = "direct", kNoGateway = "no_gateway";
inline constexpr std::string_view kUntracked = "untracked", kLeaveTunnel = "leave_tunnel", kToEgress = "to_egress";
inline constexpr std::string_view kUnknownUnit = "unknown_unit", kOwnAgain = "own_again";
// ARP in its table, neighbour discovery in the other: who asks for an egress IP hears of it only while it is answered for.
inline constexpr std::string_view kNeighbours = "neighbours";
}  // namespace chain

// Sets and maps without a family.
namespace set {
inline constexpr std::string_view kClasses = "classes", kNextHop = "nexthop", kWithoutGateway = "without_gateway", kHeld = "held";
// Of the host's own processes, by the id of their cgroup: the units that policies name, where units are born that must not be missed, and
// those that were born there.
inline constexpr std::string_view kUnits = "units", kNurseries = "nurseries", kBorn = "born";
// What they are found to be, with each connection mark that it may have led to.
inline constexpr std::string_view kAgree = "agree";
// Egress ids of policies that keep the source; connection marks of those of them that are here and never translate (kSentSets).
inline constexpr std::string_view kKept = "kept", kRouted = "routed";
// Where a policy has a bandwidth: egress id → its limit, for each direction.
inline constexpr std::string_view kLimitOut = "limit_out", kLimitIn = "limit_in";
// In the table of ARP: every IPv4 egress IP that this node has to do with, and those that it answers for.
inline constexpr std::string_view kArpEgress = "egress", kArpAnswers = "answers";
// Also there, if any: the subnets of pools.
inline constexpr std::string_view kArpSubnets = "subnets";
}  // namespace set

// "src4", "src6": the name of a set that exists once per family.
std::string PerFamily(std::string_view stem, Family family);
namespace stem {
inline constexpr std::string_view kSource = "src", kNetwork = "net", kSnat = "snat", kSources = "sources", kInternal = "internal";
inline constexpr std::string_view kLocal = "local", kPeers = "peers", kEgress = "egress", kOther = "other", kLeased = "leased";
inline constexpr std::string_view kLease = "lease", kAnswers = "answers", kFormer = "former", kOwn = "own";
inline constexpr std::string_view kGuard = "guard", kKnown = "known";
// Where workloads are that keep their address: this node's networks, and those of peers with the MAC address that they send with.
// The last one: those networks once more, where something is routed for them.
inline constexpr std::string_view kHomes = "homes", kOrigins = "origins", kAway = "away";
}  // namespace stem

namespace counter {
inline constexpr std::string_view kNotAPeer = "not_a_peer", kNotHeld = "not_held", kNoGateway = "no_gateway", kUntracked = "untracked";
inline constexpr std::string_view kPolicyDrop = "policy_drop", kWrongSource = "wrong_source", kUnexpected = "unexpected";
inline constexpr std::string_view kHairpin = "hairpin", kLeaseOver = "lease_over", kNotAnswered = "not_answered";
inline constexpr std::string_view kUnknownSource = "unknown_source", kUnknownUnit = "unknown_unit", kOtherProcess = "other_process";
inline constexpr std::string_view kOverLimit = "over_limit";
inline constexpr std::string_view kAll[] = {kNotAPeer,   kNotHeld,    kNoGateway, kUntracked,   kPolicyDrop,    kWrongSource, kUnexpected,
                                            kHairpin,    kLeaseOver,  kNotAnswered, kUnknownSource, kUnknownUnit, kOtherProcess,
                                            kOverLimit};
}  // namespace counter

// A policy's name as part of an nft name: a-z, 0-9 and _ are kept; if anything else was in it (or it is long), a hash of the whole name
// follows.
std::string NftNameOf(std::string_view policy);
// "to4_mailer", "except6_mailer"
std::string DestinationSet(std::string_view stem, Family family, std::string_view policy);
std::string PortSet(std::string_view policy);
// "spread4_mailer": lot → connection mark (choice.h)
std::string SpreadMap(Family family, std::string_view policy);
// "out_mailer", "in_mailer": a policy's limits (set::kLimitOut, kLimitIn)
std::string LimitName(std::string_view direction, std::string_view policy);
// "class_8a01ff3c"
std::string ClassChain(std::uint32_t key);

}  // namespace egressd::plan
