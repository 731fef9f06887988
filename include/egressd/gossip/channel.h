// Messages in, sealed datagrams out, and back: seal, replay window and the cutting of long messages into parts.
//
//   sealed part: sender's name | incarnation | sequence | part | parts | bytes of the message
//
// 1. No datagram is longer than kDatagramBytes, so that nothing is fragmented on the way.
// 2. Parts of one message have consecutive sequence numbers; a message whose parts do not all arrive is forgotten.
// 3. Open is total: hostile bytes cost a Rejection, nothing else.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "egressd/gossip/message.h"
#include "egressd/gossip/replay.h"
#include "egressd/gossip/seal.h"

namespace egressd::gossip {

inline constexpr std::size_t kDatagramBytes = 1400;
inline constexpr std::size_t kPartLimit = 255;

struct Received {
  std::string sender;
  std::uint64_t incarnation = 0;
  Fingerprint key;                 // that it was sealed with: the sender has it
  std::optional<Message> message;  // unset: a part of a message that is not complete yet
};

class Channel {
 public:
  Channel(std::vector<Key> keys, std::string cluster, std::string name, std::uint64_t incarnation, std::uint64_t seed);

  // One datagram for each part. A message that needs more than kPartLimit parts asserts: message.h bounds them below that.
  // Sealed with the key of that name, if it is in the ring, else with the first one.
  std::vector<Bytes> Close(const Message& message, std::optional<Fingerprint> with = std::nullopt);
  std::expected<Received, Rejection> Open(ByteView datagram);
  // Another ring from now on, not empty. Sequence numbers and nonces go on.
  void SetKeys(std::vector<Key> keys);
  // Starts over as a later incarnation of the same node.
  void Renew(std::uint64_t incarnation);

 private:
  struct Partial {
    std::uint64_t incarnation = 0;
    std::uint64_t first_sequence = 0;
    std::vector<Bytes> parts;
    std::size_t missing = 0;
  };
  std::expected<std::optional<Bytes>, Rejection> Join(const std::string& sender, Partial description, std::size_t part, ByteView bytes);

  std::vector<Key> keys_;
  std::string cluster_, name_;
  std::uint64_t incarnation_, seed_;
  Seal seal_;
  std::uint64_t sequence_ = 0;
  ReplayGuard replay_;
  std::map<std::string, std::deque<Partial>> partial_;
};

}  // namespace egressd::gossip
