// The filters in the kernel's own interpreter: a socket of any kind runs them, so no device and no privilege is needed.
#include "kernel/uplink_filter.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <random>

#include "egressd/base/fd.h"
#include "kernel/announcement.h"
#include "kernel/uplink_frame.h"
#include "uplink_captured.h"

namespace egressd::test {
namespace {

using Addresses = std::set<IpAddress>;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

// Two ends; what the program refuses does not arrive.
struct Filtered {
  Fd in, out;
  explicit Filtered(kernel::FilterProgram program) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    in = Fd(ends[0]), out = Fd(ends[1]);
    const sock_fprog argument{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
    REQUIRE(::setsockopt(out.get(), SOL_SOCKET, SO_ATTACH_FILTER, &argument, sizeof argument) == 0);
  }
  bool Passes(const Frame& frame) const {
    REQUIRE(::send(in.get(), frame.data(), frame.size(), 0) >= 0);
    std::uint8_t buffer[2048];
    return ::recv(out.get(), buffer, sizeof buffer, 0) >= 0;
  }
};

void Write(Frame& frame, std::size_t at, const IpAddress& address) {
  std::ranges::copy(address.bytes(), frame.begin() + static_cast<std::ptrdiff_t>(at));
}

template <typename Packet>
Frame Ipv6Frame(const Packet& packet) {
  Frame frame(kernel::kEthernetHeaderBytes);
  frame[12] = 0x86, frame[13] = 0xdd;
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

}  // namespace

TEST_CASE("frames about a watched address pass, others do not") {
  const Filtered arp(kernel::ArpFilter({Ip("203.0.113.10"), Ip("203.0.113.12"), Ip("2001:db8::10")}));
  CHECK(arp.Passes(FromHex(kArpRequest)));
  CHECK(arp.Passes(FromHex(kArpReply)));
  CHECK_FALSE(arp.Passes(FromHex(kUnsolicited)));
  Frame other = FromHex(kArpReply);
  other[31] = 11;
  CHECK_FALSE(arp.Passes(other));
  const Filtered neighbours(kernel::NeighbourFilter({Ip("203.0.113.10"), Ip("2001:db8::10")}));
  for (const auto text : {kUnsolicited, kSolicited, kSolicitation, kNeighbourProbe}) CHECK(neighbours.Passes(FromHex(text)));
  CHECK_FALSE(neighbours.Passes(FromHex(kArpReply)));
  const Filtered elsewhere(kernel::NeighbourFilter({Ip("2001:db8::1")}));
  for (const auto text : {kUnsolicited, kSolicited, kSolicitation, kNeighbourProbe}) CHECK_FALSE(elsewhere.Passes(FromHex(text)));
}

TEST_CASE("without addresses, and when closed, nothing passes") {
  for (const auto& program : {kernel::ArpFilter({}), kernel::NeighbourFilter({}), kernel::ClosedFilter()}) {
    const Filtered filtered(program);
    for (const auto text : {kArpRequest, kArpReply, kUnsolicited, kNeighbourProbe}) CHECK_FALSE(filtered.Passes(FromHex(text)));
  }
}

TEST_CASE("a filter never refuses a frame in which its decoder finds a watched address") {
  std::mt19937 random(4711);
  const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); };
  std::size_t found = 0;
  for (int round = 0; round < 60; ++round) {
    Addresses addresses;
    for (std::uint32_t i = 0, count = 1 + below(40); i < count; ++i) {
      addresses.insert(IpAddress::Ipv4(0xcb007100 + below(256)));
      addresses.insert(*Ip("2001:db8::").Plus(below(256)));
    }
    if (round % 10 == 0) addresses.insert({IpAddress::Ipv4(0xffffffff), Ip("2001:db8::ffff:ffff")});
    const Filtered arp(kernel::ArpFilter(addresses)), neighbours(kernel::NeighbourFilter(addresses));
    const auto check = [&](const Filtered& filtered, const Frame& frame, const std::optional<kernel::Claim>& claim) {
      if (!claim || !addresses.contains(claim->address)) return;
      ++found;
      CHECK(filtered.Passes(frame));
    };
    for (int i = 0; i < 300; ++i) {
      Frame frame = FromHex(i % 2 == 0 ? kArpRequest : kArpReply);
      Write(frame, 28, i % 3 == 0 ? Ip("0.0.0.0") : IpAddress::Ipv4(0xcb007100 + below(256)));
      Write(frame, 38, IpAddress::Ipv4(0xcb007100 + below(256)));
      if (i % 7 == 0) frame[below(static_cast<std::uint32_t>(frame.size()))] = static_cast<std::uint8_t>(random());
      check(arp, frame, kernel::DecodeArp(frame));
      const IpAddress target = *Ip("2001:db8::").Plus(below(256));
      const Frame message = i % 2 == 0 ? Ipv6Frame(kernel::NeighbourAdvertisement(target, {})) : Ipv6Frame(kernel::NeighbourProbe(target));
      check(neighbours, message, kernel::DecodeNeighbourDiscovery(message));
    }
  }
  CHECK(found > 2000);
}

TEST_CASE("more ranges than a filter holds let every frame of the right form pass") {
  Addresses addresses;
  for (std::uint32_t i = 0; i <= kernel::kFilterRanges; ++i) {
    addresses.insert(IpAddress::Ipv4(0x0a000000 + 2 * i));
    addresses.insert(*Ip("fd00::").Plus(2 * i));
  }
  const Filtered arp(kernel::ArpFilter(addresses)), neighbours(kernel::NeighbourFilter(addresses));
  CHECK(arp.Passes(FromHex(kArpReply)));
  CHECK(neighbours.Passes(FromHex(kUnsolicited)));
  CHECK_FALSE(arp.Passes(FromHex(kUnsolicited)));
  CHECK_FALSE(neighbours.Passes(FromHex(kArpReply)));
  addresses.erase(Ip("10.0.0.0")), addresses.erase(Ip("fd00::"));
  CHECK_FALSE(Filtered(kernel::ArpFilter(addresses)).Passes(FromHex(kArpReply)));
}

}  // namespace egressd::test
