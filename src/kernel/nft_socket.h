// A NETLINK_NETFILTER socket: requests, dumps, datagrams of any size, and what the kernel refused. Shared by
// nftables and connection tracking.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "egressd/base/error.h"
#include "egressd/base/fd.h"
#include "kernel/nft_attributes.h"

struct nlmsghdr;

namespace egressd::kernel {

// The kernel's answer to one message.
struct NetlinkAnswer {
  std::uint32_t sequence = 0;
  int error = 0;             // errno, positive; 0 = acknowledged
  std::uint32_t offset = 0;  // of the offending attribute in the message; 0 = not given
  std::string text;          // extended ACK; empty = not given
};
// From a NLMSG_ERROR message; nullopt when it is malformed.
std::optional<NetlinkAnswer> DecodeAnswer(const nlmsghdr* message);
// "<strerror> (<extended ACK>)".
std::string ToString(const NetlinkAnswer& answer);

class NetfilterSocket {
 public:
  using Visitor = std::function<void(const nlmsghdr*)>;

  // In the network namespace of the calling thread, bound to a port id of its own, with extended ACKs.
  static Result<NetfilterSocket> Open();
  int fd() const { return fd_.get(); }
  std::uint32_t port() const { return port_; }
  // `count` sequence numbers in a row; the first.
  std::uint32_t TakeSequences(std::uint32_t count);

  // Sends the request as a dump and calls `visit` for every message of the answer. kStale: what was dumped
  // changed under way; kNotFound: ENOENT. Sets flags and sequence number of the request.
  Result<void> Dump(nlmsghdr* request, const Visitor& visit);
  // Sends the request and calls `visit` with the one answer. kNotFound: ENOENT.
  Result<void> Get(nlmsghdr* request, const Visitor& visit);
  // Sends one datagram, however large. The kernel has worked it off when this returns.
  Result<void> Send(std::span<const std::uint8_t> datagram);
  // Every answer that waits. kStale: some were lost.
  Result<std::vector<NetlinkAnswer>> TakeAnswers();
  // One datagram into the buffer; 0 = none waits; negative = -errno.
  long Receive(std::vector<std::uint8_t>& buffer, int flags);

 private:
  NetfilterSocket(Fd fd, std::uint32_t port) : fd_(std::move(fd)), port_(port) {}

  Fd fd_;
  std::uint32_t port_ = 0;
  std::uint32_t next_sequence_ = 1;
  std::size_t send_buffer_bytes_ = 0;
  std::vector<std::uint8_t> buffer_;
};

// The first message of a datagram, which then loses it; nullptr at the end and at the first incomplete one.
const nlmsghdr* NextMessage(ByteSpan& datagram);

}  // namespace egressd::kernel
