#include "egressd/net/udp.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

using namespace egressd;

namespace {

Endpoint Loopback(std::uint16_t port) { return {.address = IpAddress::Ipv4(0x7f000001), .port = port}; }

std::uint16_t PortOf(const net::UdpSocket& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

}  // namespace

TEST_CASE("a datagram arrives whole, with the address that it came from") {
  auto a = net::UdpSocket::Bind(Loopback(0));
  auto b = net::UdpSocket::Bind(Loopback(0));
  REQUIRE(a);
  REQUIRE(b);
  const std::vector<std::uint8_t> bytes(1400, 7);
  REQUIRE(a->Send(Loopback(PortOf(*b)), bytes));
  pollfd waiting{.fd = b->fd(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&waiting, 1, 1000) == 1);
  const auto received = b->Receive();
  REQUIRE(received);
  REQUIRE(*received);
  CHECK((*received)->bytes == bytes);
  CHECK((*received)->from == Loopback(PortOf(*a)));
}

TEST_CASE("an empty socket says so at once") {
  auto socket = net::UdpSocket::Bind(Loopback(0));
  REQUIRE(socket);
  const auto received = socket->Receive();
  REQUIRE(received);
  CHECK_FALSE(*received);
}

TEST_CASE("a datagram to nobody is lost, not an error") {
  auto socket = net::UdpSocket::Bind(Loopback(0));
  REQUIRE(socket);
  const std::vector<std::uint8_t> bytes{1};
  for (int i = 0; i < 3; ++i) CHECK(socket->Send(Loopback(1), bytes));
  CHECK(socket->Receive());
}

TEST_CASE("a port that is taken is an error that names it") {
  auto first = net::UdpSocket::Bind(Loopback(0));
  REQUIRE(first);
  const auto second = net::UdpSocket::Bind(Loopback(PortOf(*first)));
  REQUIRE_FALSE(second);
  CHECK(second.error().message == "udp 127.0.0.1:" + std::to_string(PortOf(*first)) + ": Address already in use");
}

TEST_CASE("an address that is not there yet can be bound") {
  CHECK(net::UdpSocket::Bind({.address = IpAddress::Ipv4(0xc0000263), .port = 0}));
}
