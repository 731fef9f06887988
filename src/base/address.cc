#include "egressd/base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <format>

#include "egressd/base/hash.h"

namespace egressd {
namespace {

constexpr std::uint8_t kIpv4Mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::unexpected<Error> NotAnAddress(std::string_view text) {
  return Fail(ErrorKind::kInvalid, std::format("`{}` is not an IP address", text));
}

// A decimal number without sign, space or leading zero.
template <typename Integer>
std::optional<Integer> ParseDecimal(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  Integer value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::uint8_t MaskOfByte(int byte_index, int length) {
  const int bits = std::clamp(length - byte_index * 8, 0, 8);
  return static_cast<std::uint8_t>(0xff << (8 - bits));
}

}  // namespace

std::string_view ToString(Family family) { return family == Family::kIpv4 ? "ipv4" : "ipv6"; }

IpAddress IpAddress::Ipv4(std::uint32_t host_order) {
  IpAddress address;
  for (int i = 0; i < 4; ++i) address.bytes_[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

IpAddress IpAddress::Ipv6(std::span<const std::uint8_t, 16> bytes) {
  IpAddress address;
  address.family_ = Family::kIpv6;
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

IpAddress IpAddress::FromBytes(std::span<const std::uint8_t> bytes) {
  EGRESSD_ASSERT(bytes.size() == 4 || bytes.size() == 16);
  if (bytes.size() == 16) return Ipv6(bytes.first<16>());
  IpAddress address;
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

Result<IpAddress> IpAddress::Parse(std::string_view text) {
  if (text.empty() || text.size() > 45 || text.contains('\0')) return NotAnAddress(text);
  const std::string terminated(text);
  if (text.contains(':')) {
    std::array<std::uint8_t, 16> bytes;
    if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) != 1) return NotAnAddress(text);
    if (std::memcmp(bytes.data(), kIpv4Mapped, sizeof kIpv4Mapped) == 0) {
      return Fail(ErrorKind::kInvalid, std::format("`{}` is an IPv4-mapped IPv6 address: write the IPv4 address itself", text));
    }
    return Ipv6(bytes);
  }
  std::array<std::uint8_t, 4> bytes;
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) != 1) return NotAnAddress(text);
  return FromBytes(bytes);
}

std::uint32_t IpAddress::ipv4_host_order() const {
  EGRESSD_ASSERT(family_ == Family::kIpv4);
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | bytes_[i];
  return value;
}

std::optional<IpAddress> IpAddress::Plus(std::uint64_t offset) const {
  IpAddress result = *this;
  std::uint64_t carry = offset;
  for (std::size_t i = bytes().size(); i-- > 0 && carry > 0;) {
    const std::uint64_t sum = result.bytes_[i] + (carry & 0xff);
    result.bytes_[i] = static_cast<std::uint8_t>(sum);
    carry = (carry >> 8) + (sum >> 8);
  }
  if (carry > 0) return std::nullopt;
  return result;
}

std::optional<IpAddress> IpAddress::Next() const { return Plus(1); }

std::optional<IpAddress> IpAddress::Previous() const {
  IpAddress result = *this;
  for (std::size_t i = bytes().size(); i-- > 0;) {
    if (result.bytes_[i]-- > 0) return result;
  }
  return std::nullopt;
}

bool IpAddress::is_unspecified() const {
  return std::ranges::all_of(bytes_, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const {
  if (family_ == Family::kIpv4) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) { return byte == 0; }) && bytes_[15] == 1;
}

bool IpAddress::is_multicast() const {
  return family_ == Family::kIpv4 ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff;
}

bool IpAddress::is_link_local() const {
  return family_ == Family::kIpv4 ? bytes_[0] == 169 && bytes_[1] == 254 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::string IpAddress::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family_ == Family::kIpv4 ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

Prefix Prefix::Containing(const IpAddress& address, int length) {
  EGRESSD_ASSERT(length >= 0 && length <= AddressBits(address.family()));
  std::array<std::uint8_t, 16> bytes{};
  const auto source = address.bytes();
  for (std::size_t i = 0; i < source.size(); ++i) bytes[i] = source[i] & MaskOfByte(static_cast<int>(i), length);
  return {IpAddress::FromBytes(std::span(bytes).first(source.size())), static_cast<std::uint8_t>(length)};
}

Prefix Prefix::Of(const IpAddress& address) {
  return {address, static_cast<std::uint8_t>(AddressBits(address.family()))};
}

Result<Prefix> Prefix::Parse(std::string_view text) {
  const auto slash = text.find('/');
  auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address) return std::unexpected(address.error());
  if (slash == std::string_view::npos) return Of(*address);
  const auto length = ParseDecimal<int>(text.substr(slash + 1));
  if (!length || *length < 0 || *length > AddressBits(address->family())) {
    return Fail(ErrorKind::kInvalid, std::format("`{}`: the prefix length must be 0-{}", text, AddressBits(address->family())));
  }
  const Prefix prefix = Containing(*address, *length);
  if (prefix.address != *address) {
    return Fail(ErrorKind::kInvalid, std::format("`{}` has bits set behind its prefix length; did you mean {}?", text, prefix.ToString()));
  }
  return prefix;
}

bool Prefix::Contains(const IpAddress& other) const {
  return other.family() == family() && Containing(other, length).address == First();
}

bool Prefix::Contains(const Prefix& other) const { return other.length >= length && Contains(other.address); }

bool Prefix::Overlaps(const Prefix& other) const { return Contains(other) || other.Contains(*this); }

IpAddress Prefix::First() const { return Containing(address, length).address; }

IpAddress Prefix::Last() const {
  std::array<std::uint8_t, 16> bytes{};
  const auto source = address.bytes();
  for (std::size_t i = 0; i < source.size(); ++i) {
    bytes[i] = source[i] | static_cast<std::uint8_t>(~MaskOfByte(static_cast<int>(i), length));
  }
  return IpAddress::FromBytes(std::span(bytes).first(source.size()));
}

std::string Prefix::ToString() const { return std::format("{}/{}", address.ToString(), length); }

Result<AddressRange> AddressRange::Parse(std::string_view text) {
  if (text.contains('/')) {
    auto prefix = Prefix::Parse(text);
    if (!prefix) return std::unexpected(prefix.error());
    return AddressRange{prefix->First(), prefix->Last()};
  }
  const auto dash = text.find('-');
  auto first = IpAddress::Parse(text.substr(0, dash));
  if (!first) return std::unexpected(first.error());
  if (dash == std::string_view::npos) return AddressRange{*first, *first};
  auto last = IpAddress::Parse(text.substr(dash + 1));
  if (!last) return std::unexpected(last.error());
  if (first->family() != last->family()) {
    return Fail(ErrorKind::kInvalid, std::format("`{}` mixes IPv4 and IPv6", text));
  }
  if (*last < *first) return Fail(ErrorKind::kInvalid, std::format("`{}` ends before it starts", text));
  return AddressRange{*first, *last};
}

bool AddressRange::Overlaps(const AddressRange& other) const { return first <= other.last && other.first <= last; }

std::uint64_t AddressRange::Count() const {
  // last - first + 1 in base 256, saturating.
  std::uint64_t difference = 0;
  int borrow = 0;
  const auto high = last.bytes(), low = first.bytes();
  std::array<std::uint8_t, 16> digits{};
  for (std::size_t i = high.size(); i-- > 0;) {
    int digit = high[i] - low[i] - borrow;
    borrow = digit < 0 ? 1 : 0;
    digits[i] = static_cast<std::uint8_t>(digit + borrow * 256);
  }
  for (std::size_t i = 0; i < high.size(); ++i) {
    if (difference >> 56 != 0) return UINT64_MAX;
    difference = difference << 8 | digits[i];
  }
  return difference == UINT64_MAX ? UINT64_MAX : difference + 1;
}

std::string AddressRange::ToString() const {
  return first == last ? first.ToString() : first.ToString() + "-" + last.ToString();
}

Result<MacAddress> MacAddress::Parse(std::string_view text) {
  MacAddress mac;
  const auto fail = [&] { return Fail(ErrorKind::kInvalid, std::format("`{}` is not a MAC address", text)); };
  if (text.size() != 17) return fail();
  for (std::size_t i = 0; i < 6; ++i) {
    const auto digits = text.substr(i * 3, 2);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + 2, mac.bytes[i], 16);
    if (code != std::errc() || end != digits.data() + 2 || (i < 5 && text[i * 3 + 2] != ':')) return fail();
  }
  return mac;
}

std::string MacAddress::ToString() const {
  return std::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
}

Result<Endpoint> Endpoint::Parse(std::string_view text, std::uint16_t default_port) {
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return Fail(ErrorKind::kInvalid, std::format("`{}` lacks a `]`", text));
    host = text.substr(1, close - 1);
    const auto rest = text.substr(close + 1);
    if (!rest.empty() && !rest.starts_with(':')) {
      return Fail(ErrorKind::kInvalid, std::format("`{}`: `:` and a port must follow the `]`", text));
    }
    if (!rest.empty()) port = rest.substr(1);
    if (!rest.empty() && port.empty()) return Fail(ErrorKind::kInvalid, std::format("`{}` ends without a port", text));
  } else if (std::ranges::count(text, ':') == 1) {
    host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
    if (port.empty()) return Fail(ErrorKind::kInvalid, std::format("`{}` ends without a port", text));
  }
  auto address = IpAddress::Parse(host);
  if (!address) return std::unexpected(address.error());
  if (port.empty()) {
    if (default_port == 0) return Fail(ErrorKind::kInvalid, std::format("`{}` lacks a port", text));
    return Endpoint{*address, default_port};
  }
  const auto number = ParseDecimal<std::uint16_t>(port);
  if (!number || *number == 0) return Fail(ErrorKind::kInvalid, std::format("`{}`: the port must be 1-65535", text));
  return Endpoint{*address, *number};
}

std::string Endpoint::ToString() const {
  return address.family() == Family::kIpv4 ? std::format("{}:{}", address.ToString(), port)
                                           : std::format("[{}]:{}", address.ToString(), port);
}

}  // namespace egressd

std::size_t std::hash<egressd::IpAddress>::operator()(const egressd::IpAddress& address) const noexcept {
  const auto bytes = address.bytes();
  return egressd::StableHash({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}
