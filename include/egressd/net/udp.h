// A UDP socket that never blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/fd.h"

namespace egressd::net {

class UdpSocket {
 public:
  // Bound to `local`; an unspecified address binds to all of its family.
  static Result<UdpSocket> Bind(const Endpoint& local);

  int fd() const { return fd_.get(); }
  // A full buffer or an unreachable network loses the datagram, as UDP may; only programming errors are errors.
  Result<void> Send(const Endpoint& to, std::span<const std::uint8_t> bytes);
  struct Received {
    Endpoint from;
    std::vector<std::uint8_t> bytes;
  };
  // The next waiting datagram, nullopt when there is none.
  Result<std::optional<Received>> Receive();

 private:
  explicit UdpSocket(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace egressd::net
