#include "egressd/net/echo.h"

#include "support/sandbox.h"
#include "unit/net/wire.h"

namespace egressd::net {
namespace {

constexpr std::uint16_t kIdentifier = 0xe9e5;
const IpAddress kOwn4 = IpAddress::Parse("198.19.0.1").value(), kPeer4 = IpAddress::Parse("198.19.0.2").value();
const IpAddress kOwn6 = IpAddress::Parse("fd65::1").value(), kPeer6 = IpAddress::Parse("fd65::2").value();
using Packet = std::vector<std::uint8_t>;

std::size_t HeaderBytes(const Packet& packet) { return packet[0] >> 4 == 4 ? 20 : 40; }

std::uint32_t ChecksumBase(const Packet& packet) {  // of the pseudo header of ICMPv6
  if (packet[0] >> 4 == 4) return 0;
  return test::Sum(std::span(packet).subspan(8, 32)) + 58 + static_cast<std::uint32_t>(packet.size() - 40);
}

bool ChecksumIsRight(const Packet& packet) {
  std::uint32_t sum = ChecksumBase(packet) + test::Sum(std::span(packet).subspan(HeaderBytes(packet)));
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

// What a peer's kernel makes of a request: addresses swapped, type changed.
Packet ReplyTo(Packet packet) {
  const bool ipv4 = packet[0] >> 4 == 4;
  const auto at = [&](std::size_t offset) { return packet.begin() + static_cast<std::ptrdiff_t>(offset); };
  if (ipv4) {
    std::swap_ranges(at(12), at(16), at(16));
    packet[8] = 64;
    packet[10] = packet[11] = 0;
    const std::uint32_t sum = ~test::Sum(std::span(packet).first(20)) & 0xffff;
    packet[10] = static_cast<std::uint8_t>(sum >> 8);
    packet[11] = static_cast<std::uint8_t>(sum);
  } else {
    std::swap_ranges(at(8), at(24), at(24));
    packet[7] = 64;
  }
  const std::size_t message = HeaderBytes(packet);
  packet[message] = ipv4 ? 0 : 129;
  packet[message + 2] = packet[message + 3] = 0;
  std::uint32_t sum = ChecksumBase(packet) + test::Sum(std::span(packet).subspan(message));
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  packet[message + 2] = static_cast<std::uint8_t>(~sum >> 8);
  packet[message + 3] = static_cast<std::uint8_t>(~sum);
  return packet;
}

EchoSocket Open() {
  auto socket = EchoSocket::Open(kIdentifier, "egressd0");
  REQUIRE(socket);
  return std::move(*socket);
}

std::optional<EchoSocket::Received> Await(EchoSocket& socket) {
  test::AnyReadable(socket.fds());
  const auto received = socket.Receive();
  REQUIRE(received);
  return *received;
}
bool Silent(EchoSocket& socket) {
  const auto received = socket.Receive();
  REQUIRE(received);
  return !*received;
}

}  // namespace

TEST_CASE("a request leaves through the tunnel as the kernel of the peer wants it, and the reply is told") {
  const test::Sandbox sandbox;
  test::Tun tun("egressd0");
  tun.Configure();
  EchoSocket socket = Open();
  socket.SetSource(kOwn4);
  socket.SetSource(kOwn6);
  for (const auto& [own, peer] : {std::pair(kOwn4, kPeer4), std::pair(kOwn6, kPeer6)}) {
    CAPTURE(peer.ToString());
    const bool ipv4 = peer.family() == Family::kIpv4;
    REQUIRE(socket.Send(peer, 0xabcd));
    const auto request = tun.Read(test::kPatience);
    REQUIRE(request);
    const std::size_t message = HeaderBytes(*request);
    REQUIRE(request->size() == message + 8);
    CHECK((*request)[ipv4 ? 8 : 7] == 1);  // TTL
    if (ipv4) CHECK((*request)[1] == 0xc0);
    if (!ipv4) CHECK((((*request)[0] & 0x0f) << 4 | (*request)[1] >> 4) == 0xc0);
    CHECK(IpAddress::FromBytes(std::span(*request).subspan(ipv4 ? 12 : 8, own.bytes().size())) == own);
    CHECK((*request)[message] == (ipv4 ? 8 : 128));
    CHECK(((*request)[message + 4] << 8 | (*request)[message + 5]) == kIdentifier);
    CHECK(((*request)[message + 6] << 8 | (*request)[message + 7]) == 0xabcd);
    CHECK(ChecksumIsRight(*request));
    CHECK(Silent(socket));
    tun.Write(ReplyTo(*request));
    CHECK(Await(socket) == EchoSocket::Received{.from = peer, .sequence = 0xabcd});
    CHECK(Silent(socket));
  }
}

TEST_CASE("only replies to our own requests are told") {
  const test::Sandbox sandbox;
  test::Tun tun("egressd0");
  tun.Configure();
  EchoSocket socket = Open();
  for (const IpAddress& peer : {kPeer4, kPeer6}) {
    CAPTURE(peer.ToString());
    REQUIRE(socket.Send(peer, 1));
    const auto request = tun.Read(test::kPatience);
    REQUIRE(request);
    const std::size_t message = HeaderBytes(*request);
    // Somebody else's reply, and somebody's request to us with our identifier.
    Packet other = *request;
    other[message + 4] ^= 1;
    tun.Write(ReplyTo(other));
    Packet asked = ReplyTo(*request);
    asked[message] = (*request)[message];
    const std::uint32_t type = std::uint32_t{(*request)[message]} - (message == 20 ? 0 : 129);
    std::uint32_t sum = (~(std::uint32_t{asked[message + 2]} << 8 | asked[message + 3]) & 0xffff) + (type << 8);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    asked[message + 2] = static_cast<std::uint8_t>(~sum >> 8);
    asked[message + 3] = static_cast<std::uint8_t>(~sum);
    tun.Write(asked);
    REQUIRE(tun.Read(test::kPatience));  // the kernel answers it, so it was a valid request
    tun.Write(ReplyTo(*request));
    CHECK(Await(socket) == EchoSocket::Received{.from = peer, .sequence = 1});
    CHECK(Silent(socket));
  }
}

TEST_CASE("a reply through another device is passed over") {
  const test::Sandbox sandbox;
  test::Tun tun("egressd0");
  tun.Configure();
  EchoSocket socket = Open();
  REQUIRE(socket.Send(kPeer4, 5));
  const auto request = tun.Read(test::kPatience);
  REQUIRE(request);
  test::Tun elsewhere("other0");
  test::BringUp("other0");
  elsewhere.Write(ReplyTo(*request));
  REQUIRE(socket.Send(kPeer4, 6));
  const auto second = tun.Read(test::kPatience);
  REQUIRE(second);
  tun.Write(ReplyTo(*second));
  CHECK(Await(socket) == EchoSocket::Received{.from = kPeer4, .sequence = 6});
  CHECK(Silent(socket));
}

TEST_CASE("a request never leaves through another device, whatever the routes say") {
  const test::Sandbox sandbox;
  EchoSocket socket = Open();
  test::Tun elsewhere("other0");
  elsewhere.Configure();
  REQUIRE(socket.Send(kPeer4, 1));
  REQUIRE(socket.Send(kPeer6, 1));
  CHECK_FALSE(elsewhere.Read(50));
}

TEST_CASE("a tunnel that is not there, goes away or comes anew costs requests, nothing else") {
  const test::Sandbox sandbox;
  EchoSocket socket = Open();
  for (std::uint16_t round = 0; round < 3; ++round) {
    for (const IpAddress& peer : {kPeer4, kPeer6}) CHECK(socket.Send(peer, round));
    CHECK(Silent(socket));
    test::Tun tun("egressd0");
    for (const IpAddress& peer : {kPeer4, kPeer6}) CHECK(socket.Send(peer, round));  // still down
    tun.Configure();
    for (const IpAddress& peer : {kPeer4, kPeer6}) {
      REQUIRE(socket.Send(peer, round));
      const auto request = tun.Read(test::kPatience);
      REQUIRE(request);
      tun.Write(ReplyTo(*request));
      CHECK(Await(socket) == EchoSocket::Received{.from = peer, .sequence = round});
    }
  }
}

TEST_CASE("a source address that the host does not have loses requests") {
  const test::Sandbox sandbox;
  test::Tun tun("egressd0");
  tun.Configure();
  EchoSocket socket = Open();
  socket.SetSource(IpAddress::Parse("198.19.0.77").value());
  CHECK(socket.Send(kPeer4, 1));
  CHECK_FALSE(tun.Read(50));
  socket.SetSource(kOwn4);
  CHECK(socket.Send(kPeer4, 2));
  CHECK(tun.Read(test::kPatience));
}

TEST_CASE("a packet that is too short for a reply is passed over") {
  const test::Sandbox sandbox;
  test::Tun tun("egressd0");
  tun.Configure();
  EchoSocket socket = Open();
  for (const IpAddress& peer : {kPeer4, kPeer6}) {
    REQUIRE(socket.Send(peer, 1));
    const auto request = tun.Read(test::kPatience);
    REQUIRE(request);
    Packet cut = *request;
    cut.resize(cut.size() - 2);
    cut[peer == kPeer4 ? 3 : 5] -= 2;  // the length in the IP header
    tun.Write(ReplyTo(cut));
    tun.Write(ReplyTo(*request));
    CHECK(Await(socket) == EchoSocket::Received{.from = peer, .sequence = 1});
    CHECK(Silent(socket));
  }
}

}  // namespace egressd::net
