// Rtnetlink messages: building and taking apart. Thin over libnl's nl_msg and nlattr; nothing here knows an object kind.
//
// 1. A RouteMessage owns its memory; attributes are appended in the order of the calls.
// 2. RouteAttributes points into the message it was made from and must not outlive it. An attribute that is absent or too short reads
//    as absent.
#pragma once

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "egressd/base/address.h"

namespace egressd::kernel {

class RouteMessage {
 public:
  // `header` is the fixed part behind the netlink header (ifinfomsg, rtmsg …).
  template <typename Header>
  RouteMessage(int type, int flags, const Header& header) : RouteMessage(type, flags, &header, sizeof header) {}

  RouteMessage& Byte(int attribute, std::uint8_t value);
  RouteMessage& Number(int attribute, std::uint32_t value);
  RouteMessage& Short(int attribute, std::uint16_t value);
  RouteMessage& Port(int attribute, std::uint16_t host_order);  // sent in network order
  RouteMessage& Flag(int attribute);
  RouteMessage& Text(int attribute, std::string_view value);
  RouteMessage& Bytes(int attribute, std::span<const std::uint8_t> value);
  RouteMessage& Address(int attribute, const IpAddress& value) { return Bytes(attribute, value.bytes()); }
  // RouteAttributes until the matching End() become its content.
  RouteMessage& Begin(int attribute);
  RouteMessage& End();

  nlmsghdr& header() const { return *nlmsg_hdr(message_.get()); }

 private:
  struct Free {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
  };
  RouteMessage(int type, int flags, const void* header, std::size_t header_bytes);
  nlattr* Append(int attribute, const void* value, std::size_t bytes);

  std::unique_ptr<nl_msg, Free> message_;
  std::array<nlattr*, 4> open_{};
  std::size_t depth_ = 0;
};

class RouteAttributes {
 public:
  // `header_bytes`: size of the fixed part behind the netlink header.
  RouteAttributes(const nlmsghdr& message, std::size_t header_bytes);
  // The content of a nested attribute, or of a list of them.
  explicit RouteAttributes(std::span<const std::uint8_t> content);

  bool Has(int attribute) const { return At(attribute) != nullptr; }
  std::optional<std::uint8_t> Byte(int attribute) const;
  std::optional<std::uint32_t> Number(int attribute) const;
  std::optional<std::uint16_t> Short(int attribute) const;
  std::optional<std::uint16_t> Port(int attribute) const;  // host order
  std::string Text(int attribute) const;                   // "" = absent
  std::span<const std::uint8_t> Bytes(int attribute) const;
  std::optional<IpAddress> Address(int attribute) const;   // 4 or 16 bytes
  std::optional<MacAddress> Mac(int attribute) const;      // 6 bytes
  RouteAttributes Nested(int attribute) const { return RouteAttributes(Bytes(attribute)); }

 private:
  static constexpr int kLast = 127;
  const nlattr* At(int attribute) const { return table_[static_cast<std::size_t>(attribute)]; }
  std::array<nlattr*, kLast + 1> table_{};
};

// The fixed part of a message; nullptr when the message is too short for it.
template <typename Header>
const Header* HeaderOf(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(Header)) return nullptr;
  return static_cast<const Header*>(nlmsg_data(&message));
}

}  // namespace egressd::kernel
