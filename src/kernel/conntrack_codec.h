// A connection as ctnetlink shows it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "egressd/kernel/conntrack.h"

struct nlmsghdr;

namespace egressd::kernel {

struct DecodedConnection {
  Connection connection;
  // As they came, to name the connection when it is deleted; zone and id are empty where the kernel gave
  // none.
  std::vector<std::uint8_t> tuple, zone, id;
};
// Takes any bytes; nullopt when they are malformed or neither IPv4 nor IPv6.
std::optional<DecodedConnection> DecodeConnection(const nlmsghdr* message);

}  // namespace egressd::kernel
