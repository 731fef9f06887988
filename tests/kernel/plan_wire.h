// Frames on the two sides of a forwarding host: one end sends what a workload would send, the other sees what leaves.
#pragma once

#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/fd.h"
#include "egressd/policy/selection.h"

namespace egressd::test {

using Octets = std::vector<std::uint8_t>;

inline void Append16(Octets& to, std::uint32_t value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}
inline std::uint32_t At16(const Octets& octets, std::size_t offset) { return static_cast<std::uint32_t>(octets[offset]
    << 8 | octets[offset + 1]); }

inline std::uint32_t InternetChecksum(const Octets& octets) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < octets.size(); i += 2) sum += At16(octets, i);
  if (octets.size() % 2 != 0) sum += static_cast<std::uint32_t>(octets.back()) << 8;
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

// A UDP datagram (8 bytes of payload), or the first segment of a TCP connection.
inline Octets TransportOf(const policy::Flow& flow, std::uint16_t source_port) {
  Octets segment;
  Append16(segment, source_port);
  Append16(segment, flow.port);
  const bool udp = flow.protocol == IPPROTO_UDP;
  if (udp) {
    Append16(segment, 16);
    Append16(segment, 0);
    segment.insert(segment.end(), 8, 'x');
  } else {
    // sequence 1, no acknowledgement, five words, SYN, window 65535
    const Octets rest{0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0};
    segment.insert(segment.end(), rest.begin(), rest.end());
  }
  Octets pseudo;
  for (const IpAddress* address : {&flow.source, &flow.destination}) pseudo.insert(pseudo.end(), address->bytes().begin(),
      address->bytes().end());
  Append16(pseudo, flow.protocol);
  Append16(pseudo, static_cast<std::uint32_t>(segment.size()));
  pseudo.insert(pseudo.end(), segment.begin(), segment.end());
  const std::uint32_t sum = InternetChecksum(pseudo);
  const std::size_t place = udp ? 6 : 16;
  segment[place] = static_cast<std::uint8_t>(sum >> 8);
  segment[place + 1] = static_cast<std::uint8_t>(sum);
  return segment;
}

inline Octets PacketOf(const policy::Flow& flow, std::uint16_t source_port) {
  const Octets segment = TransportOf(flow, source_port);
  Octets packet;
  if (flow.source.family() == Family::kIpv4) {
    packet = {0x45, 0};
    Append16(packet, static_cast<std::uint32_t>(20 + segment.size()));
    // not to be fragmented, 64 hops
    const Octets rest{0, 0, 0x40, 0, 64, flow.protocol};
    packet.insert(packet.end(), rest.begin(), rest.end());
    Append16(packet, 0);
    for (const IpAddress* address : {&flow.source, &flow.destination}) packet.insert(packet.end(), address->bytes().begin(),
        address->bytes().end());
    const std::uint32_t sum = InternetChecksum(packet);
    packet[10] = static_cast<std::uint8_t>(sum >> 8);
    packet[11] = static_cast<std::uint8_t>(sum);
  } else {
    packet = {0x60, 0, 0, 0};
    Append16(packet, static_cast<std::uint32_t>(segment.size()));
    packet.push_back(flow.protocol);
    packet.push_back(64);
    for (const IpAddress* address : {&flow.source, &flow.destination}) packet.insert(packet.end(), address->bytes().begin(),
        address->bytes().end());
  }
  packet.insert(packet.end(), segment.begin(), segment.end());
  return packet;
}

// What was seen of a packet.
struct Seen {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;
  std::uint32_t source_port = 0;
  std::uint32_t destination_port = 0;
  std::size_t payload = 0;  // offset of what follows a UDP header
};

inline std::optional<Seen> Read(const Octets& packet) {
  if (packet.size() < 28) return std::nullopt;
  const bool ipv4 = packet[0] >> 4 == 4;
  const std::size_t header = ipv4 ? 20 : 40, width = ipv4 ? 4 : 16, place = ipv4 ? 12 : 8;
  if (packet.size() < header + 8) return std::nullopt;
  Seen seen{.protocol = packet[ipv4 ? 9 : 6], .payload = header + 8};
  seen.source = IpAddress::FromBytes(std::span(packet).subspan(place, width));
  seen.destination = IpAddress::FromBytes(std::span(packet).subspan(place + width, width));
  seen.source_port = At16(packet, header);
  seen.destination_port = At16(packet, header + 2);
  return seen;
}

// A packet socket on one device.
class Tap {
 public:
  explicit Tap(const std::string& device) : index_(static_cast<int>(::if_nametoindex(device.c_str()))) {
    fd_ = Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    sockaddr_ll address = Link(ETH_P_ALL);
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  }

  void Send(const Octets& packet, const std::array<std::uint8_t, 6>& to) {
    sockaddr_ll address = Link(packet[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
    address.sll_halen = ETH_ALEN;
    std::memcpy(address.sll_addr, to.data(), to.size());
    REQUIRE(::sendto(fd_.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof(address)) ==
            static_cast<ssize_t>(packet.size()));
  }

  // The next packet that came in; nullopt after ten seconds without one (a busy machine takes its time).
  std::optional<Octets> Receive() {
    constexpr int kWaitMilliseconds = 10000;
    for (;;) {
      pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, kWaitMilliseconds) != 1) return std::nullopt;
      Octets packet(2048);
      sockaddr_ll from{};
      socklen_t length = sizeof(from);
      const ssize_t size = ::recvfrom(fd_.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (size <= 0) return std::nullopt;
      if (from.sll_pkttype == PACKET_OUTGOING) continue;
      packet.resize(static_cast<std::size_t>(size));
      return packet;
    }
  }

 private:
  sockaddr_ll Link(int protocol) const {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(static_cast<std::uint16_t>(protocol));
    address.sll_ifindex = index_;
    return address;
  }
  int index_;
  Fd fd_;
};

inline ifreq RequestFor(const std::string& device) {
  ifreq request{};
  std::memcpy(request.ifr_name, device.c_str(), device.size());
  return request;
}

inline std::array<std::uint8_t, 6> MacOf(const std::string& device) {
  const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = RequestFor(device);
  REQUIRE(::ioctl(fd.get(), SIOCGIFHWADDR, &request) == 0);
  std::array<std::uint8_t, 6> mac{};
  std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
  return mac;
}

// Nobody answers for neighbours on this device; packets leave all the same.
inline void SwitchNeighboursOff(const std::string& device) {
  const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = RequestFor(device);
  REQUIRE(::ioctl(fd.get(), SIOCGIFFLAGS, &request) == 0);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_NOARP | IFF_UP);
  REQUIRE(::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0);
}

inline void WriteSysctl(const std::string& path, std::string_view value) {
  std::ofstream file("/proc/sys/" + path);
  file << value;
  file.flush();
  REQUIRE(file.good());
}

// Packets of one sender keep their order only while they stay on one processor.
struct OneProcessor {
  OneProcessor() {
    REQUIRE(::sched_getaffinity(0, sizeof(before), &before) == 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
    REQUIRE(::sched_setaffinity(0, sizeof(one), &one) == 0);
  }
  ~OneProcessor() { CHECK(::sched_setaffinity(0, sizeof(before), &before) == 0); }
  cpu_set_t before{};
};

}  // namespace egressd::test
