// The bounds of what can be written about takeover, replicas and bandwidth, stated once.
// The YAML reader refuses what is outside of them, Validate does so for whatever comes from elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "egressd/base/time.h"

namespace egressd::policy {

struct DurationLimits {
  Duration lowest;
  Duration highest;
  bool Hold(Duration duration) const { return lowest <= duration && duration <= highest; }
};

inline constexpr DurationLimits kRestartGraceLimits{std::chrono::seconds(1), std::chrono::minutes(10)};
// The lowest is the floor of FRR's bfdd: a peer that cannot be faster would not be met.
inline constexpr DurationLimits kBfdLimits{std::chrono::milliseconds(10), std::chrono::seconds(10)};
inline constexpr DurationLimits kHealthEveryLimits{std::chrono::milliseconds(100), std::chrono::hours(1)};
inline constexpr std::uint16_t kMostHealthFailures = 100;
inline constexpr std::size_t kLongestHealthPath = 1024;  // characters
// Each of so many egress IPs still gets several of the lots by which a policy spreads its connections (plan/choice.h).
inline constexpr std::uint16_t kMostReplicas = 16;
// Each has a route table of its own on a gateway (plan/plan.h).
inline constexpr std::size_t kMostSubnets = 34;
inline constexpr std::uint16_t kLastVlan = 4094;

struct BitLimits {
  std::uint64_t lowest;
  std::uint64_t highest;
  bool Hold(std::uint64_t bits) const { return lowest <= bits && bits <= highest; }
};
// Of a rate. The kernel counts nanoseconds in 64 bits, which end at twice this (net/netfilter/nft_limit.c).
inline constexpr BitLimits kRateLimits{8'000, 100'000'000'000};
// What the kernel takes of a bucket beyond one second's is a number of bytes in 32 bits.
inline constexpr BitLimits kBurstLimits{8'000, 34'000'000'000};

}  // namespace egressd::policy
