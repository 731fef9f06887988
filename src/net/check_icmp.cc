// icmp: an echo request is answered (RFC 792, RFC 4443 section 4). A raw socket, because ping sockets are not open to everybody.
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "net/attempt.h"
#include "net/socket.h"

namespace egressd::net {
namespace {

constexpr std::uint8_t kEcho = 8, kEchoReply = 0, kEcho6 = 128, kEchoReply6 = 129;
// Type, code, checksum, identifier, sequence; then what tells this question from all others of this host.
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kMessageBytes = 24;
constexpr std::size_t kAnswersAtOnce = 64;
using Message = std::array<std::uint8_t, kMessageBytes>;

std::uint16_t Checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += std::uint32_t{bytes[i]} << 8 | bytes[i + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xffff);
}

Message Request(Family family, std::uint64_t serial) {
  const std::uint64_t process = static_cast<std::uint64_t>(::getpid());
  Message message{};
  message[0] = family == Family::kIpv4 ? kEcho : kEcho6;
  std::memcpy(message.data() + 4, &process, 2);
  std::memcpy(message.data() + 6, &serial, 2);
  std::memcpy(message.data() + kHeaderBytes, &process, sizeof process);
  std::memcpy(message.data() + kHeaderBytes + sizeof process, &serial, sizeof serial);
  if (family == Family::kIpv6) return message;  // the kernel fills in the checksum of ICMPv6 (RFC 3542 section 3.1)
  const std::uint16_t sum = Checksum(message);
  message[2] = static_cast<std::uint8_t>(sum >> 8);
  message[3] = static_cast<std::uint8_t>(sum & 0xff);
  return message;
}

class IcmpAttempt final : public Attempt {
 public:
  IcmpAttempt(Fd fd, Family family, const Message& request) : Attempt(std::move(fd)), family_(family), request_(request) {}

  std::uint32_t events() const override { return EPOLLIN; }

  std::optional<Outcome> Advance() override {
    std::array<std::uint8_t, 128> buffer;  // an IPv4 header with all its options, and the message
    for (std::size_t n = 0; n < kAnswersAtOnce; ++n) {
      const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return std::nullopt;
      if (got < 0) return std::unexpected(FailureOf(errno));
      if (IsAnswer(std::span(buffer.data(), static_cast<std::size_t>(got)))) return Outcome();
    }
    return std::nullopt;
  }

 private:
  // The kernel shows an IPv4 raw socket the packet from its IP header on, an IPv6 one from the ICMPv6 message on.
  bool IsAnswer(std::span<const std::uint8_t> packet) const {
    if (family_ == Family::kIpv4) {
      if (packet.empty()) return false;
      packet = packet.subspan(std::min<std::size_t>(packet.size(), (packet[0] & 0xfu) * 4));
    }
    if (packet.size() != request_.size()) return false;
    const bool is_reply = packet[0] == (family_ == Family::kIpv4 ? kEchoReply : kEchoReply6);
    return is_reply && std::ranges::equal(packet.subspan(4), std::span(request_).subspan(4));
  }

  Family family_;
  Message request_;
};

// Everything but replies stays outside: on a busy host the rest would fill the buffer.
void RepliesOnly(const Fd& fd, Family family) {
  if (family == Family::kIpv4) {
    const icmp_filter filter{.data = ~(std::uint32_t{1} << kEchoReply)};
    ::setsockopt(fd.get(), SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
    SetOption(fd, IPPROTO_IP, IP_RECVERR, 1);  // "no route to host" from a router counts at once
  } else {
    icmp6_filter filter{};
    std::ranges::fill(filter.data, ~std::uint32_t{0});
    filter.data[kEchoReply6 / 32] &= ~(std::uint32_t{1} << (kEchoReply6 % 32));
    ::setsockopt(fd.get(), IPPROTO_ICMPV6, ICMPV6_FILTER, &filter, sizeof filter);
    SetOption(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
  }
}

}  // namespace

Started StartIcmp(const policy::HealthCheck& check, const std::optional<std::string>& device, std::uint64_t serial) {
  const Family family = check.target.address.family();
  const int protocol = family == Family::kIpv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  auto fd = OpenTowards({.address = check.target.address, .port = 0}, device, SOCK_RAW, protocol);
  if (!fd) return std::unexpected(std::move(fd.error()));
  RepliesOnly(*fd, family);
  const Message request = Request(family, serial);
  if (::send(fd->get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return std::unexpected(FailureOf(errno));
  return std::make_unique<IcmpAttempt>(std::move(*fd), family, request);
}

}  // namespace egressd::net
