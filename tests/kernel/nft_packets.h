// Real packets over `lo`.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "egressd/base/address.h"
#include "egressd/base/fd.h"

namespace egressd::kernel::test {

struct Flow {
  const char* source;
  const char* destination;
  std::uint16_t port;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);

  SocketAddress() = default;
  SocketAddress(const char* text, std::uint16_t port) {
    const auto address = IpAddress::Parse(text).value();
    if (address.family() == Family::kIpv4) {
      sockaddr_in ipv4{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
      std::memcpy(&ipv4.sin_addr, address.bytes().data(), 4);
      std::memcpy(&storage, &ipv4, length = sizeof(ipv4));
    } else {
      sockaddr_in6 ipv6{};
      ipv6.sin6_family = AF_INET6;
      ipv6.sin6_port = htons(port);
      std::memcpy(&ipv6.sin6_addr, address.bytes().data(), 16);
      std::memcpy(&storage, &ipv6, length = sizeof(ipv6));
    }
  }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  std::string Text() const {
    if (storage.ss_family == AF_INET) {
      sockaddr_in ipv4;
      std::memcpy(&ipv4, &storage, sizeof(ipv4));
      return IpAddress::Ipv4(ntohl(ipv4.sin_addr.s_addr)).ToString();
    }
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, &storage, sizeof(ipv6));
    return IpAddress::Ipv6(std::span<const std::uint8_t, 16>(ipv6.sin6_addr.s6_addr)).ToString();
  }
};

// A socket bound to an address; an IPv6 address of `lo` may take a moment.
inline Fd Bound(int type, SocketAddress address) {
  Fd fd(::socket(address.storage.ss_family, type | SOCK_CLOEXEC, 0));
  REQUIRE(fd.is_open());
  REQUIRE(::bind(fd.get(), address.get(), address.length) == 0);
  return fd;
}

inline bool WaitReadable(const Fd& fd, int milliseconds) {
  pollfd waiting{.fd = fd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, milliseconds) == 1;
}

// One datagram from `client` to `server`: the source that the server sees; nullopt = it did not arrive.
inline std::optional<SocketAddress> Pass(const Fd& client, const Fd& server, SocketAddress destination) {
  const char payload = 'x';
  if (::sendto(client.get(), &payload, 1, 0, destination.get(), destination.length) != 1) return std::nullopt;
  constexpr int kWaitMilliseconds = 1000;  // over lo it is there when sendto returns, on a machine that is not overloaded
  if (!WaitReadable(server, kWaitMilliseconds)) return std::nullopt;
  SocketAddress seen;
  char received = 0;
  REQUIRE(::recvfrom(server.get(), &received, 1, 0, seen.get(), &seen.length) == 1);
  return seen;
}

inline std::optional<std::string> SendUdp(const Flow& flow) {
  const auto client = Bound(SOCK_DGRAM, {flow.source, 0});
  const auto server = Bound(SOCK_DGRAM, {flow.destination, flow.port});
  const auto seen = Pass(client, server, {flow.destination, flow.port});
  if (!seen) return std::nullopt;
  return seen->Text();
}

// There and back again.
inline bool ExchangeUdp(const Flow& flow) {
  const auto client = Bound(SOCK_DGRAM, {flow.source, 0});
  const auto server = Bound(SOCK_DGRAM, {flow.destination, flow.port});
  const auto seen = Pass(client, server, {flow.destination, flow.port});
  return seen && Pass(server, client, *seen).has_value();
}

// Connects over TCP; the MSS of the accepted socket.
inline int AcceptedMss(const Flow& flow) {
  const auto listener = Bound(SOCK_STREAM, {flow.destination, flow.port});
  REQUIRE(::listen(listener.get(), 1) == 0);
  const auto client = Bound(SOCK_STREAM, {flow.source, 0});
  SocketAddress destination(flow.destination, flow.port);
  REQUIRE(::connect(client.get(), destination.get(), destination.length) == 0);
  const Fd accepted(::accept(listener.get(), nullptr, nullptr));
  REQUIRE(accepted.is_open());
  int mss = 0;
  socklen_t length = sizeof(mss);
  REQUIRE(::getsockopt(accepted.get(), IPPROTO_TCP, TCP_MAXSEG, &mss, &length) == 0);
  return mss;
}

}  // namespace egressd::kernel::test
