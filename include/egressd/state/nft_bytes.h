// Values in the byte order that the kernel compares.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "egressd/base/address.h"

namespace egressd::state {

// Up to 48 bytes in place: a set key, a map value or a constant.
class NftBytes {
 public:
  NftBytes() = default;
  explicit NftBytes(std::span<const std::uint8_t> bytes);
  static NftBytes Of(const IpAddress& address);
  static NftBytes Of(const MacAddress& address);
  static NftBytes Mark(std::uint32_t host_order);         // 4 bytes, host order
  static NftBytes Port(std::uint16_t port);               // 2 bytes, network order
  static NftBytes Byte(std::uint8_t value);
  static NftBytes Cgroup(std::uint64_t id);               // 8 bytes, host order
  static NftBytes NetworkOrder(std::uint32_t value);      // 4 bytes
  static NftBytes InterfaceName(std::string_view name);   // 16 bytes
  // Concatenation as nft does it: each field padded with zeros to a multiple of 4 bytes.
  static NftBytes Concat(std::initializer_list<NftBytes> fields);
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }
  std::uint32_t as_mark() const;                          // asserts 4 bytes
  std::string ToString() const;                           // hexadecimal
  auto operator<=>(const NftBytes&) const = default;

 private:
  std::uint8_t size_ = 0;
  std::array<std::uint8_t, 48> bytes_{};
};

}  // namespace egressd::state
