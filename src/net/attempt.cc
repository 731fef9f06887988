#include "net/attempt.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <format>

#include "egressd/base/ids.h"
#include "net/socket.h"

namespace egressd::net {

Failure FailureOf(int error_number) {
  Failure text = ::strerror(error_number);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

std::expected<Fd, Failure> OpenTowards(const Endpoint& target, const std::optional<std::string>& device, int type, int protocol) {
  const int family = target.address.family() == Family::kIpv4 ? AF_INET : AF_INET6;
  Fd fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd.is_open()) return std::unexpected(FailureOf(errno));
  SetOption(fd, SOL_SOCKET, SO_MARK, static_cast<int>(kDaemonMark));
  // What the node says to itself does not pass the uplink.
  if (device && !target.address.is_loopback() &&
      ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device->data(), static_cast<socklen_t>(device->size())) != 0) {
    return std::unexpected(std::format("device {}: {}", *device, FailureOf(errno)));
  }
  SocketAddress address = Encode(target);
  if (::connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) return std::unexpected(FailureOf(errno));
  return fd;
}

bool IsReady(const Fd& fd, std::uint32_t events) {
  pollfd waiting{.fd = fd.get(), .events = static_cast<short>(events == EPOLLIN ? POLLIN : POLLOUT), .revents = 0};
  return ::poll(&waiting, 1, 0) > 0;
}

std::optional<Outcome> Connected(const Fd& fd) {
  if (!IsReady(fd, EPOLLOUT)) return std::nullopt;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return std::unexpected(FailureOf(error));
  return Outcome();
}

}  // namespace egressd::net
