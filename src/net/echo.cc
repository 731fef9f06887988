#include "egressd/net/echo.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <format>
#include <span>
#include <utility>

#include "egressd/base/ids.h"
#include "net/socket.h"

namespace egressd::net {
namespace {

constexpr std::size_t kMessageBytes = 8;  // type, code, checksum, identifier, sequence
// RFC 792 and RFC 4443 section 4.
constexpr std::uint8_t kEcho = 8, kEchoReply = 0, kEcho6 = 128, kEchoReply6 = 129;

constexpr sock_filter Statement(unsigned code, std::uint32_t k) {
  return {.code = static_cast<std::uint16_t>(code), .jt = 0, .jf = 0, .k = k};
}
// Goes on with the next one if the accumulator is `k`, else over `over` of them.
constexpr sock_filter IfEqual(std::uint32_t k, std::uint8_t over) {
  return {.code = BPF_JMP | BPF_JEQ | BPF_K, .jt = 0, .jf = over, .k = k};
}

// The kernel shows an IPv4 raw socket the packet from its IP header on, an IPv6 one from the ICMPv6 message on.
std::array<sock_filter, 7> RepliesOnly(Family family, std::uint16_t identifier) {
  const bool ipv4 = family == Family::kIpv4;
  return {ipv4 ? Statement(BPF_LDX | BPF_B | BPF_MSH, 0) : Statement(BPF_LDX | BPF_W | BPF_IMM, 0),  // X = where the message begins
          Statement(BPF_LD | BPF_B | BPF_IND, 0),
          IfEqual(ipv4 ? kEchoReply : kEchoReply6, 3),
          Statement(BPF_LD | BPF_H | BPF_IND, 4),
          IfEqual(identifier, 1),
          Statement(BPF_RET | BPF_K, 0xffffffff),
          Statement(BPF_RET | BPF_K, 0)};
}

Result<Fd> Open(Family family, std::uint16_t identifier) {
  const bool ipv4 = family == Family::kIpv4;
  const int protocol = ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  Fd fd(::socket(ipv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd.is_open()) return std::unexpected(SystemError(std::format("raw socket ({})", ToString(family)), errno));
  if (auto attached = Attach(fd, RepliesOnly(family, identifier)); !attached) return std::unexpected(std::move(attached.error()));
  if (ipv4) {
    SetOption(fd, IPPROTO_IP, IP_TTL, 1);
    SetOption(fd, IPPROTO_IP, IP_PKTINFO, 1);
  } else {
    SetOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1);
    SetOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  }
  Prioritise(fd, family);
  SetOption(fd, SOL_SOCKET, SO_MARK, static_cast<int>(kDaemonMark));
  // What came between the making of the socket and its filter.
  std::array<std::uint8_t, kMessageBytes> nothing;
  for (;;) {
    const auto early = ReceiveFrom(fd, nothing);
    if (!early) return std::unexpected(early.error());
    if (!*early) return fd;
  }
}

// 0 = there is no such device now.
int IndexOf(const Fd& fd, const std::string& device) {
  ifreq request{};
  if (device.size() >= sizeof request.ifr_name) return 0;
  std::ranges::copy(device, request.ifr_name);
  return ::ioctl(fd.get(), SIOCGIFINDEX, &request) == 0 ? request.ifr_ifindex : 0;
}

std::array<std::uint8_t, kMessageBytes> Request(Family family, std::uint16_t identifier, std::uint16_t sequence) {
  const auto high = [](unsigned value) { return static_cast<std::uint8_t>(value >> 8); };
  const auto low = [](unsigned value) { return static_cast<std::uint8_t>(value & 0xff); };
  const std::uint8_t type = family == Family::kIpv4 ? kEcho : kEcho6;
  std::array<std::uint8_t, kMessageBytes> message{type, 0, 0, 0, high(identifier), low(identifier), high(sequence), low(sequence)};
  if (family == Family::kIpv6) return message;  // the kernel fills in the checksum of ICMPv6 (RFC 3542 section 3.1)
  std::uint32_t sum = (std::uint32_t{kEcho} << 8) + identifier + sequence;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  message[2] = high(~sum & 0xffff);
  message[3] = low(~sum & 0xffff);
  return message;
}

// What follows the IP header, if any.
std::span<const std::uint8_t> MessageIn(Family family, std::span<const std::uint8_t> packet) {
  if (family == Family::kIpv6 || packet.empty()) return packet;
  return packet.subspan(std::min<std::size_t>(packet.size(), (packet[0] & 0xfu) * 4));
}

}  // namespace

Result<EchoSocket> EchoSocket::Open(std::uint16_t identifier, std::string device) {
  EchoSocket socket;
  socket.identifier_ = identifier;
  socket.device_ = std::move(device);
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    if (!HostHas(family)) continue;
    auto fd = net::Open(family, identifier);
    if (!fd) return std::unexpected(std::move(fd.error()).In("echo"));
    socket.sockets_.emplace(family, std::move(*fd));
  }
  return socket;
}

std::vector<int> EchoSocket::fds() const {
  std::vector<int> fds;
  for (const auto& [family, fd] : sockets_) fds.push_back(fd.get());
  return fds;
}

void EchoSocket::SetSource(const IpAddress& source) { sources_[source.family()] = source; }

Result<void> EchoSocket::Send(const IpAddress& to, std::uint16_t sequence) {
  const auto socket = sockets_.find(to.family());
  if (socket == sockets_.end()) return {};
  // By name each time: a device that was made anew has another index.
  Way way{.device = IndexOf(socket->second, device_)};
  if (way.device == 0) return {};
  if (const auto source = sources_.find(to.family()); source != sources_.end()) way.source = source->second;
  return SendTo(socket->second, {.address = to}, way, Request(to.family(), identifier_, sequence));
}

Result<std::optional<EchoSocket::Received>> EchoSocket::Receive() {
  std::array<std::uint8_t, 128> buffer;  // an IPv4 header with all its options and more
  for (const auto& [family, fd] : sockets_) {
    for (;;) {
      const auto arrival = ReceiveFrom(fd, buffer);
      if (!arrival) return std::unexpected(arrival.error());
      if (!*arrival) break;
      const auto message = MessageIn(family, std::span(buffer.data(), (*arrival)->size_bytes));
      if (message.size() < kMessageBytes || (*arrival)->device != IndexOf(fd, device_)) continue;
      return Received{.from = (*arrival)->from.address, .sequence = static_cast<std::uint16_t>(message[6] << 8 | message[7])};
    }
  }
  return std::nullopt;
}

}  // namespace egressd::net
