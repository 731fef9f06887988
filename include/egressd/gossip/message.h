// Every message that nodes exchange, and its bytes.
//
// 1. Decode accepts exactly what Encode writes: no trailing bytes, no unknown type, no length beyond the limits. It never throws,
//    never reads out of bounds and allocates no more than a small multiple of the input.
// 2. Encode(Decode(bytes)) == bytes for every accepted input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "egressd/gossip/record.h"
#include "egressd/gossip/wire.h"

namespace egressd::gossip {

// "Do you live?" Carries what the sender knows of the target, so that a node which came back with an older clock learns of it, and the
// sender's own stamp, so that the target notices that it missed a record.
struct Ping {
  std::uint64_t id = 0;              // comes back in the Ack
  std::string target;
  std::uint64_t target_incarnation = 0;
  Stamp own;
  auto operator<=>(const Ping&) const = default;
};
struct Ack {
  std::uint64_t id = 0;
  Stamp own;
  auto operator<=>(const Ack&) const = default;
};
// "Ping this node for me": SWIM's indirect probe. The helper passes the Ack on under `id`.
struct PingRequest {
  std::uint64_t id = 0;
  std::string target;
  Endpoint address;
  std::uint64_t target_incarnation = 0;
  auto operator<=>(const PingRequest&) const = default;
};
// An Ack on somebody else's behalf.
struct IndirectAck {
  std::uint64_t id = 0;
  auto operator<=>(const IndirectAck&) const = default;
};

// What a node thinks of another; only about the record with this stamp or an older one. A newer record refutes it.
enum class Verdict : std::uint8_t { kAlive = 0, kSuspect = 1, kDead = 2, kLeft = 3 };
struct Accusation {
  std::string name;
  Stamp stamp;
  Verdict verdict = Verdict::kSuspect;  // kSuspect or kDead
  auto operator<=>(const Accusation&) const = default;
};

struct Records {
  std::vector<Record> records;
  auto operator<=>(const Records&) const = default;
};

// Everything the sender knows, in stamps. The one who is asked answers with its own, with records that the other lacks, and
// with a Want for those it lacks itself.
struct Digest {
  bool question = false;
  bool synced = false;        // the sender has itself been brought up to date
  struct Entry {
    std::string name;
    Stamp stamp;
    Verdict verdict = Verdict::kAlive;
    auto operator<=>(const Entry&) const = default;
  };
  std::vector<Entry> entries; // in order of name
  auto operator<=>(const Digest&) const = default;
};
struct Want {
  std::vector<std::string> names;
  auto operator<=>(const Want&) const = default;
};

// Pieces of a policy generation.
struct ChunkRequest {
  Version version;
  std::vector<std::uint32_t> chunks;  // numbers, ascending
  auto operator<=>(const ChunkRequest&) const = default;
};
struct Chunk {
  Version version;
  std::uint32_t total_bytes = 0;
  std::uint32_t number = 0;           // covers [number * kChunkBytes, …)
  Bytes bytes;
  auto operator<=>(const Chunk&) const = default;
};

// Something between two agents that gossip only carries (agent/letter.h).
struct Letter {
  Bytes bytes;                        // at most kLetterBytes
  auto operator<=>(const Letter&) const = default;
};

using Message = std::variant<Ping, Ack, PingRequest, IndirectAck, Accusation, Records, Digest, Want, ChunkRequest, Chunk, Letter>;

inline constexpr std::size_t kChunkBytes = 1100;
inline constexpr std::size_t kLetterBytes = 60'000;
inline constexpr std::size_t kGenerationLimit = std::size_t{16} << 20;  // bytes
inline constexpr std::size_t kMemberLimit = 1024;
inline constexpr std::size_t kChunksPerRequest = 64;

Bytes Encode(const Message& message);
std::optional<Message> Decode(ByteView bytes);

}  // namespace egressd::gossip
