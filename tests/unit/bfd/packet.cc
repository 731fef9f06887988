#include "egressd/bfd/packet.h"

#include <doctest/doctest.h>

#include <vector>

namespace egressd::bfd {
namespace {

// "20c00318…" → bytes
std::vector<std::uint8_t> Bytes(std::string_view hex) {
  const auto digit = [](char c) { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(static_cast<std::uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  return bytes;
}

// A packet that nothing is wrong with.
std::vector<std::uint8_t> Good() { return Bytes("20c0031800000001000000020000ea600000c35000000000"); }

}  // namespace

TEST_CASE("packets of FRR's bfdd (8.4.4, captured) mean what bfdd meant") {
  struct Captured {
    const char* hex;
    Packet packet;
  };
  const Captured captured[] = {
      {"20400318a9693b9800000000000f4240000f42400000c350",  // nobody has answered yet
       {.state = State::kDown,
        .multiplier = 3,
        .my_discriminator = 0xa9693b98,
        .desired_min_tx = Duration(1'000'000),
        .required_min_rx = Duration(1'000'000),
        .required_min_echo_rx = Duration(50'000)}},
      {"20e0031809f1ec3cfd11ab120000ea600000c3500000c350",  // up, and its timers become fast
       {.state = State::kUp,
        .poll = true,
        .multiplier = 3,
        .my_discriminator = 0x09f1ec3c,
        .your_discriminator = 0xfd11ab12,
        .desired_min_tx = Duration(60'000),
        .required_min_rx = Duration(50'000),
        .required_min_echo_rx = Duration(50'000)}},
      {"20d00418c7c512768147f3c700013880000186a00000c350",  // the answer to our poll
       {.state = State::kUp,
        .final = true,
        .multiplier = 4,
        .my_discriminator = 0xc7c51276,
        .your_discriminator = 0x8147f3c7,
        .desired_min_tx = Duration(80'000),
        .required_min_rx = Duration(100'000),
        .required_min_echo_rx = Duration(50'000)}},
      {"23800418fa0af41e8147f3c700013880000186a00000c350",  // we had said that the session is down
       {.diagnostic = Diagnostic::kNeighborDown,
        .state = State::kInit,
        .multiplier = 4,
        .my_discriminator = 0xfa0af41e,
        .your_discriminator = 0x8147f3c7,
        .desired_min_tx = Duration(80'000),
        .required_min_rx = Duration(100'000),
        .required_min_echo_rx = Duration(50'000)}},
      {"200003185bafb67bfd11ab120000ea600000c3500000c350",  // "shutdown"
       {.state = State::kAdminDown,
        .multiplier = 3,
        .my_discriminator = 0x5bafb67b,
        .your_discriminator = 0xfd11ab12,
        .desired_min_tx = Duration(60'000),
        .required_min_rx = Duration(50'000),
        .required_min_echo_rx = Duration(50'000)}},
  };
  for (const auto& [hex, packet] : captured) {
    CAPTURE(hex);
    const auto bytes = Bytes(hex);
    const auto decoded = Decode(bytes);
    REQUIRE(decoded);
    CHECK(*decoded == packet);
    const PacketBytes encoded = Encode(packet);
    CHECK(std::vector(encoded.begin(), encoded.end()) == bytes);
  }
}

TEST_CASE("each discard rule of section 6.8.6 that the packet alone shows has its reason") {
  struct Rule {
    const char* what;
    std::size_t at;
    std::uint8_t value;
    Discard reason;
  };
  const Rule rules[] = {
      {"version 0", 0, 0x00, Discard::kVersion},
      {"version 2", 0, 0x40, Discard::kVersion},
      {"a length below 24", 3, 23, Discard::kLength},
      {"a length of nothing", 3, 0, Discard::kLength},
      {"a length above the payload", 3, 25, Discard::kLength},
      {"a multiplier of zero", 2, 0, Discard::kMultiplier},
      {"multipoint", 1, 0xc1, Discard::kMultipoint},
      {"no discriminator of its own", 7, 0, Discard::kDiscriminator},
      {"up without knowing us", 11, 0, Discard::kNoSession},
      {"authentication in 24 bytes", 1, 0xc4, Discard::kLength},
  };
  REQUIRE(Decode(Good()));
  for (const Rule& rule : rules) {
    CAPTURE(rule.what);
    auto bytes = Good();
    bytes[rule.at] = rule.value;
    const auto decoded = Decode(bytes);
    REQUIRE_FALSE(decoded);
    CHECK(ToString(decoded.error()) == ToString(rule.reason));
  }
}

TEST_CASE("init without knowing us is discarded, down and admin down are not") {
  auto bytes = Good();
  bytes[11] = 0;
  bytes[1] = 0x80;
  CHECK(Decode(bytes) == std::unexpected(Discard::kNoSession));
  bytes[1] = 0x40;
  CHECK(Decode(bytes));
  bytes[1] = 0x00;
  CHECK(Decode(bytes));
}

TEST_CASE("an authenticated packet is whole with 26 bytes, and then discarded because no authentication is in use") {
  auto bytes = Good();
  bytes.resize(26);
  bytes[1] = 0xc4;
  bytes[3] = 25;
  CHECK(Decode(bytes) == std::unexpected(Discard::kLength));
  bytes[3] = 26;
  CHECK(Decode(bytes) == std::unexpected(Discard::kAuthentication));
}

TEST_CASE("fewer than 24 bytes are no packet, and what follows its length is ignored") {
  auto bytes = Good();
  for (std::size_t size = 0; size < kPacketBytes; ++size) CHECK(Decode(std::span(bytes).first(size)) == std::unexpected(Discard::kLength));
  bytes.resize(40, 0xff);
  CHECK(Decode(bytes) == Decode(Good()));
}

TEST_CASE("a reserved diagnostic is carried and called so") {
  auto bytes = Good();
  bytes[0] = 0x20 | 31;
  const auto packet = Decode(bytes);
  REQUIRE(packet);
  CHECK(ToString(packet->diagnostic) == "reserved");
  CHECK(Encode(*packet)[0] == bytes[0]);
}

TEST_CASE("an interval that does not fit is sent as the largest that does") {
  const Packet huge{.multiplier = 1, .my_discriminator = 1, .desired_min_tx = Duration(1LL << 40), .required_min_rx = Duration(-1)};
  const auto packet = Decode(Encode(huge));
  REQUIRE(packet);
  CHECK(packet->desired_min_tx == Duration(0xffffffffLL));
  CHECK(packet->required_min_rx == Duration::zero());
}

}  // namespace egressd::bfd
