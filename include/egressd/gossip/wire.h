// Bounds-checked reading and writing of what travels between nodes and what is stored.
//
// 1. Integers are in network order, lengths come before what they measure, nothing is aligned.
// 2. A Reader never reads beyond its span: after the first failure ok() is false and everything it returns is zero or empty.
// 3. A Writer cannot fail; who writes keeps the limits of message.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/base/address.h"

namespace egressd::gossip {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

class Writer {
 public:
  void U8(std::uint8_t value) { bytes_.push_back(value); }
  void U16(std::uint16_t value) { Big(value, 2); }
  void U32(std::uint32_t value) { Big(value, 4); }
  void U64(std::uint64_t value) { Big(value, 8); }
  // Seven bits a byte, lowest first; at most ten bytes.
  void Varint(std::uint64_t value);
  // Varint length, then the bytes.
  void Text(std::string_view text);
  void Raw(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  // 4 or 6, then 4 or 16 bytes.
  void Address(const IpAddress& address);
  void Place(const Endpoint& endpoint);

  const Bytes& bytes() const { return bytes_; }
  Bytes Take() && { return std::move(bytes_); }

 private:
  void Big(std::uint64_t value, int length);
  Bytes bytes_;
};

class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}
  std::uint8_t U8() { return static_cast<std::uint8_t>(Big(1)); }
  std::uint16_t U16() { return static_cast<std::uint16_t>(Big(2)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Big(4)); }
  std::uint64_t U64() { return Big(8); }
  // Only the shortest form is accepted.
  std::uint64_t Varint();
  // Fails when it is longer than `limit_bytes`.
  std::string Text(std::size_t limit_bytes);
  ByteView Raw(std::size_t length_bytes);
  IpAddress Address();
  Endpoint Place();
  // A number of things to come, each of at least `each_bytes`; fails above `limit` or when they cannot fit in the rest, so that a
  // hostile count allocates nothing.
  std::size_t Count(std::size_t limit, std::size_t each_bytes);
  ByteView Rest();

  void Fail() { ok_ = false; rest_ = {}; }
  bool ok() const { return ok_; }
  // Everything was read and nothing is left over.
  bool done() const { return ok_ && rest_.empty(); }

 private:
  std::uint64_t Big(std::size_t length);
  ByteView rest_;
  bool ok_ = true;
};

}  // namespace egressd::gossip
