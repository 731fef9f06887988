#include "egressd/net/bfd.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <format>

#include "egressd/base/ids.h"
#include "net/socket.h"

namespace egressd::net {
namespace {

constexpr std::uint16_t kPort = 3784;              // RFC 5881 section 4
constexpr std::uint16_t kFirstSourcePort = 49152;
constexpr int kPortsToTry = 1024;
constexpr int kTimeToLive = 255;                   // RFC 5881 section 5
constexpr int kReceiveBufferBytes = 1 << 20;       // packets of many sessions while this process stands still
constexpr std::size_t kLargestPacketBytes = 256;   // the Length field has one byte
constexpr std::size_t kSenders = 512;              // open at a time; more sessions take turns

Result<Fd> Open(Family family) {
  Fd fd(::socket(family == Family::kIpv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  if (!fd.is_open()) return std::unexpected(SystemError("udp socket", errno));
  if (family == Family::kIpv6) SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  SetOption(fd, SOL_SOCKET, SO_MARK, static_cast<int>(kDaemonMark));
  return fd;
}

// 0 or an error number.
int Bind(const Fd& fd, Family family, std::uint16_t port) {
  constexpr std::array<std::uint8_t, 16> kAny{};
  auto any = Encode({.address = family == Family::kIpv4 ? IpAddress() : IpAddress::Ipv6(kAny), .port = port});
  return ::bind(fd.get(), any.get(), any.size) == 0 ? 0 : errno;
}

Result<Fd> OpenReceiver(Family family) {
  auto fd = Open(family);
  if (!fd) return fd;
  if (family == Family::kIpv4) {
    SetOption(*fd, IPPROTO_IP, IP_RECVTTL, 1);
  } else {
    SetOption(*fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
  }
  SetOption(*fd, SOL_SOCKET, SO_RCVBUF, kReceiveBufferBytes);
  const int error = Bind(*fd, family, kPort);
  if (error == 0) return fd;
  Error refused = SystemError(std::format("udp port {} ({})", kPort, ToString(family)), error);
  if (error == EADDRINUSE) {
    refused.kind = ErrorKind::kUnavailable;
    refused.message += "; another program speaks BFD on this host";
  }
  return std::unexpected(std::move(refused));
}

Result<Fd> OpenSender(Family family, std::uint16_t wanted_port) {
  // Nothing is received here.
  constexpr std::array<sock_filter, 1> kNothing{sock_filter{.code = BPF_RET | BPF_K, .jt = 0, .jf = 0, .k = 0}};
  auto fd = Open(family);
  if (!fd) return fd;
  if (auto attached = Attach(*fd, kNothing); !attached) return std::unexpected(std::move(attached.error()));
  if (family == Family::kIpv4) {
    SetOption(*fd, IPPROTO_IP, IP_TTL, kTimeToLive);
  } else {
    SetOption(*fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, kTimeToLive);
  }
  Prioritise(*fd, family);
  int error = 0;
  for (int port = wanted_port, tried = 0; tried < kPortsToTry; ++tried, ++port) {
    if (port < kFirstSourcePort || port > 65535) port = kFirstSourcePort;
    error = Bind(*fd, family, static_cast<std::uint16_t>(port));
    if (error == 0) return fd;
    if (error != EADDRINUSE) break;
  }
  return std::unexpected(SystemError(std::format("udp port {} ({})", wanted_port, ToString(family)), error));
}

}  // namespace

Result<BfdSocket> BfdSocket::Open() {
  BfdSocket socket;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    if (!HostHas(family)) continue;
    auto fd = OpenReceiver(family);
    if (!fd) return std::unexpected(std::move(fd.error()).In("bfd"));
    socket.receivers_.emplace(family, std::move(*fd));
  }
  return socket;
}

std::vector<int> BfdSocket::fds() const {
  std::vector<int> fds;
  for (const auto& [family, fd] : receivers_) fds.push_back(fd.get());
  return fds;
}

void BfdSocket::SetSource(const IpAddress& source) { sources_[source.family()] = source; }

Result<BfdSocket::Sender*> BfdSocket::SenderFor(Family family, std::uint16_t port) {
  const auto known = senders_.find({family, port});
  if (known != senders_.end()) return &known->second;
  if (senders_.size() >= kSenders) {
    senders_.erase(std::ranges::min_element(senders_, {}, [](const auto& sender) { return sender.second.last_used; }));
  }
  auto fd = OpenSender(family, port);
  if (!fd) return std::unexpected(std::move(fd.error()).In("bfd"));
  return &senders_.emplace(std::pair(family, port), Sender{.fd = std::move(*fd)}).first->second;
}

Result<void> BfdSocket::Send(const IpAddress& to, std::uint16_t source_port, std::span<const std::uint8_t> bytes) {
  if (!receivers_.contains(to.family())) return {};
  auto sender = SenderFor(to.family(), source_port);
  if (!sender) return std::unexpected(std::move(sender.error()));
  (*sender)->last_used = ++sends_;
  Way way;
  if (const auto source = sources_.find(to.family()); source != sources_.end()) way.source = source->second;
  return SendTo((*sender)->fd, {.address = to, .port = kPort}, way, bytes);
}

Result<std::optional<BfdSocket::Received>> BfdSocket::Receive() {
  std::array<std::uint8_t, kLargestPacketBytes> buffer;
  for (const auto& [family, fd] : receivers_) {
    const auto arrival = ReceiveFrom(fd, buffer);
    if (!arrival) return std::unexpected(arrival.error());
    if (!*arrival) continue;
    const std::span bytes(buffer.data(), (*arrival)->size_bytes);
    return Received{.from = (*arrival)->from.address,
                    .from_port = (*arrival)->from.port,
                    .time_to_live = static_cast<std::uint8_t>((*arrival)->time_to_live),
                    .bytes = {bytes.begin(), bytes.end()}};
  }
  return std::nullopt;
}

}  // namespace egressd::net
