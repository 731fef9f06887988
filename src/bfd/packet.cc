#include "egressd/bfd/packet.h"

#include <algorithm>
#include <limits>

namespace egressd::bfd {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kLeastAuthenticatedBytes = 26;

// Bits of the second byte, below the state.
constexpr std::uint8_t kPoll = 0x20;
constexpr std::uint8_t kFinal = 0x10;
constexpr std::uint8_t kControlPlaneIndependent = 0x08;
constexpr std::uint8_t kAuthenticated = 0x04;
constexpr std::uint8_t kDemand = 0x02;
constexpr std::uint8_t kMultipoint = 0x01;

std::uint32_t Read(std::span<const std::uint8_t> bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 | std::uint32_t{bytes[at + 2]} << 8 | bytes[at + 3];
}

void Write(PacketBytes& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
}

std::uint32_t OnTheWire(Duration interval) {
  return static_cast<std::uint32_t>(std::clamp<Duration::rep>(interval.count(), 0, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

std::string_view ToString(State state) {
  switch (state) {
    case State::kAdminDown: return "admin_down";
    case State::kDown: return "down";
    case State::kInit: return "init";
    case State::kUp: return "up";
  }
  return "?";
}

std::string_view ToString(Diagnostic diagnostic) {
  switch (diagnostic) {
    case Diagnostic::kNone: return "none";
    case Diagnostic::kDetectionTimeExpired: return "detection time expired";
    case Diagnostic::kEchoFailed: return "echo failed";
    case Diagnostic::kNeighborDown: return "neighbor signaled session down";
    case Diagnostic::kForwardingReset: return "forwarding plane reset";
    case Diagnostic::kPathDown: return "path down";
    case Diagnostic::kConcatenatedPathDown: return "concatenated path down";
    case Diagnostic::kAdministrativelyDown: return "administratively down";
    case Diagnostic::kReverseConcatenatedPathDown: return "reverse concatenated path down";
  }
  return "reserved";
}

std::string_view ToString(Discard discard) {
  switch (discard) {
    case Discard::kVersion: return "version";
    case Discard::kLength: return "length";
    case Discard::kMultiplier: return "multiplier";
    case Discard::kMultipoint: return "multipoint";
    case Discard::kDiscriminator: return "discriminator";
    case Discard::kNoSession: return "no_session";
    case Discard::kAuthentication: return "authentication";
    case Discard::kTimeToLive: return "time_to_live";
  }
  return "?";
}

PacketBytes Encode(const Packet& packet) {
  PacketBytes bytes{};
  bytes[0] = static_cast<std::uint8_t>(kVersion << 5 | (static_cast<unsigned>(packet.diagnostic) & 0x1f));
  const unsigned flags = (packet.poll ? kPoll : 0u) | (packet.final ? kFinal : 0u) | (packet.demand ? kDemand : 0u) |
                         (packet.control_plane_independent ? kControlPlaneIndependent : 0u);
  bytes[1] = static_cast<std::uint8_t>(static_cast<unsigned>(packet.state) << 6 | flags);
  bytes[2] = packet.multiplier;
  bytes[3] = kPacketBytes;
  Write(bytes, 4, packet.my_discriminator);
  Write(bytes, 8, packet.your_discriminator);
  Write(bytes, 12, OnTheWire(packet.desired_min_tx));
  Write(bytes, 16, OnTheWire(packet.required_min_rx));
  Write(bytes, 20, OnTheWire(packet.required_min_echo_rx));
  return bytes;
}

// In the order of section 6.8.6.
std::expected<Packet, Discard> Decode(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return std::unexpected(Discard::kLength);
  if (bytes[0] >> 5 != kVersion) return std::unexpected(Discard::kVersion);
  if (bytes.size() < kPacketBytes) return std::unexpected(Discard::kLength);
  const std::uint8_t flags = bytes[1];
  const std::size_t length = bytes[3];
  const bool authenticated = (flags & kAuthenticated) != 0;
  if (length < (authenticated ? kLeastAuthenticatedBytes : kPacketBytes) || length > bytes.size()) return std::unexpected(Discard::kLength);
  if (bytes[2] == 0) return std::unexpected(Discard::kMultiplier);
  if ((flags & kMultipoint) != 0) return std::unexpected(Discard::kMultipoint);
  const Packet packet{.diagnostic = static_cast<Diagnostic>(bytes[0] & 0x1f),
                      .state = static_cast<State>(flags >> 6),
                      .poll = (flags & kPoll) != 0,
                      .final = (flags & kFinal) != 0,
                      .control_plane_independent = (flags & kControlPlaneIndependent) != 0,
                      .demand = (flags & kDemand) != 0,
                      .multiplier = bytes[2],
                      .my_discriminator = Read(bytes, 4),
                      .your_discriminator = Read(bytes, 8),
                      .desired_min_tx = Duration(Read(bytes, 12)),
                      .required_min_rx = Duration(Read(bytes, 16)),
                      .required_min_echo_rx = Duration(Read(bytes, 20))};
  if (packet.my_discriminator == 0) return std::unexpected(Discard::kDiscriminator);
  const bool first_words = packet.state == State::kDown || packet.state == State::kAdminDown;
  if (packet.your_discriminator == 0 && !first_words) return std::unexpected(Discard::kNoSession);
  if (authenticated) return std::unexpected(Discard::kAuthentication);
  return packet;
}

}  // namespace egressd::bfd
