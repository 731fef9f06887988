#include "kernel/route_socket.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <algorithm>

namespace egressd::kernel {
namespace {

constexpr int kDumpAttempts = 10;
constexpr int kListenBufferBytes = 4 << 20;

Result<Fd> OpenSocket(int flags) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE));
  if (!fd.is_open()) return std::unexpected(SystemError("open rtnetlink", errno));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(SystemError("bind rtnetlink", errno));
  }
  return fd;
}

// Options that every kernel we know has, and without which only wording or speed suffers.
void Enable(int fd, int option) {
  const int on = 1;
  ::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

Refusal RefusalIn(const nlmsghdr& message) {
  const auto* const error = HeaderOf<nlmsgerr>(message);
  if (error == nullptr) return {EBADMSG, {}};
  Refusal refusal{-error->error, {}};
  if ((message.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return refusal;
  // The refused message stands in between, unless the kernel left its payload out.
  const std::size_t quoted = (message.nlmsg_flags & NLM_F_CAPPED) != 0 ? 0 : error->msg.nlmsg_len - sizeof(nlmsghdr);
  refusal.sentence = RouteAttributes(message, sizeof(nlmsgerr) + quoted).Text(NLMSGERR_ATTR_MSG);
  return refusal;
}

}  // namespace

Error Refusal::As(std::string_view what) const {
  Error error = SystemError(what, error_number);
  if (!sentence.empty()) error.message += ": " + sentence;
  return error;
}

Result<RouteSocket> RouteSocket::Open() {
  auto fd = OpenSocket(0);
  if (!fd) return std::unexpected(fd.error());
  Enable(fd->get(), NETLINK_EXT_ACK);
  Enable(fd->get(), NETLINK_CAP_ACK);
  Enable(fd->get(), NETLINK_GET_STRICT_CHK);
  return RouteSocket(std::move(*fd));
}

std::expected<void, Refusal> RouteSocket::Send(const RouteMessage& message, int flags) {
  nlmsghdr& header = message.header();
  header.nlmsg_seq = ++sequence_;
  header.nlmsg_flags = static_cast<std::uint16_t>(header.nlmsg_flags | flags);
  while (::send(fd_.get(), &header, header.nlmsg_len, 0) < 0) {
    if (errno != EINTR) return std::unexpected(Refusal{errno, {}});
  }
  return {};
}

std::expected<bool, Refusal> RouteSocket::Receive(const std::function<void(const nlmsghdr&)>& visit) {
  bool interrupted = false;
  for (;;) {
    const ssize_t received = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return std::unexpected(Refusal{errno, {}});
    if (static_cast<std::size_t>(received) > buffer_.size()) return std::unexpected(Refusal{EMSGSIZE, {}});
    int left = static_cast<int>(received);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(header, left) != 0; header = nlmsg_next(header, &left)) {
      if (header->nlmsg_seq != sequence_) continue;  // the tail of an answer that was given up
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (header->nlmsg_type == NLMSG_ERROR) {
        Refusal refusal = RefusalIn(*header);
        if (refusal.error_number != 0) return std::unexpected(std::move(refusal));
        return interrupted;
      }
      if (header->nlmsg_type == NLMSG_DONE) return interrupted;
      if (visit) visit(*header);
    }
  }
}

std::expected<void, Refusal> RouteSocket::Request(const RouteMessage& message) {
  if (auto sent = Send(message, NLM_F_ACK); !sent) return sent;
  auto answer = Receive(nullptr);
  if (!answer) return std::unexpected(std::move(answer.error()));
  return {};
}

std::expected<void, Refusal> RouteSocket::Dump(const RouteMessage& message, const std::function<void()>& begin,
                                               const std::function<void(const nlmsghdr&)>& visit) {
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    begin();
    if (auto sent = Send(message, NLM_F_DUMP); !sent) return sent;
    auto interrupted = Receive(visit);
    if (!interrupted) return std::unexpected(std::move(interrupted.error()));
    if (!*interrupted) return {};
  }
  return std::unexpected(Refusal{EAGAIN, "the table does not come to rest"});
}

Result<RouteListener> RouteListener::Open() {
  auto fd = OpenSocket(SOCK_NONBLOCK);
  if (!fd) return std::unexpected(fd.error());
  // Without the capability the smaller limit of the host applies; losses are noticed either way.
  if (::setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUFFORCE, &kListenBufferBytes, sizeof kListenBufferBytes) != 0) {
    ::setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUF, &kListenBufferBytes, sizeof kListenBufferBytes);
  }
  for (const int group : {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                          RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE}) {
    if (::setsockopt(fd->get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
      return std::unexpected(SystemError("subscribe to rtnetlink", errno));
    }
  }
  return RouteListener(std::move(*fd));
}

bool RouteListener::Take(const std::function<void(const nlmsghdr&)>& visit) {
  bool complete = true;
  for (;;) {
    const ssize_t received = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && errno == ENOBUFS) {
      complete = false;
      continue;
    }
    if (received <= 0) return complete;
    if (static_cast<std::size_t>(received) > buffer_.size()) complete = false;
    int left = static_cast<int>(std::min(static_cast<std::size_t>(received), buffer_.size()));
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(header, left) != 0; header = nlmsg_next(header, &left)) {
      visit(*header);
    }
  }
}

}  // namespace egressd::kernel
