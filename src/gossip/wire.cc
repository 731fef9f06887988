#include "egressd/gossip/wire.h"

namespace egressd::gossip {

void Writer::Big(std::uint64_t value, int length) {
  for (int i = length - 1; i >= 0; --i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void Writer::Varint(std::uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<std::uint8_t>(value));
}

void Writer::Text(std::string_view text) {
  Varint(text.size());
  bytes_.insert(bytes_.end(), text.begin(), text.end());
}

void Writer::Address(const IpAddress& address) {
  U8(static_cast<std::uint8_t>(address.family()));
  Raw(address.bytes());
}

void Writer::Place(const Endpoint& endpoint) {
  Address(endpoint.address);
  U16(endpoint.port);
}

std::uint64_t Reader::Big(std::size_t length) {
  if (rest_.size() < length) {
    Fail();
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < length; ++i) value = value << 8 | rest_[i];
  rest_ = rest_.subspan(length);
  return value;
}

std::uint64_t Reader::Varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = U8();
    if (!ok_) return 0;
    const std::uint64_t bits = byte & 0x7f;
    if (shift == 63 && bits > 1) break;
    value |= bits << shift;
    if ((byte & 0x80) == 0) {
      if (bits == 0 && shift > 0) break;  // not the shortest form
      return value;
    }
  }
  Fail();
  return 0;
}

std::string Reader::Text(std::size_t limit_bytes) {
  const std::uint64_t length = Varint();
  if (length > limit_bytes || length > rest_.size()) {
    Fail();
    return {};
  }
  const ByteView raw = Raw(static_cast<std::size_t>(length));
  return {raw.begin(), raw.end()};
}

ByteView Reader::Raw(std::size_t length_bytes) {
  if (rest_.size() < length_bytes) {
    Fail();
    return {};
  }
  const ByteView result = rest_.first(length_bytes);
  rest_ = rest_.subspan(length_bytes);
  return result;
}

IpAddress Reader::Address() {
  const std::uint8_t family = U8();
  if (family != 4 && family != 6) {
    Fail();
    return {};
  }
  const ByteView raw = Raw(family == 4 ? 4 : 16);
  if (!ok_) return {};
  return IpAddress::FromBytes(raw);
}

Endpoint Reader::Place() {
  const IpAddress address = Address();
  return {.address = address, .port = U16()};
}

std::size_t Reader::Count(std::size_t limit, std::size_t each_bytes) {
  const std::uint64_t count = Varint();
  if (count > limit || count > rest_.size() / each_bytes) {
    Fail();
    return 0;
  }
  return static_cast<std::size_t>(count);
}

ByteView Reader::Rest() {
  const ByteView result = rest_;
  rest_ = {};
  return result;
}

}  // namespace egressd::gossip
