#include "net/socket.h"

#include <netinet/in.h>

#include <cerrno>
#include <cstring>

namespace egressd::net {
namespace {

constexpr int kAttempts = 16;
constexpr int kClassSelector6 = 0xc0;  // RFC 4594 section 3.1: network control
constexpr int kPriorityControl = 7;    // TC_PRIO_CONTROL of linux/pkt_sched.h

// Room for a pktinfo of either family and a hop limit.
using Control = std::array<std::uint8_t, 128>;

template <typename T>
void Put(msghdr& message, std::span<std::uint8_t> control, int level, int type, const T& value) {
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(sizeof value);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
}

template <typename T>
T Get(const cmsghdr& header) {
  T value{};
  std::memcpy(&value, CMSG_DATA(&header), sizeof value);
  return value;
}

void Read(msghdr& message, Arrival& arrival) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    const auto is = [&](int level, int type) { return header->cmsg_level == level && header->cmsg_type == type; };
    if (is(IPPROTO_IP, IP_TTL) || is(IPPROTO_IPV6, IPV6_HOPLIMIT)) arrival.time_to_live = Get<int>(*header);
    if (is(IPPROTO_IP, IP_PKTINFO)) arrival.device = Get<in_pktinfo>(*header).ipi_ifindex;
    if (is(IPPROTO_IPV6, IPV6_PKTINFO)) arrival.device = static_cast<int>(Get<in6_pktinfo>(*header).ipi6_ifindex);
  }
}

}  // namespace

SocketAddress Encode(const Endpoint& endpoint) {
  SocketAddress out;
  const auto bytes = endpoint.address.bytes();
  if (endpoint.address.family() == Family::kIpv4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&out.storage, &address, sizeof address);
    out.size = sizeof address;
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(endpoint.port);
    std::memcpy(&address.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&out.storage, &address, sizeof address);
    out.size = sizeof address;
  }
  return out;
}

Endpoint Decode(const SocketAddress& from) {
  if (from.storage.ss_family == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, &from.storage, sizeof address);
    return {.address = IpAddress::FromBytes(std::span(address.sin6_addr.s6_addr, 16)), .port = ntohs(address.sin6_port)};
  }
  sockaddr_in address{};
  std::memcpy(&address, &from.storage, sizeof address);
  return {.address = IpAddress::Ipv4(ntohl(address.sin_addr.s_addr)), .port = ntohs(address.sin_port)};
}

bool HostHas(Family family) {
  const Fd probe(::socket(family == Family::kIpv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return probe.is_open() || errno != EAFNOSUPPORT;
}

void SetOption(const Fd& fd, int level, int option, int value) { ::setsockopt(fd.get(), level, option, &value, sizeof value); }

Result<void> Attach(const Fd& fd, std::span<const sock_filter> program) {
  sock_fprog filter{.len = static_cast<unsigned short>(program.size()), .filter = const_cast<sock_filter*>(program.data())};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) {
    return std::unexpected(SystemError("attach a packet filter", errno));
  }
  return {};
}

void Prioritise(const Fd& fd, Family family) {
  if (family == Family::kIpv4) {
    SetOption(fd, IPPROTO_IP, IP_TOS, kClassSelector6);
  } else {
    SetOption(fd, IPPROTO_IPV6, IPV6_TCLASS, kClassSelector6);
  }
  // After IP_TOS, which sets a priority of its own.
  SetOption(fd, SOL_SOCKET, SO_PRIORITY, kPriorityControl);
}

Result<void> SendTo(const Fd& fd, const Endpoint& to, const Way& way, std::span<const std::uint8_t> bytes) {
  SocketAddress address = Encode(to);
  iovec part{.iov_base = const_cast<std::uint8_t*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_name = address.get();
  message.msg_namelen = address.size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) Control control{};
  if (to.address.family() == Family::kIpv4) {
    in_pktinfo from{};
    from.ipi_ifindex = way.device;
    if (way.source) std::memcpy(&from.ipi_spec_dst, way.source->bytes().data(), sizeof from.ipi_spec_dst);
    Put(message, control, IPPROTO_IP, IP_PKTINFO, from);
  } else {
    in6_pktinfo from{};
    from.ipi6_ifindex = static_cast<unsigned>(way.device);
    if (way.source) std::memcpy(&from.ipi6_addr, way.source->bytes().data(), sizeof from.ipi6_addr);
    Put(message, control, IPPROTO_IPV6, IPV6_PKTINFO, from);
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (::sendmsg(fd.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
    switch (errno) {
      case EINTR: continue;
      case EBADF:
      case EFAULT:
      case EMSGSIZE:
      case ENOTSOCK: return std::unexpected(SystemError("send to " + to.address.ToString(), errno));
      default: return {};  // EINVAL among them: a source address that this host does not have
    }
  }
  return {};
}

Result<std::optional<Arrival>> ReceiveFrom(const Fd& fd, std::span<std::uint8_t> buffer) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    SocketAddress from;
    iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
    alignas(cmsghdr) Control control{};
    msghdr message{};
    message.msg_name = from.get();
    message.msg_namelen = sizeof from.storage;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(fd.get(), &message, MSG_DONTWAIT);
    if (got >= 0) {
      Arrival arrival{.from = Decode(from), .size_bytes = static_cast<std::size_t>(got)};
      Read(message, arrival);
      return arrival;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    if (errno == EBADF || errno == EFAULT || errno == EINVAL || errno == ENOTSOCK) return std::unexpected(SystemError("receive", errno));
    // EINTR, ENETDOWN of a device that went, or an ICMP error that an earlier packet earned: taken off the socket by this call.
  }
  return std::nullopt;
}

}  // namespace egressd::net
