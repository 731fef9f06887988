// Netlink attributes that came from outside, read without trusting any length.
//
// 1. No read leaves the given bytes; what does not fit ends the walk.
// 2. A value of another length than the type asks for counts as absent.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

struct nlmsghdr;

namespace egressd::kernel {

using ByteSpan = std::span<const std::uint8_t>;

// One step of a walk: the first attribute of `bytes`, which then loses it; nullopt at the end and at the
// first malformed one.
struct Attribute {
  std::uint16_t type = 0;  // without the nested and byte-order flags
  ByteSpan value;
  const std::uint8_t* start = nullptr;  // of its header
};
std::optional<Attribute> NextAttribute(ByteSpan& bytes);

class Attributes {
 public:
  explicit Attributes(ByteSpan bytes) : bytes_(bytes) {}
  // The attributes of an nfnetlink message, behind its family header.
  static Attributes OfMessage(const nlmsghdr* message);

  // The first attribute of the type.
  std::optional<ByteSpan> Find(std::uint16_t type) const;
  // No attributes where it is absent.
  Attributes Nested(std::uint16_t type) const { return Attributes(Find(type).value_or(ByteSpan{})); }
  std::optional<std::uint8_t> U8(std::uint16_t type) const;
  std::optional<std::uint16_t> U16(std::uint16_t type) const;  // network order, as all of nfnetlink
  std::optional<std::uint32_t> U32(std::uint16_t type) const;
  std::optional<std::uint64_t> U64(std::uint16_t type) const;
  std::optional<std::string> Text(std::uint16_t type) const;  // up to the first NUL, which must be there
  ByteSpan bytes() const { return bytes_; }

 private:
  ByteSpan bytes_;
};

}  // namespace egressd::kernel
