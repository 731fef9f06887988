// Who else uses an egress IP, as heard on a real device. "The neighbour" is the other end of the cable.
#include <doctest/doctest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "egressd/kernel/announce.h"
#include "egressd/kernel/uplink_watch.h"
#include "kernel/announcement.h"
#include "reconcile_world.h"
#include "rtnl_outsider.h"
#include "support/sandbox.h"

namespace egressd::test {
namespace {

using kernel::Heard;

MacAddress MacOf(const std::string& device) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::ranges::copy(device, request.ifr_name);
  REQUIRE(::ioctl(socket.get(), SIOCGIFHWADDR, &request) == 0);
  MacAddress mac;
  std::ranges::copy_n(reinterpret_cast<const std::uint8_t*>(request.ifr_hwaddr.sa_data), 6, mac.bytes.begin());
  return mac;
}

// Every socket of this process, by its inode: what was opened or closed shows.
std::set<std::string> Sockets() {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (const auto target = std::filesystem::read_symlink(entry.path(), gone).string(); target.starts_with("socket:")) out.insert(target);
  }
  return out;
}

struct Cable {
  Sandbox sandbox;
  Outsider outsider;
  kernel::AnnounceSocket speaker;
  kernel::UplinkWatch watch;

  Cable() : speaker(kernel::AnnounceSocket::Open().value()), watch(kernel::UplinkWatch::Open().value()) { Plug(); }
  void Plug() {
    REQUIRE(outsider.MakeVeth("eth0", "neighbour") == 0);
    REQUIRE(outsider.SetUp("eth0") == 0);
    REQUIRE(outsider.SetUp("neighbour") == 0);
  }
  kernel::UplinkWatch::Wanted Everything() const {
    return {.devices = {"eth0"},
            .own = {MacOf("eth0")},
            .addresses = {Ip("203.0.113.10"), Ip("203.0.113.11"), Ip("2001:db8::10"), Ip("2001:db8::11")}};
  }
  // Everything up to what was heard about `last`; gives up after two seconds.
  std::vector<Heard> Until(const IpAddress& last) {
    std::vector<Heard> out;
    for (pollfd poll{.fd = watch.fd(), .events = POLLIN, .revents = 0}; ::poll(&poll, 1, 2000) == 1;) {
      for (const Heard& heard : watch.Take()) out.push_back(heard);
      if (std::ranges::contains(out, last, &Heard::address)) break;
    }
    return out;
  }
};

Heard Claim(const std::string& address) { return {.address = Ip(address), .device = "eth0", .mac = MacOf("neighbour")}; }
Heard Question(const std::string& address) { return {.address = Ip(address), .device = "eth0", .mac = MacOf("neighbour"), .probe = true}; }

}  // namespace

TEST_CASE("a neighbour that announces a watched address is heard, once, with its MAC address") {
  Cable cable;
  REQUIRE(cable.watch.Watch(cable.Everything()));
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.10")}, "neighbour"));
  CHECK(cable.Until(Ip("203.0.113.10")) == std::vector{Claim("203.0.113.10")});
  REQUIRE(cable.speaker.Announce(std::vector{Ip("2001:db8::10")}, "neighbour"));
  CHECK(cable.Until(Ip("2001:db8::10")) == std::vector{Claim("2001:db8::10")});
  CHECK(cable.watch.Take().empty());
}

TEST_CASE("other addresses are not heard, and wake nobody") {
  Cable cable;
  REQUIRE(cable.watch.Watch(cable.Everything()));
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.12"), Ip("2001:db8::12")}, "neighbour"));
  pollfd poll{.fd = cable.watch.fd(), .events = POLLIN, .revents = 0};
  CHECK(::poll(&poll, 1, 0) == 0);
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.11")}, "neighbour"));
  CHECK(cable.Until(Ip("203.0.113.11")) == std::vector{Claim("203.0.113.11")});
}

TEST_CASE("what this host itself sends, on this device or another one of it, is not heard") {
  Cable cable;
  auto wanted = cable.Everything();
  wanted.own.insert(MacOf("neighbour"));
  REQUIRE(cable.watch.Watch(wanted));
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.10"), Ip("2001:db8::10")}, "neighbour"));
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.10"), Ip("2001:db8::10")}, "eth0"));
  pollfd poll{.fd = cable.watch.fd(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&poll, 1, 2000) == 1);
  CHECK(cable.watch.Take().empty());
}

TEST_CASE("the kernel of whoever has the address answers a probe") {
  Cable cable;
  REQUIRE(cable.outsider.AddAddress("neighbour", "203.0.113.10/32") == 0);
  REQUIRE(cable.outsider.AddAddress("neighbour", "2001:db8::10/128") == 0);
  REQUIRE(cable.outsider.ComesToRest());  // its own duplicate address detection is over
  REQUIRE(cable.watch.Watch(cable.Everything()));
  REQUIRE(cable.speaker.Probe(std::vector{Ip("203.0.113.10"), Ip("203.0.113.11")}, "eth0"));
  CHECK(cable.Until(Ip("203.0.113.10")) == std::vector{Claim("203.0.113.10")});
  REQUIRE(cable.speaker.Probe(std::vector{Ip("2001:db8::10"), Ip("2001:db8::11")}, "eth0"));
  CHECK(cable.Until(Ip("2001:db8::10")) == std::vector{Claim("2001:db8::10")});
  CHECK(cable.watch.Take().empty());
}

