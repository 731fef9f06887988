// Every message that nodes exchange, and its bytes.
//
// 1. Decode accepts exactly what Encode writes: no trailing bytes, no unknown type, no length beyond the limits. It never throws,
//    never reads out of bounds and allocates no more than a small multiple of the input.
// 2. Encode(Decode(bytes)) == bytes for every accepted input.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "egressd/gossip/record.h"
#include "egressd/gossip/wire.h"

namespace egressd::gossip {

// What a node thinks of another; only about the record with this stamp or an older one. A newer record refutes it.
enum class Verdict : std::uint8_t { kAlive = 0, kSuspect = 1, kDead = 2, kLeft = 3 };

// What the sender knows of a node, in short. Whoever knows less asks for the record with a Want.
struct Report {
  std::string name;
  Stamp stamp;
  Verdict verdict = Verdict::kAlive;
  auto operator<=>(const Report&) const = default;
};
// What happened lately rides on pings and acks: at most kNewsBytes of it, so that they stay one datagram.
using News = std::vector<Report>;

// "Do you live?" Carries what the sender knows of the target, so that a node which came back with an older clock, or which others take for
// dead, learns of it at once, and the sender's own stamp, so that the target notices that it missed a record.
struct Ping {
  std::uint64_t id = 0;              // comes back in the Ack
  Report target;
  Stamp own;
  News news;
  auto operator<=>(const Ping&) const = default;
};
struct Ack {
  std::uint64_t id = 0;
  Stamp own;
  News news;
  auto operator<=>(const Ack&) const = default;
};
// "Ping this node for me": SWIM's indirect probe. The helper answers with an IndirectAck, whatever comes of it.
struct PingRequest {
  std::uint64_t id = 0;
  Report target;
  Endpoint address;
  auto operator<=>(const PingRequest&) const = default;
};
struct IndirectAck {
  std::uint64_t id = 0;
  bool reached = false;              // false: it is silent towards the helper as well, who therewith confirms the suspicion
  auto operator<=>(const IndirectAck&) const = default;
};

// kSuspect: the sender itself does not reach it. kDead: it is sure.
struct Accusation {
  Report accused;
  auto operator<=>(const Accusation&) const = default;
};

struct Records {
  std::vector<Record> records;
  std::vector<std::string> dead;     // those of them whom the sender takes for dead, in order of name
  auto operator<=>(const Records&) const = default;
};

// Names are spread over buckets, so that two nodes find out in one datagram in which sixteenth of the cluster they differ.
inline constexpr std::size_t kBuckets = 16;
using BucketSet = std::uint16_t;     // one bit for each
std::size_t BucketOf(std::string_view name);

// Hashes of everything that the sender knows, bucket by bucket: names, stamps, and who of them is dead. A question is answered with one's own.
struct Summary {
  bool question = false;
  bool synced = false;               // the sender has itself been brought up to date
  std::array<std::uint64_t, kBuckets> hashes{};
  auto operator<=>(const Summary&) const = default;
};
// All that the sender knows in these buckets, in stamps. A question is answered with one's own; either side then wants what it lacks.
struct Digest {
  bool question = false;
  bool synced = false;
  BucketSet buckets = 0;             // not empty
  std::vector<Report> entries;       // in order of name
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

using Message = std::variant<Ping, Ack, PingRequest, IndirectAck, Accusation, Records, Summary, Digest, Want, ChunkRequest, Chunk, Letter>;

inline constexpr std::size_t kChunkBytes = 1100;
inline constexpr std::size_t kLetterBytes = 60'000;
inline constexpr std::size_t kGenerationLimit = std::size_t{16} << 20;  // bytes
inline constexpr std::size_t kMemberLimit = 2048;
inline constexpr std::size_t kNewsLimit = 64, kNewsBytes = 900;
inline constexpr std::size_t kChunksPerRequest = 64;

Bytes Encode(const Message& message);
std::optional<Message> Decode(ByteView bytes);

}  // namespace egressd::gossip
