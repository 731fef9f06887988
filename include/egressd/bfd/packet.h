// The BFD control packet of RFC 5880 section 4.1, without authentication (RFC 5881 sessions are protected by GTSM).
//
//   Vers 3 | Diag 5 | Sta 2 | P F C A D M | Detect Mult | Length | My Discriminator | Your Discriminator |
//   Desired Min TX | Required Min RX | Required Min Echo RX            24 bytes, network order, intervals in microseconds
//
// 1. Decode is total: what section 6.8.6 says to discard for what the packet alone shows is refused with the reason, never read beyond
//    its bytes. What needs a session to judge is the session's (session.h).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "egressd/base/time.h"

namespace egressd::bfd {

inline constexpr std::size_t kPacketBytes = 24;
inline constexpr std::uint16_t kPort = 3784;          // RFC 5881 section 4
inline constexpr std::uint8_t kTimeToLive = 255;      // RFC 5881 section 5: sent with, and nothing else accepted

enum class State : std::uint8_t { kAdminDown = 0, kDown = 1, kInit = 2, kUp = 3 };
std::string_view ToString(State state);

enum class Diagnostic : std::uint8_t {
  kNone = 0,
  kDetectionTimeExpired = 1,
  kEchoFailed = 2,
  kNeighborDown = 3,
  kForwardingReset = 4,
  kPathDown = 5,
  kConcatenatedPathDown = 6,
  kAdministrativelyDown = 7,
  kReverseConcatenatedPathDown = 8,
};

struct Packet {
  Diagnostic diagnostic = Diagnostic::kNone;
  State state = State::kDown;
  bool poll = false;
  bool final = false;
  bool control_plane_independent = false;
  bool demand = false;
  std::uint8_t multiplier = 0;
  std::uint32_t my_discriminator = 0;
  std::uint32_t your_discriminator = 0;
  Duration desired_min_tx{};
  Duration required_min_rx{};
  Duration required_min_echo_rx{};
  auto operator<=>(const Packet&) const = default;
};

// Why a packet was discarded; each has a counter.
enum class Discard : std::uint8_t {
  kVersion,             // not 1
  kLength,              // Length field below 24, above the payload, or a payload that is too short
  kMultiplier,          // zero
  kMultipoint,          // M is set
  kDiscriminator,       // My Discriminator is zero
  kNoSession,           // Your Discriminator is of nobody; or zero although the state is neither Down nor AdminDown
  kAuthentication,      // the A bit is set: no authentication is in use
  kTimeToLive,          // below 255 (GTSM)
};
std::string_view ToString(Discard discard);

std::array<std::uint8_t, kPacketBytes> Encode(const Packet& packet);
std::expected<Packet, Discard> Decode(std::span<const std::uint8_t> bytes);

}  // namespace egressd::bfd
