// Announcements as the neighbour at the other end of the wire sees them.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <vector>

#include "egressd/kernel/announce.h"
#include "kernel/announcement.h"
#include "reconcile_world.h"
#include "rtnl_outsider.h"
#include "support/sandbox.h"

namespace egressd::test {
namespace {

using Frame = std::vector<std::uint8_t>;

kernel::AnnounceSocket OpenSocket() {
  auto socket = kernel::AnnounceSocket::Open();
  REQUIRE(socket);
  return std::move(*socket);
}

struct Wire {
  Sandbox sandbox;
  Outsider outsider;
  Fd far_end;

  Wire() {
    REQUIRE(outsider.MakeVeth("eth0", "eth0peer") == 0);
    REQUIRE(outsider.SetUp("eth0") == 0);
    REQUIRE(outsider.SetUp("eth0peer") == 0);
    far_end = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex("eth0peer"));
    REQUIRE(::bind(far_end.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  // The next frame whose bytes from `offset` are `bytes`; empty after two seconds.
  Frame Next(std::size_t offset, const Frame& bytes) {
    for (pollfd poll{.fd = far_end.get(), .events = POLLIN, .revents = 0}; ::poll(&poll, 1, 2000) == 1;) {
      Frame frame(2048);
      frame.resize(static_cast<std::size_t>(::recv(far_end.get(), frame.data(), frame.size(), 0)));
      if (frame.size() >= offset + bytes.size() && std::equal(bytes.begin(), bytes.end(), frame.begin() + static_cast<long>(offset))) {
        return frame;
      }
    }
    return {};
  }
};

}  // namespace

TEST_CASE("an IPv4 address is announced as ARP request and reply to everybody") {
  Wire wire;
  REQUIRE(OpenSocket().Announce(std::vector{Ip("203.0.113.10")}, "eth0"));
  for (const std::uint8_t operation : {std::uint8_t{1}, std::uint8_t{2}}) {
    const Frame frame = wire.Next(12, {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation});
    REQUIRE(frame.size() >= 42);
    CHECK(Frame(frame.begin(), frame.begin() + 6) == Frame(6, 0xff));
    CHECK(Frame(frame.begin() + 6, frame.begin() + 12) == Frame(frame.begin() + 22, frame.begin() + 28));
    CHECK(Frame(frame.begin() + 28, frame.begin() + 32) == Frame{203, 0, 113, 10});
    CHECK(Frame(frame.begin() + 38, frame.begin() + 42) == Frame{203, 0, 113, 10});
  }
}

TEST_CASE("an IPv6 address is announced as unsolicited neighbour advertisement with override") {
  Wire wire;
  REQUIRE(OpenSocket().Announce(std::vector{Ip("2001:db8::10")}, "eth0"));
  const Frame frame = wire.Next(54, {136, 0});
  REQUIRE(frame.size() == 86);
  CHECK(Frame(frame.begin(), frame.begin() + 6) == Frame{0x33, 0x33, 0, 0, 0, 1});
  CHECK(frame[21] == 255);            // hop limit
  CHECK(frame[58] == 0x20);           // override only
  const auto address = Ip("2001:db8::10");
  CHECK(std::equal(address.bytes().begin(), address.bytes().end(), frame.begin() + 22));
  CHECK(std::equal(address.bytes().begin(), address.bytes().end(), frame.begin() + 62));
  // The sum over pseudo header and message, checksum included, is all ones.
  std::uint32_t sum = 32 + 58;
  for (std::size_t i = 22; i < frame.size(); i += 2) sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  CHECK(sum == 0xffff);
}

TEST_CASE("a probe for an IPv4 address is an ARP request from nobody to everybody") {
  Wire wire;
  REQUIRE(OpenSocket().Probe(std::vector{Ip("203.0.113.10")}, "eth0"));
  const Frame frame = wire.Next(12, {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1});
  REQUIRE(frame.size() >= 42);
  CHECK(Frame(frame.begin(), frame.begin() + 6) == Frame(6, 0xff));
  CHECK(Frame(frame.begin() + 6, frame.begin() + 12) == Frame(frame.begin() + 22, frame.begin() + 28));
  CHECK(Frame(frame.begin() + 28, frame.begin() + 38) == Frame(10, 0));
  CHECK(Frame(frame.begin() + 38, frame.begin() + 42) == Frame{203, 0, 113, 10});
}

TEST_CASE("a probe for an IPv6 address is a neighbour solicitation from nobody to the address's group") {
  Wire wire;
  REQUIRE(OpenSocket().Probe(std::vector{Ip("2001:db8::a:b0c")}, "eth0"));
  const Frame frame = wire.Next(0, {0x33, 0x33, 0xff, 0x0a, 0x0b, 0x0c});
  REQUIRE(frame.size() == 78);
  CHECK(Frame(frame.begin() + 22, frame.begin() + 38) == Frame(16, 0));
  CHECK(Frame(frame.begin() + 38, frame.begin() + 54) == Frame{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x0a, 0x0b, 0x0c});
  CHECK(frame[54] == 135);
}

TEST_CASE("an address that cannot be sent does not keep the others") {
  Wire wire;
  const auto socket = OpenSocket();
  REQUIRE(wire.outsider.SetMtu("eth0", 68) == 0);  // room for ARP, not for a neighbour advertisement
  const auto announced = socket.Announce(std::vector{Ip("2001:db8::10"), Ip("203.0.113.10")}, "eth0");
  REQUIRE_FALSE(announced);
  CHECK(announced.error().message == "announce 2001:db8::10 on eth0: send: Message too long");
  CHECK(wire.Next(28, {203, 0, 113, 10}).size() >= 42);
}

TEST_CASE("a device that is down or gone is an error that names it") {
  Wire wire;
  const auto socket = OpenSocket();
  REQUIRE(wire.outsider.SetDown("eth0") == 0);
  const std::vector address{Ip("203.0.113.10")};
  CHECK(socket.Announce(address, "eth0").error().message == "announce 203.0.113.10 on eth0: device eth0: Network is down");
  CHECK(socket.Probe(address, "eth9").error().message == "probe 203.0.113.10 on eth9: device eth9: No such device");
}

TEST_CASE("a device without neighbours is told nothing, and that is no error") {
  Wire wire;
  REQUIRE(wire.outsider.SetUp("lo") == 0);
  CHECK(OpenSocket().Announce(std::vector{Ip("203.0.113.10"), Ip("2001:db8::10")}, "lo"));
}

}  // namespace egressd::test
