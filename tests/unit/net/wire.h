// Devices for the sockets under test: loopback, and a TUN device whose other end the test holds in its hand.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/fd.h"

namespace egressd::test {

// Milliseconds until something that has to come counts as lost.
inline constexpr int kPatience = 30'000;

inline bool Readable(int fd, int milliseconds) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, milliseconds) == 1;
}
// Whether one of them becomes readable.
inline bool AnyReadable(const std::vector<int>& fds) {
  std::vector<pollfd> waiting;
  for (const int fd : fds) waiting.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  return ::poll(waiting.data(), waiting.size(), kPatience) > 0;
}

inline ifreq NameOf(const std::string& device) {
  ifreq request{};
  std::ranges::copy(device, request.ifr_name);
  return request;
}

inline void BringUp(const std::string& device) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = NameOf(device);
  REQUIRE(::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0);
  request.ifr_flags |= IFF_UP;
  REQUIRE(::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0);
}

// A point-to-point device that lives as long as this: what the kernel sends through it is read here, what is written here it receives.
class Tun {
 public:
  explicit Tun(const std::string& device) : fd_(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)), device_(device) {
    REQUIRE(fd_.is_open());
    ifreq request = NameOf(device);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    REQUIRE(::ioctl(fd_.get(), TUNSETIFF, &request) == 0);
  }
  // Up, with 198.19.0.1/16, 198.19.0.3 and fd65::1/64.
  void Configure() {
    const Fd four(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), six(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto set = [&](const std::string& label, unsigned long what, std::uint32_t value) {
      ifreq change = NameOf(label);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(value);
      std::memcpy(&change.ifr_addr, &address, sizeof address);
      REQUIRE(::ioctl(four.get(), what, &change) == 0);
    };
    set(device_, SIOCSIFADDR, 0xc6130001);
    set(device_, SIOCSIFNETMASK, 0xffff0000);
    set(device_ + ":1", SIOCSIFADDR, 0xc6130003);
    set(device_ + ":1", SIOCSIFNETMASK, 0xffff0000);
    BringUp(device_);
    ifreq request = NameOf(device_);
    REQUIRE(::ioctl(four.get(), SIOCGIFINDEX, &request) == 0);
    struct {
      in6_addr address;
      std::uint32_t length;
      int index;
    } with_length{};
    const auto own = IpAddress::Parse("fd65::1").value();
    std::memcpy(&with_length.address, own.bytes().data(), 16);
    with_length.length = 64;
    with_length.index = request.ifr_ifindex;
    REQUIRE(::ioctl(six.get(), SIOCSIFADDR, &with_length) == 0);
    // A work queue of the kernel makes it usable.
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = with_length.address;
    for (int waited = 0; ::bind(six.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0; ++waited) {
      REQUIRE(waited < kPatience);
      ::poll(nullptr, 0, 1);
    }
  }
  // The next packet that is not the kernel's own talk on a fresh device; nullopt when none comes for so long.
  std::optional<std::vector<std::uint8_t>> Read(int milliseconds) {
    std::vector<std::uint8_t> packet(2048);
    while (Readable(fd_.get(), milliseconds)) {
      const ssize_t got = ::read(fd_.get(), packet.data(), packet.size());
      if (got <= 0) return std::nullopt;
      const bool multicast = packet[0] >> 4 == 6 && packet[24] == 0xff;
      if (multicast) continue;
      packet.resize(static_cast<std::size_t>(got));
      return packet;
    }
    return std::nullopt;
  }
  void Write(std::span<const std::uint8_t> packet) {
    REQUIRE(::write(fd_.get(), packet.data(), packet.size()) == static_cast<ssize_t>(packet.size()));
  }

 private:
  Fd fd_;
  std::string device_;
};

inline std::uint32_t Sum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : bytes[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

}  // namespace egressd::test
