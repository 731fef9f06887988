#include "egressd/net/udp.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "egressd/base/ids.h"
#include "net/socket.h"

namespace egressd::net {

namespace {

constexpr std::size_t kLargestDatagram = 65536;  // bytes
constexpr int kBufferBytes = 4 << 20;            // a burst of policy chunks from every peer at once

}  // namespace

Result<UdpSocket> UdpSocket::Bind(const Endpoint& local) {
  const bool ipv4 = local.address.family() == Family::kIpv4;
  Fd fd(::socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return std::unexpected(SystemError("udp socket", errno));
  // Wishes, not conditions: larger buffers, and an address that comes up later than this daemon does.
  SetOption(fd, SOL_SOCKET, SO_RCVBUF, kBufferBytes);
  SetOption(fd, SOL_SOCKET, SO_SNDBUF, kBufferBytes);
  SetOption(fd, SOL_SOCKET, SO_MARK, static_cast<int>(kDaemonMark));
  if (ipv4) {
    SetOption(fd, IPPROTO_IP, IP_FREEBIND, 1);
  } else {
    SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    SetOption(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
  }
  auto address = Encode(local);
  if (::bind(fd.get(), address.get(), address.size) < 0) return std::unexpected(SystemError("udp " + local.ToString(), errno));
  return UdpSocket(std::move(fd));
}

Result<void> UdpSocket::Send(const Endpoint& to, std::span<const std::uint8_t> bytes) {
  auto address = Encode(to);
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (::sendto(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, address.get(), address.size) >= 0) return {};
    switch (errno) {
      case EINTR: continue;
      case EBADF:
      case EFAULT:
      case EINVAL:
      case EMSGSIZE:
      case ENOTSOCK:
      case EAFNOSUPPORT: return std::unexpected(SystemError("send to " + to.ToString(), errno));
      default: return {};  // no route, no buffer, refused by a firewall: lost, as UDP may
    }
  }
  return {};
}

Result<std::optional<UdpSocket::Received>> UdpSocket::Receive() {
  std::array<std::uint8_t, kLargestDatagram> buffer;
  for (int attempt = 0; attempt < 16; ++attempt) {
    SocketAddress from;
    from.size = sizeof from.storage;
    const ssize_t got = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, from.get(), &from.size);
    if (got >= 0) {
      const std::span bytes(buffer.data(), static_cast<std::size_t>(got));
      return Received{.from = Decode(from), .bytes = {bytes.begin(), bytes.end()}};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    if (errno == EBADF || errno == EFAULT || errno == EINVAL || errno == ENOTSOCK) return std::unexpected(SystemError("receive", errno));
    // EINTR, or an ICMP error that an earlier datagram earned: taken off the socket by this call.
  }
  return std::nullopt;
}

}  // namespace egressd::net
