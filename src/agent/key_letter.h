// What nodes say to each other about the key ring. Carried by gossip::Letter, sealed like everything else.
//
// 1. The first byte is kKeyLetter, so that these never clash with other letters between agents.
// 2. DecodeKeyLetter accepts exactly what Encode writes, and only valid rings; it is total.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/key_ring.h"
#include "egressd/gossip/wire.h"

namespace egressd::agent {

inline constexpr std::uint8_t kKeyLetter = 0x80;

// "What ring do you have?" The answer has the same round.
struct KeyQuestion {
  enum class Purpose : std::uint8_t {
    kLook = 0,
    kChange = 1,   // and let nobody else change it for a while
    kDone = 2,     // the change is over; no answer
  };
  std::uint64_t round = 0;
  Purpose purpose = Purpose::kLook;
  RingVersion version;                         // of the sender
  auto operator<=>(const KeyQuestion&) const = default;
};
struct KeyAnswer {
  std::uint64_t round = 0;
  RingVersion version;
  std::vector<gossip::Fingerprint> ring;       // the first one seals
  std::vector<gossip::Fingerprint> sealing;    // what it seals with today: the first one, and what it must use with some nodes; in order
  std::string changing;                        // the node that is changing the ring, if it is not the one who asks
  auto operator<=>(const KeyAnswer&) const = default;
};
// "This is the ring: take it if it is newer." Acknowledged with a KeyAnswer of the same round.
struct KeyTell {
  std::uint64_t round = 0;
  KeyRing ring;
  bool operator==(const KeyTell&) const = default;
};
using KeyLetter = std::variant<KeyQuestion, KeyAnswer, KeyTell>;

gossip::Bytes Encode(const KeyLetter& letter);
std::optional<KeyLetter> DecodeKeyLetter(gossip::ByteView bytes);

}  // namespace egressd::agent
