#include "egressd/net/bfd.h"

#include "egressd/net/udp.h"
#include "support/sandbox.h"
#include "unit/net/wire.h"

namespace egressd::net {
namespace {

const IpAddress kFour = IpAddress::Ipv4(0x7f000001);
const IpAddress kSix = IpAddress::Parse("::1").value();
const std::vector<std::uint8_t> kPacket(24, 7);

// A namespace with loopback up.
struct Host {
  Host() { test::BringUp("lo"); }
  test::Sandbox sandbox;
};

std::optional<BfdSocket::Received> Await(BfdSocket& socket) {
  test::AnyReadable(socket.fds());
  auto received = socket.Receive();
  REQUIRE(received);
  return *received;
}

}  // namespace

TEST_CASE("a BFD packet arrives whole, with its source, source port and a TTL of 255") {
  const Host host;
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  CHECK(socket->fds().size() == 2);
  for (const IpAddress& address : {kFour, kSix}) {
    CAPTURE(address.ToString());
    REQUIRE(socket->Send(address, 50000, kPacket));
    const auto received = Await(*socket);
    REQUIRE(received);
    CHECK(received->from == address);
    CHECK(received->from_port == 50000);
    CHECK(received->time_to_live == 255);
    CHECK(received->bytes == kPacket);
    REQUIRE(socket->Receive());
    CHECK_FALSE(*socket->Receive());
  }
}

TEST_CASE("a packet that a router may have touched shows its TTL") {
  const Host host;
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  for (const IpAddress& address : {kFour, kSix}) {
    auto stranger = UdpSocket::Bind({.address = address, .port = 0});
    REQUIRE(stranger);
    const int hops = 254;
    REQUIRE(::setsockopt(stranger->fd(), IPPROTO_IP, IP_TTL, &hops, sizeof hops) == 0);
    if (address == kSix) REQUIRE(::setsockopt(stranger->fd(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof hops) == 0);
    REQUIRE(stranger->Send({.address = address, .port = 3784}, kPacket));
    const auto received = Await(*socket);
    REQUIRE(received);
    CHECK(received->time_to_live == 254);
  }
}

TEST_CASE("packets leave as network control, from the address that was asked for") {
  const Host host;
  test::Tun tun("wire0");
  tun.Configure();
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  const IpAddress source = IpAddress::Parse("198.19.0.3").value();  // the kernel would take 198.19.0.1
  socket->SetSource(source);
  REQUIRE(socket->Send(IpAddress::Parse("198.19.0.2").value(), 50001, kPacket));
  auto packet = tun.Read(test::kPatience);
  REQUIRE(packet);
  REQUIRE(packet->size() == 20 + 8 + 24);
  CHECK((*packet)[1] == 0xc0);  // DSCP CS6
  CHECK((*packet)[8] == 255);
  CHECK(IpAddress::FromBytes(std::span(*packet).subspan(12, 4)) == source);
  CHECK(((*packet)[20] << 8 | (*packet)[21]) == 50001);
  CHECK(((*packet)[22] << 8 | (*packet)[23]) == 3784);

  REQUIRE(socket->Send(IpAddress::Parse("fd65::2").value(), 50002, kPacket));
  packet = tun.Read(test::kPatience);
  REQUIRE(packet);
  REQUIRE(packet->size() == 40 + 8 + 24);
  CHECK((((*packet)[0] & 0x0f) << 4 | (*packet)[1] >> 4) == 0xc0);
  CHECK((*packet)[7] == 255);
  CHECK(IpAddress::FromBytes(std::span(*packet).subspan(8, 16)) == IpAddress::Parse("fd65::1").value());
  CHECK(((*packet)[40] << 8 | (*packet)[41]) == 50002);
}

TEST_CASE("a source address that the host does not have loses packets until it has it") {
  const Host host;
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  for (const char* source : {"192.0.2.1", "2001:db8::1"}) socket->SetSource(IpAddress::Parse(source).value());
  for (const IpAddress& address : {kFour, kSix}) {
    CHECK(socket->Send(address, 50000, kPacket));
    REQUIRE(socket->Receive());
    CHECK_FALSE(*socket->Receive());
    socket->SetSource(address);
    CHECK(socket->Send(address, 50000, kPacket));
    CHECK(Await(*socket));
  }
}

TEST_CASE("without a route a packet is lost, not an error") {
  const test::Sandbox sandbox;
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  CHECK(socket->Send(IpAddress::Ipv4(0xc0000201), 50000, kPacket));
  CHECK(socket->Send(IpAddress::Parse("2001:db8::1").value(), 50000, kPacket));
}

TEST_CASE("a device that vanishes and comes back is used again") {
  const Host host;
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  for (int round = 0; round < 2; ++round) {
    test::Tun tun("wire0");
    tun.Configure();
    for (const char* peer : {"198.19.0.2", "fd65::2"}) {
      REQUIRE(socket->Send(IpAddress::Parse(peer).value(), 50000, kPacket));
      CHECK(tun.Read(test::kPatience));
    }
  }
  CHECK(socket->Send(IpAddress::Parse("198.19.0.2").value(), 50000, kPacket));
  CHECK(socket->Send(IpAddress::Parse("fd65::2").value(), 50000, kPacket));
}

TEST_CASE("another program on the port is an error that says so") {
  const Host host;
  for (const IpAddress& address : {kFour, kSix}) {
    auto other = UdpSocket::Bind({.address = address, .port = 3784});
    REQUIRE(other);
    const auto socket = BfdSocket::Open();
    REQUIRE_FALSE(socket);
    CHECK(socket.error().kind == ErrorKind::kUnavailable);
    CHECK(socket.error().message == "bfd: udp port 3784 (" + std::string(ToString(address.family())) +
                                        "): Address already in use; another program speaks BFD on this host");
  }
  CHECK(BfdSocket::Open());
}

TEST_CASE("a source port that somebody has is replaced by one that stays") {
  const Host host;
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  auto taken = UdpSocket::Bind({.address = kFour, .port = 65535});
  REQUIRE(taken);
  REQUIRE(socket->Send(kFour, 65535, kPacket));
  const auto first = Await(*socket);
  REQUIRE(first);
  CHECK(first->from_port == 49152);
  REQUIRE(socket->Send(kFour, 65535, kPacket));
  CHECK(Await(*socket)->from_port == 49152);
  // Its own session now has to look further.
  REQUIRE(socket->Send(kFour, 49152, kPacket));
  CHECK(Await(*socket)->from_port == 49153);
}

TEST_CASE("a socket that is in use stays open, one that was idle for longest is closed") {
  const Host host;
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  const auto is_free = [](std::uint16_t port) { return UdpSocket::Bind({.address = kFour, .port = port}).has_value(); };
  REQUIRE(socket->Send(kFour, 50000, kPacket));
  REQUIRE(socket->Send(kFour, 50001, kPacket));
  REQUIRE_FALSE(is_free(50000));
  for (std::uint16_t port = 51000; port < 52000; ++port) {
    REQUIRE(socket->Send(kFour, port, kPacket));
    REQUIRE_FALSE(is_free(50001));
    REQUIRE(socket->Send(kFour, 50001, kPacket));
  }
  CHECK(is_free(50000));
}

TEST_CASE("more sessions than open sockets take turns, each with its own port") {
  const Host host;
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  for (int round = 0; round < 2; ++round) {
    for (std::uint16_t port = 50000; port < 50600; ++port) {
      REQUIRE(socket->Send(kFour, port, kPacket));
      const auto received = Await(*socket);
      REQUIRE(received);
      REQUIRE(received->from_port == port);
    }
  }
}

TEST_CASE("a datagram longer than any BFD packet is cut, not read beyond") {
  const Host host;
  auto socket = BfdSocket::Open();
  REQUIRE(socket);
  auto stranger = UdpSocket::Bind({.address = kFour, .port = 0});
  REQUIRE(stranger);
  REQUIRE(stranger->Send({.address = kFour, .port = 3784}, std::vector<std::uint8_t>(9000, 1)));
  const auto received = Await(*socket);
  REQUIRE(received);
  CHECK(received->bytes.size() == 256);
  REQUIRE(stranger->Send({.address = kFour, .port = 3784}, {}));
  CHECK(Await(*socket)->bytes.empty());
}

}  // namespace egressd::net
