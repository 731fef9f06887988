// The table of rules: every finding of Validate and Bind has one of these codes, and no two rules share one.
//
// 1. A code never changes its meaning; new rules get new numbers.
// 2. E15x belongs to the YAML reader.
// Called by validate*.cc and binding.cc; egress-policy(5) lists the codes.
#pragma once

#include <string>
#include <utility>

#include "egressd/policy/finding.h"

namespace egressd::policy {
namespace rule {

// Values: wrong by themselves.
inline constexpr const char* kName = "E101";
inline constexpr const char* kUnusableAddress = "E102";  // multicast, loopback, link-local, unspecified
inline constexpr const char* kWrongFamily = "E103";
inline constexpr const char* kPriority = "E104";
inline constexpr const char* kPorts = "E105";
inline constexpr const char* kNoFrom = "E106";
inline constexpr const char* kEmptySelector = "E107";
inline constexpr const char* kRequirement = "E108";
inline constexpr const char* kGlob = "E109";
inline constexpr const char* kInterface = "E110";
inline constexpr const char* kNoAddresses = "E111";  // of a workload
inline constexpr const char* kEmptyPool = "E112";
inline constexpr const char* kEmptyTo = "E113";
inline constexpr const char* kEmptyDestinations = "E114";
inline constexpr const char* kNoNodes = "E115";
inline constexpr const char* kTimer = "E116";        // restart_grace, bfd, every
inline constexpr const char* kHealthCheck = "E117";  // a check that cannot be made
inline constexpr const char* kSubnet = "E118";       // a router or a VLAN that cannot be
inline constexpr const char* kVni = "E120";
inline constexpr const char* kPortNumber = "E121";
inline constexpr const char* kMtu = "E122";
inline constexpr const char* kTunnelNetwork = "E123";
inline constexpr const char* kTables = "E124";
inline constexpr const char* kMark = "E125";
inline constexpr const char* kRulePriority = "E126";
inline constexpr const char* kPath = "E127";
inline constexpr const char* kNodeAddress = "E128";
inline constexpr const char* kUnit = "E140";
inline constexpr const char* kUser = "E141";
inline constexpr const char* kBandwidth = "E145";

// References and contradictions.
inline constexpr const char* kTwoDefaultGateways = "E201";
inline constexpr const char* kUnknownGateway = "E202";
inline constexpr const char* kNoGateway = "E203";
inline constexpr const char* kUnknownPool = "E204";
inline constexpr const char* kNoEgressAddress = "E205";
inline constexpr const char* kDefaultNotInPools = "E206";
inline constexpr const char* kPoolsShareAddress = "E207";
inline constexpr const char* kRangesOverlap = "E208";
inline constexpr const char* kExcludeOutside = "E209";
inline constexpr const char* kPairCounts = "E210";
inline constexpr const char* kNotAPair = "E211";
inline constexpr const char* kEgressNotInPools = "E212";
inline constexpr const char* kUnknownDestinations = "E213";
inline constexpr const char* kRecursiveDestinations = "E214";
inline constexpr const char* kWorkloadsShareAddress = "E215";
inline constexpr const char* kInsideTunnel = "E216";
inline constexpr const char* kPoolHoldsNode = "E217";
inline constexpr const char* kTunnelOverRoute = "E218";
inline constexpr const char* kNoEffect = "E219";
inline constexpr const char* kNodeWithAddress = "E220";
inline constexpr const char* kPoolTwice = "E221";
inline constexpr const char* kPoolOfTwoGateways = "E222";
inline constexpr const char* kPoolHoldsWorkload = "E223";
inline constexpr const char* kTwoNamespaces = "E224";
inline constexpr const char* kSamePort = "E225";
inline constexpr const char* kSameDevice = "E226";
inline constexpr const char* kHealthInPool = "E227";
inline constexpr const char* kHealthTwice = "E228";
inline constexpr const char* kPoolExhausted = "E230";
inline constexpr const char* kIdsExhausted = "E231";
inline constexpr const char* kSelfWithAddress = "E240";
inline constexpr const char* kReplicas = "E241";     // that `egress_ip` cannot give
inline constexpr const char* kEgressTwice = "E242";
inline constexpr const char* kNotOfProcesses = "E243";
inline constexpr const char* kBurstBelowRate = "E245";
inline constexpr const char* kSourceOfProcesses = "E246";  // that cannot be kept
inline constexpr const char* kRouteWithoutGateway = "E247";
inline constexpr const char* kOutsideSubnet = "E250";
inline constexpr const char* kSubnetFamily = "E251";   // addresses without a router
inline constexpr const char* kRouterInPool = "E252";
inline constexpr const char* kSubnetsExhausted = "E253";

// Warnings.
inline constexpr const char* kOverlap = "W301";
inline constexpr const char* kShadowed = "W302";
inline constexpr const char* kUnusedPool = "W303";
inline constexpr const char* kUnusedGateway = "W304";
inline constexpr const char* kUnusedDestinations = "W305";
inline constexpr const char* kInternalOverTunnel = "W306";
inline constexpr const char* kJoinTwice = "W307";
inline constexpr const char* kNodesTooFull = "W308";        // max_ips_per_node
inline constexpr const char* kStrictOfTwo = "W309";
inline constexpr const char* kGraceUnderStrict = "W310";
inline constexpr const char* kOneLostPacket = "W311";
inline constexpr const char* kGraceBelowDetection = "W312";
inline constexpr const char* kQuorumOfTwo = "W313";
inline constexpr const char* kOnlyOneEgress = "W320";  // nothing to choose between
inline constexpr const char* kSpareEgress = "W321";
inline constexpr const char* kInUseRemoved = "W322";   // from a pool
inline constexpr const char* kOtherNamespaceGateway = "W323";

}  // namespace rule

inline Finding Error(const char* code, std::string path, std::string message, std::string hint = "") {
  return {.severity = Severity::kError, .code = code, .path = std::move(path), .message = std::move(message), .hint = std::move(hint)};
}

inline Finding Warning(const char* code, std::string path, std::string message, std::string hint = "") {
  return {.severity = Severity::kWarning, .code = code, .path = std::move(path), .message = std::move(message), .hint = std::move(hint)};
}

}  // namespace egressd::policy
