#include "kernel/nft_socket.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <format>

namespace egressd::kernel {
namespace {

// What the kernel fills at most into one datagram of a dump is 32 KiB; errors and notifications are smaller.
constexpr std::size_t kReceiveBytes = std::size_t{256} * 1024;
// A dump that never ends would hang the daemon; the kernel answers in microseconds.
constexpr timeval kReceiveTimeout{.tv_sec = 5, .tv_usec = 0};

Error FromAnswer(const NetlinkAnswer& answer) {
  auto error = SystemError("netlink", answer.error);
  error.message = "netlink: " + ToString(answer);
  if (answer.error == ENOENT) error.kind = ErrorKind::kNotFound;
  if (answer.error == EINTR || answer.error == EAGAIN || answer.error == EBUSY)
    error.kind = ErrorKind::kStale;
  return error;
}

}  // namespace

const nlmsghdr* NextMessage(ByteSpan& datagram) {
  if (datagram.size() < sizeof(nlmsghdr)) return nullptr;
  const auto* message = reinterpret_cast<const nlmsghdr*>(datagram.data());
  const std::size_t length = message->nlmsg_len;
  if (length < sizeof(nlmsghdr) || length > datagram.size()) return nullptr;
  datagram = datagram.subspan(std::min((length + 3) & ~std::size_t{3}, datagram.size()));
  return message;
}

std::optional<NetlinkAnswer> DecodeAnswer(const nlmsghdr* message) {
  if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_len < NLMSG_HDRLEN + sizeof(nlmsgerr))
    return std::nullopt;
  const ByteSpan bytes{reinterpret_cast<const std::uint8_t*>(message), message->nlmsg_len};
  nlmsgerr body;
  std::memcpy(&body, bytes.data() + NLMSG_HDRLEN, sizeof(body));
  NetlinkAnswer answer{.sequence = body.msg.nlmsg_seq, .error = -body.error};
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return answer;
  // The refused message itself stands in between, whole or only its header.
  std::size_t start = NLMSG_HDRLEN + sizeof(nlmsgerr);
  if ((message->nlmsg_flags & NLM_F_CAPPED) == 0 && body.msg.nlmsg_len > NLMSG_HDRLEN) {
    start += (std::size_t{body.msg.nlmsg_len} - NLMSG_HDRLEN + 3) & ~std::size_t{3};
  }
  if (start > bytes.size()) return answer;
  const Attributes attributes(bytes.subspan(start));
  answer.text = attributes.Text(NLMSGERR_ATTR_MSG).value_or("");
  if (const auto offset = attributes.Find(NLMSGERR_ATTR_OFFS);
      offset && offset->size() == sizeof(answer.offset)) {
    std::memcpy(&answer.offset, offset->data(),
                sizeof(answer.offset));  // host order, unlike nfnetlink's own attributes
  }
  return answer;
}

std::string ToString(const NetlinkAnswer& answer) {
  std::string text = std::strerror(answer.error);
  if (!answer.text.empty()) text += std::format(" ({})", answer.text);
  return text;
}

Result<NetfilterSocket> NetfilterSocket::Open() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!fd.is_open()) return std::unexpected(SystemError("netlink socket", errno));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  socklen_t length = sizeof(address);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return std::unexpected(SystemError("netlink socket", errno));
  }
  const int on = 1;
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
    if (::setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof(on)) != 0) {
      return std::unexpected(SystemError("netlink socket", errno));
    }
  }
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kReceiveTimeout, sizeof(kReceiveTimeout)) != 0) {
    return std::unexpected(SystemError("netlink socket", errno));
  }
  return NetfilterSocket(std::move(fd), address.nl_pid);
}

std::uint32_t NetfilterSocket::TakeSequences(std::uint32_t count) {
  // 0 would look like a notification.
  if (next_sequence_ > UINT32_MAX - count) next_sequence_ = 1;
  return std::exchange(next_sequence_, next_sequence_ + count);
}

