// IP and MAC addresses, prefixes and ranges: plain values, ordered, hashable, printable.
//
// 1. An IpAddress is IPv4 or IPv6, never both: an IPv4-mapped IPv6 address does not parse.
// 2. IPv4 sorts before IPv6, then by value; so a map of addresses prints in the order people expect.
// 3. A Prefix has no host bits set; ParsePrefix refuses them, Prefix::Containing clears them.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "egressd/base/error.h"

namespace egressd {

enum class Family : std::uint8_t { kIpv4 = 4, kIpv6 = 6 };

// "ipv4" or "ipv6".
std::string_view ToString(Family family);
// 32 or 128.
constexpr int AddressBits(Family family) { return family == Family::kIpv4 ? 32 : 128; }

class IpAddress {
 public:
  // 0.0.0.0
  constexpr IpAddress() = default;
  static IpAddress Ipv4(std::uint32_t host_order);
  static IpAddress Ipv6(std::span<const std::uint8_t, 16> bytes);
  // 4 or 16 bytes in network order; asserts on any other length.
  static IpAddress FromBytes(std::span<const std::uint8_t> bytes);
  // Strict dotted quad (no leading zeros) or RFC 4291 text; no zone, no IPv4-mapped address, no surrounding space.
  static Result<IpAddress> Parse(std::string_view text);

  Family family() const { return family_; }
  // 4 or 16 bytes in network order, valid while the address lives.
  std::span<const std::uint8_t> bytes() const {
    return {bytes_.data(), family_ == Family::kIpv4 ? std::size_t{4} : std::size_t{16}};
  }
  // Only for IPv4 (asserts).
  std::uint32_t ipv4_host_order() const;
  // The next higher address of the same family; nullopt after the last one.
  std::optional<IpAddress> Next() const;
  std::optional<IpAddress> Previous() const;
  // This address plus `offset`; nullopt on overflow.
  std::optional<IpAddress> Plus(std::uint64_t offset) const;
  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_multicast() const;
  bool is_link_local() const;
  std::string ToString() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  Family family_ = Family::kIpv4;
  std::array<std::uint8_t, 16> bytes_{};
};

// An address with a prefix length; the host bits may be set or not, as the owner says.
struct Prefix {
  IpAddress address;
  std::uint8_t length = 0;  // bits, 0-32 or 0-128

  // The prefix of `length` bits that contains `address`.
  static Prefix Containing(const IpAddress& address, int length);
  // One address: /32 or /128.
  static Prefix Of(const IpAddress& address);
  // "192.0.2.0/24"; a single address without a slash becomes /32 or /128; host bits set is an error that names the
  // right prefix in its message.
  static Result<Prefix> Parse(std::string_view text);
  Family family() const { return address.family(); }
  bool Contains(const IpAddress& other) const;
  bool Contains(const Prefix& other) const;
  bool Overlaps(const Prefix& other) const;
  IpAddress First() const;
  IpAddress Last() const;
  bool is_single() const { return length == AddressBits(family()); }
  std::string ToString() const;  // always with the length
  auto operator<=>(const Prefix&) const = default;
};

// first..last, both included, same family, first <= last.
struct AddressRange {
  IpAddress first;
  IpAddress last;

  // "a", "a-b" or "a/len". Errors: families differ, first > last, host bits.
  static Result<AddressRange> Parse(std::string_view text);
  Family family() const { return first.family(); }
  bool Contains(const IpAddress& other) const { return first <= other && other <= last; }
  bool Overlaps(const AddressRange& other) const;
  // Number of addresses, saturating at 2^64 - 1.
  std::uint64_t Count() const;
  std::string ToString() const;  // "a" or "a-b"
  auto operator<=>(const AddressRange&) const = default;
};

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};
  static Result<MacAddress> Parse(std::string_view text);
  std::string ToString() const;  // "02:00:5e:10:00:01"
  auto operator<=>(const MacAddress&) const = default;
};

// Address and UDP port.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  // "192.0.2.1:7947", "[2001:db8::1]:7947"; without a port, `default_port` (0 = a port is needed).
  static Result<Endpoint> Parse(std::string_view text, std::uint16_t default_port);
  std::string ToString() const;
  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace egressd

template <>
struct std::hash<egressd::IpAddress> {
  std::size_t operator()(const egressd::IpAddress& address) const noexcept;
};
