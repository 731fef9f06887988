// Hostile packets, late timers and a changing set of peers: the sessions of a node keep their word whatever comes.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "egressd/base/error.h"
#include "egressd/bfd/sessions.h"

namespace {

using namespace egressd;

class Script {
 public:
  explicit Script(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  bool over() const { return rest_.empty(); }
  std::uint8_t Byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t byte = rest_.front();
    rest_ = rest_.subspan(1);
    return byte;
  }
  std::vector<std::uint8_t> Bytes(std::size_t count) {
    const auto bytes = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(bytes.size());
    return {bytes.begin(), bytes.end()};
  }

 private:
  std::span<const std::uint8_t> rest_;
};

IpAddress Peer(std::uint8_t number) { return IpAddress::Ipv4(0x0a000000u + number % 4); }

std::map<IpAddress, bfd::Timers> Peers(Script& script) {
  std::map<IpAddress, bfd::Timers> peers;
  const std::uint8_t which = script.Byte();
  for (std::uint8_t i = 0; i < 4; ++i) {
    if ((which >> i & 1) == 0) continue;
    peers[Peer(i)] = {.min_tx = Duration((script.Byte() + 1) * 10'000),
                      .min_rx = Duration((script.Byte() + 1) * 10'000),
                      .multiplier = static_cast<std::uint8_t>(script.Byte() | 1)};
  }
  return peers;
}

// A packet that finds its session more often than chance would have it.
std::vector<std::uint8_t> Packet(Script& script, const bfd::Sessions& sessions, const IpAddress& from) {
  const std::uint8_t kind = script.Byte();
  if (kind < 32) return script.Bytes(kind);
  auto bytes = script.Bytes(bfd::kPacketBytes);
  bytes.resize(bfd::kPacketBytes);
  bytes[0] = static_cast<std::uint8_t>(0x20 | (bytes[0] & 0x1f));
  bytes[1] &= 0xfa;
  bytes[3] = bfd::kPacketBytes;
  const bfd::Session* session = sessions.Find(from);
  if (session != nullptr) {
    for (std::size_t i = 0; i < 4; ++i) bytes[8 + i] = static_cast<std::uint8_t>(session->discriminator() >> (24 - 8 * i));
  }
  return bytes;
}

void CheckWhatIsSent(bfd::Sessions& sessions) {
  for (const auto& outgoing : sessions.TakeOutgoing()) {
    const auto packet = bfd::Decode(outgoing.bytes);
    EGRESSD_ASSERT(packet.has_value());  // init and up are told only to somebody whom we know
    EGRESSD_ASSERT(outgoing.source_port >= bfd::kFirstSourcePort);
    EGRESSD_ASSERT(!(packet->poll && packet->final));
    EGRESSD_ASSERT(!packet->demand);
    EGRESSD_ASSERT(packet->state == bfd::State::kUp || packet->desired_min_tx >= Duration(1'000'000));
  }
  for (const auto& change : sessions.TakeChanges()) EGRESSD_ASSERT(change.from != change.to);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  Script script({bytes, size});
  bfd::Sessions sessions(script.Byte());
  Time now{Duration(1'000'000)};
  sessions.Set(now, {{Peer(0), {}}, {Peer(1), {}}});
  while (!script.over()) {
    const std::uint8_t verb = script.Byte();
    if (verb < 16) {
      sessions.Set(now, Peers(script));
    } else if (verb < 64) {
      // As the daemon does, or late.
      now = verb < 48 && sessions.NextTimer() != kNever ? std::max(now, sessions.NextTimer()) : now + Duration(script.Byte() * 20'000);
      sessions.Advance(now);
      EGRESSD_ASSERT(sessions.NextTimer() > now);
    } else {
      const IpAddress from = Peer(script.Byte());
      const auto packet = Packet(script, sessions, from);
      sessions.Receive(now, from, verb == 64 ? 254 : 255, packet);
    }
    CheckWhatIsSent(sessions);
  }
  return 0;
}