TEST_CASE("a neighbour that probes asks, and claims nothing") {
  Cable cable;
  REQUIRE(cable.watch.Watch(cable.Everything()));
  REQUIRE(cable.speaker.Probe(std::vector{Ip("203.0.113.10"), Ip("2001:db8::10")}, "neighbour"));
  auto heard = cable.Until(Ip("203.0.113.10"));
  if (!std::ranges::contains(heard, Ip("2001:db8::10"), &Heard::address)) {
    std::ranges::copy(cable.Until(Ip("2001:db8::10")), std::back_inserter(heard));
  }
  CHECK(heard == std::vector{Question("203.0.113.10"), Question("2001:db8::10")});
}

TEST_CASE("what is watched changes without opening or closing a socket") {
  Cable cable;
  REQUIRE(cable.watch.Watch(cable.Everything()));
  const auto sockets = Sockets();
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.10")}, "neighbour"));
  REQUIRE(cable.watch.Watch({}));
  CHECK(cable.watch.Take().empty());  // it had arrived, but nobody wants it any more
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.10"), Ip("2001:db8::10")}, "neighbour"));
  pollfd poll{.fd = cable.watch.fd(), .events = POLLIN, .revents = 0};
  CHECK(::poll(&poll, 1, 0) == 0);
  auto wanted = cable.Everything();
  wanted.addresses = {Ip("203.0.113.11"), Ip("2001:db8::11")};
  REQUIRE(cable.watch.Watch(wanted));
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.10"), Ip("203.0.113.11")}, "neighbour"));
  CHECK(cable.Until(Ip("203.0.113.11")) == std::vector{Claim("203.0.113.11")});
  CHECK(Sockets() == sockets);
}

TEST_CASE("a device that was down is heard again when it is up") {
  Cable cable;
  REQUIRE(cable.watch.Watch(cable.Everything()));
  REQUIRE(cable.outsider.SetDown("eth0") == 0);
  CHECK(cable.watch.Take().empty());
  REQUIRE(cable.outsider.SetUp("eth0") == 0);
  REQUIRE(cable.outsider.ComesToRest());
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.10")}, "neighbour"));
  CHECK(cable.Until(Ip("203.0.113.10")) == std::vector{Claim("203.0.113.10")});
}

TEST_CASE("a device that is gone is an error that names it; made anew, the same sockets listen on it") {
  Cable cable;
  REQUIRE(cable.watch.Watch(cable.Everything()));
  const auto wanted = cable.Everything();
  REQUIRE(cable.outsider.RemoveLink("eth0") == 0);
  CHECK(cable.watch.Take().empty());
  CHECK(cable.watch.Watch(wanted).error().message == "watch eth0: device eth0: No such device");
  const auto sockets = Sockets();
  cable.Plug();
  REQUIRE(cable.watch.Watch(cable.Everything()));
  CHECK(Sockets() == sockets);
  REQUIRE(cable.outsider.ComesToRest());
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.10")}, "neighbour"));
  CHECK(cable.Until(Ip("203.0.113.10")) == std::vector{Claim("203.0.113.10")});
  REQUIRE(cable.speaker.Announce(std::vector{Ip("2001:db8::10")}, "neighbour"));
  CHECK(cable.Until(Ip("2001:db8::10")) == std::vector{Claim("2001:db8::10")});
}

TEST_CASE("a device that cannot be watched does not keep the others") {
  Cable cable;
  auto wanted = cable.Everything();
  wanted.devices.insert("absent0");
  CHECK(cable.watch.Watch(wanted).error().message == "watch absent0: device absent0: No such device");
  REQUIRE(cable.speaker.Announce(std::vector{Ip("203.0.113.10")}, "neighbour"));
  CHECK(cable.Until(Ip("203.0.113.10")) == std::vector{Claim("203.0.113.10")});
}

TEST_CASE("frames of a VLAN that this host is not in are not heard") {
  Cable cable;
  REQUIRE(cable.watch.Watch(cable.Everything()));
  const Fd raw(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(::if_nametoindex("neighbour"));
  const auto send = [&](std::vector<std::uint8_t> tag) {
    const MacAddress mac = MacOf("neighbour");
    std::vector<std::uint8_t> frame(6, 0xff);
    frame.insert(frame.end(), mac.bytes.begin(), mac.bytes.end());
    frame.insert(frame.end(), tag.begin(), tag.end());
    frame.insert(frame.end(), {0x08, 0x06});
    const auto arp = kernel::ArpAnnouncement(Ip("203.0.113.10"), mac, kernel::ArpForm::kReply);
    frame.insert(frame.end(), arp.begin(), arp.end());
    REQUIRE(::sendto(raw.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) > 0);
  };
  send({0x81, 0x00, 0x00, 0x07});
  pollfd poll{.fd = cable.watch.fd(), .events = POLLIN, .revents = 0};
  CHECK(::poll(&poll, 1, 0) == 0);
  send({});
  CHECK(cable.Until(Ip("203.0.113.10")) == std::vector{Claim("203.0.113.10")});
}

}  // namespace egressd::test
