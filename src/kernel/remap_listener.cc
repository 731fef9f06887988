#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "egressd/kernel/translations.h"
#include "kernel/conntrack_message.h"
#include "kernel/remap_filter.h"
#include "kernel/sysctl.h"
#include "kernel/translation.h"

namespace egressd::kernel {

Result<RemapListener> RemapListener::Open(std::span<const Prefix> tunnel_networks, const MarkMatch& decided) {
  if (ReadSysctl("net/netfilter/nf_conntrack_events") == "0")
    return Fail(ErrorKind::kUnavailable, "changed source ports are not seen: net.netfilter.nf_conntrack_events is 0");
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!fd.is_open()) return std::unexpected(SystemError("connection tracking: listening", errno));
  // Before the socket joins, so that nothing unfiltered waits in it.
  auto filter = RemapFilter(tunnel_networks, decided);
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()), .filter = filter.data()};
  const int group = NFNLGRP_CONNTRACK_NEW;
  // A socket without a number of its own would have that of the kernel, who does not hear himself.
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0 ||
      ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
    return std::unexpected(SystemError("connection tracking: listening", errno));
  }
  return RemapListener(std::move(fd), decided);
}

RemapListener::Taken RemapListener::Take() {
  Taken taken;
  for (;;) {
    const auto size = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == ENOBUFS) {
      taken.lost = true;
      continue;
    }
    if (size <= 0) return taken;
    ByteSpan rest{buffer_.data(), static_cast<std::size_t>(size)};
    while (const auto* message = NextMessage(rest)) {
      const auto connection = DecodeConnection(message);
      if (connection && IsRemapped(*connection, decided_)) taken.translations.push_back(OutOfTunnel(*connection, decided_));
    }
  }
}

}  // namespace egressd::kernel
