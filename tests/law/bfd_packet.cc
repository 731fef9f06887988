#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <vector>

#include "egressd/bfd/packet.h"

namespace egressd::bfd {
namespace {

Duration ArbitraryInterval() { return Duration(*rc::gen::arbitrary<std::uint32_t>()); }

// Every packet that no rule of RFC 5880 section 6.8.6 discards.
Packet ArbitraryPacket() {
  Packet packet{.diagnostic = static_cast<Diagnostic>(*rc::gen::inRange(0, 32)),
                .state = static_cast<State>(*rc::gen::inRange(0, 4)),
                .poll = *rc::gen::arbitrary<bool>(),
                .final = *rc::gen::arbitrary<bool>(),
                .control_plane_independent = *rc::gen::arbitrary<bool>(),
                .demand = *rc::gen::arbitrary<bool>(),
                .multiplier = static_cast<std::uint8_t>(*rc::gen::inRange(1, 256)),
                .my_discriminator = *rc::gen::nonZero<std::uint32_t>(),
                .your_discriminator = *rc::gen::arbitrary<std::uint32_t>(),
                .desired_min_tx = ArbitraryInterval(),
                .required_min_rx = ArbitraryInterval(),
                .required_min_echo_rx = ArbitraryInterval()};
  if (packet.state == State::kInit || packet.state == State::kUp) packet.your_discriminator |= 1;
  return packet;
}

}  // namespace

TEST_CASE("decoding a BFD packet gives back what was encoded, whatever follows it in the datagram") {
  CHECK(rc::check("packets", [] {
    const Packet packet = ArbitraryPacket();
    const PacketBytes encoded = Encode(packet);
    std::vector<std::uint8_t> bytes(encoded.begin(), encoded.end());
    const auto rest = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    const auto decoded = Decode(bytes);
    RC_ASSERT(decoded.has_value());
    const bool same = *decoded == packet;
    RC_ASSERT(same);
  }));
}

TEST_CASE("what is decoded encodes to the same bytes, but for a length that says more") {
  CHECK(rc::check("bytes", [] {
    PacketBytes bytes = Encode(ArbitraryPacket());
    // Often still a packet, often not.
    for (int changes = *rc::gen::inRange(0, 4); changes > 0; --changes) {
      bytes[*rc::gen::inRange<std::size_t>(0, kPacketBytes)] = *rc::gen::arbitrary<std::uint8_t>();
    }
    const auto packet = Decode(bytes);
    RC_PRE(packet.has_value());
    RC_ASSERT(Encode(*packet) == bytes);
  }));
}

}  // namespace egressd::bfd
