#include "kernel/route_message.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace egressd::kernel {

RouteMessage::RouteMessage(int type, int flags, const void* header, std::size_t header_bytes)
    : message_(nlmsg_alloc_simple(type, flags | NLM_F_REQUEST)) {
  EGRESSD_ASSERT(message_ != nullptr);
  std::string copy(static_cast<const char*>(header), header_bytes);  // libnl wants it writable
  EGRESSD_ASSERT(nlmsg_append(message_.get(), copy.data(), copy.size(), NLMSG_ALIGNTO) == 0);
}

nlattr* RouteMessage::Append(int attribute, const void* value, std::size_t bytes) {
  nlattr* place = nla_reserve(message_.get(), attribute, static_cast<int>(bytes));
  EGRESSD_ASSERT(place != nullptr);  // a page is far more than any of our messages
  if (bytes != 0) std::memcpy(nla_data(place), value, bytes);
  return place;
}

RouteMessage& RouteMessage::Byte(int attribute, std::uint8_t value) {
  Append(attribute, &value, sizeof value);
  return *this;
}

RouteMessage& RouteMessage::Number(int attribute, std::uint32_t value) {
  Append(attribute, &value, sizeof value);
  return *this;
}

RouteMessage& RouteMessage::Short(int attribute, std::uint16_t value) {
  Append(attribute, &value, sizeof value);
  return *this;
}

RouteMessage& RouteMessage::Port(int attribute, std::uint16_t host_order) {
  const std::uint16_t network_order = htons(host_order);
  Append(attribute, &network_order, sizeof network_order);
  return *this;
}

RouteMessage& RouteMessage::Flag(int attribute) {
  Append(attribute, nullptr, 0);
  return *this;
}

RouteMessage& RouteMessage::Text(int attribute, std::string_view value) {
  const std::string terminated(value);
  Append(attribute, terminated.c_str(), terminated.size() + 1);
  return *this;
}

RouteMessage& RouteMessage::Bytes(int attribute, std::span<const std::uint8_t> value) {
  Append(attribute, value.data(), value.size());
  return *this;
}

RouteMessage& RouteMessage::Begin(int attribute) {
  EGRESSD_ASSERT(depth_ < open_.size());
  open_[depth_++] = Append(attribute | NLA_F_NESTED, nullptr, 0);
  return *this;
}

RouteMessage& RouteMessage::End() {
  EGRESSD_ASSERT(depth_ > 0);
  nlattr* const opened = open_[--depth_];
  const auto* const tail = static_cast<const char*>(nlmsg_tail(&header()));
  opened->nla_len = static_cast<std::uint16_t>(tail - reinterpret_cast<const char*>(opened));
  return *this;
}

RouteAttributes::RouteAttributes(const nlmsghdr& message, std::size_t header_bytes) {
  const std::size_t before = NLMSG_HDRLEN + NLMSG_ALIGN(header_bytes);
  if (message.nlmsg_len < before) return;
  const auto* const start = reinterpret_cast<const std::uint8_t*>(&message) + before;
  *this = RouteAttributes(std::span(start, message.nlmsg_len - before));
}

RouteAttributes::RouteAttributes(std::span<const std::uint8_t> content) {
  if (content.empty()) return;
  auto* const first = reinterpret_cast<nlattr*>(const_cast<std::uint8_t*>(content.data()));
  nla_parse(table_.data(), kLast, first, static_cast<int>(content.size()), nullptr);
}

std::span<const std::uint8_t> RouteAttributes::Bytes(int attribute) const {
  const nlattr* const found = At(attribute);
  if (found == nullptr) return {};
  return {static_cast<const std::uint8_t*>(nla_data(found)), static_cast<std::size_t>(nla_len(found))};
}

std::optional<std::uint8_t> RouteAttributes::Byte(int attribute) const {
  const auto bytes = Bytes(attribute);
  if (bytes.empty()) return std::nullopt;
  return bytes[0];
}

std::optional<std::uint32_t> RouteAttributes::Number(int attribute) const {
  const auto bytes = Bytes(attribute);
  std::uint32_t value = 0;
  if (bytes.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::optional<std::uint16_t> RouteAttributes::Short(int attribute) const {
  const auto bytes = Bytes(attribute);
  std::uint16_t value = 0;
  if (bytes.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::optional<std::uint16_t> RouteAttributes::Port(int attribute) const {
  const auto bytes = Bytes(attribute);
  if (bytes.size() < 2) return std::nullopt;
  return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
}

std::string RouteAttributes::Text(int attribute) const {
  const auto bytes = Bytes(attribute);
  return std::string(bytes.begin(), std::ranges::find(bytes, std::uint8_t{0}));
}

std::optional<IpAddress> RouteAttributes::Address(int attribute) const {
  const auto bytes = Bytes(attribute);
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  return IpAddress::FromBytes(bytes);
}

std::optional<MacAddress> RouteAttributes::Mac(int attribute) const {
  const auto bytes = Bytes(attribute);
  MacAddress mac;
  if (bytes.size() != mac.bytes.size()) return std::nullopt;
  std::ranges::copy(bytes, mac.bytes.begin());
  return mac;
}

}  // namespace egressd::kernel