long NetfilterSocket::Receive(std::vector<std::uint8_t>& buffer, int flags) {
  buffer.resize(kReceiveBytes);
  for (;;) {
    const auto size = ::recv(fd_.get(), buffer.data(), buffer.size(), flags | MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
    if (size < 0) return -errno;
    if (static_cast<std::size_t>(size) > buffer.size()) return -ENOBUFS;  // cut off: as good as lost
    return size;
  }
}

Result<void> NetfilterSocket::Send(std::span<const std::uint8_t> datagram) {
  // The kernel refuses a datagram larger than the send buffer. The privileged option has no upper limit but 1
  // GiB.
  if (datagram.size() + 4096 > send_buffer_bytes_) {
    const int wanted = static_cast<int>(
        std::min<std::size_t>(std::max<std::size_t>(datagram.size() + 4096, 256 * 1024), INT32_MAX / 2));
    if (::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) == 0) {
      send_buffer_bytes_ = static_cast<std::size_t>(wanted);
    }
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const auto sent = ::sendto(fd_.get(), datagram.data(), datagram.size(), 0,
                               reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
    if (sent >= 0) return {};
    if (errno == EINTR) continue;
    return std::unexpected(SystemError(std::format("netlink: sending {} bytes", datagram.size()), errno));
  }
}

Result<std::vector<NetlinkAnswer>> NetfilterSocket::TakeAnswers() {
  std::vector<NetlinkAnswer> answers;
  for (;;) {
    const long size = Receive(buffer_, MSG_DONTWAIT);
    if (size == 0) return answers;
    if (size == -ENOBUFS) return Fail(ErrorKind::kStale, "netlink: answers of the kernel were lost");
    if (size < 0) return std::unexpected(SystemError("netlink", static_cast<int>(-size)));
    ByteSpan rest{buffer_.data(), static_cast<std::size_t>(size)};
    while (const auto* message = NextMessage(rest)) {
      if (auto answer = DecodeAnswer(message)) answers.push_back(std::move(*answer));
    }
  }
}

Result<void> NetfilterSocket::Dump(nlmsghdr* request, const Visitor& visit) {
  request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request->nlmsg_seq = TakeSequences(1);
  if (auto sent = Send({reinterpret_cast<const std::uint8_t*>(request), request->nlmsg_len}); !sent)
    return sent;
  bool interrupted = false;
  for (;;) {
    const long size = Receive(buffer_, 0);
    if (size == 0) return Fail(ErrorKind::kTimeout, "netlink: the kernel does not end a dump");
    if (size < 0) return std::unexpected(SystemError("netlink", static_cast<int>(-size)));
    ByteSpan rest{buffer_.data(), static_cast<std::size_t>(size)};
    while (const auto* message = NextMessage(rest)) {
      if (message->nlmsg_seq != request->nlmsg_seq) continue;
      interrupted = interrupted || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message->nlmsg_type == NLMSG_DONE) {
        // The dump's own error, if it failed half-way.
        int error = 0;
        if (message->nlmsg_len >= NLMSG_HDRLEN + sizeof(error)) {
          std::memcpy(&error, reinterpret_cast<const std::uint8_t*>(message) + NLMSG_HDRLEN, sizeof(error));
        }
        if (error < 0) return std::unexpected(FromAnswer({.error = -error}));
        if (interrupted) return Fail(ErrorKind::kStale, "netlink: changed while it was read");
        return {};
      }
      if (message->nlmsg_type == NLMSG_ERROR) {
        const auto answer = DecodeAnswer(message);
        if (!answer) return Fail(ErrorKind::kSystem, "netlink: malformed error message");
        if (answer->error == 0) return {};
        return std::unexpected(FromAnswer(*answer));
      }
      if (message->nlmsg_type >= NLMSG_MIN_TYPE) visit(message);
    }
  }
}

Result<void> NetfilterSocket::Get(nlmsghdr* request, const Visitor& visit) {
  request->nlmsg_flags = NLM_F_REQUEST;
  request->nlmsg_seq = TakeSequences(1);
  if (auto sent = Send({reinterpret_cast<const std::uint8_t*>(request), request->nlmsg_len}); !sent)
    return sent;
  for (;;) {
    const long size = Receive(buffer_, 0);
    if (size == 0) return Fail(ErrorKind::kTimeout, "netlink: no answer from the kernel");
    if (size < 0) return std::unexpected(SystemError("netlink", static_cast<int>(-size)));
    ByteSpan rest{buffer_.data(), static_cast<std::size_t>(size)};
    while (const auto* message = NextMessage(rest)) {
      if (message->nlmsg_seq != request->nlmsg_seq) continue;
      if (message->nlmsg_type >= NLMSG_MIN_TYPE) {
        visit(message);
        return {};
      }
      if (const auto answer = DecodeAnswer(message)) return std::unexpected(FromAnswer(*answer));
    }
  }
}

}  // namespace egressd::kernel
