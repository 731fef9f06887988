#include "discover/channel.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <utility>

namespace egressd::discover {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 10U;
constexpr int kPieces = 4;  // in one call: other sockets get their turn

Error Refused(const std::string& path, int error_number) {
  Error error = SystemError(path, error_number);
  struct stat is{};
  if (::stat(path.c_str(), &is) < 0) {
    error.kind = ErrorKind::kNotFound;
  } else if (error_number == ECONNREFUSED || error_number == EAGAIN) {
    error.kind = ErrorKind::kUnavailable;
  } else if (error_number == EACCES || error_number == EPERM) {
    error.kind = ErrorKind::kPermission;
  }
  return error;
}

}  // namespace

Result<void> Channel::Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Fail(ErrorKind::kInvalid, path + ": too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return std::unexpected(SystemError("socket", errno));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return std::unexpected(Refused(path, errno));
  reader_ = std::make_unique<HttpReader>();  // the one before may have ended in the middle
  fd_ = std::move(fd);
  return {};
}

void Channel::Close() { fd_.Close(); }

Result<void> Channel::Get(std::string_view target, HttpReader::Body body) {
  const std::string request = std::format(
      "GET {} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: egressd/{}\r\nAccept: application/json\r\n\r\n", target, EGRESSD_VERSION);
  // Far smaller than the buffer of an idle connection: it fits, or something is wrong.
  const ssize_t sent = ::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return std::unexpected(SystemError("send", errno));
  if (static_cast<std::size_t>(sent) != request.size()) return Fail(ErrorKind::kSystem, "the socket takes no whole request");
  reader_->Expect(std::move(body));
  return {};
}

Result<void> Channel::Receive() {
  std::array<char, kPieceBytes> buffer;
  for (int piece = 0; piece < kPieces && fd_.is_open(); ++piece) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return {};
    if (got < 0) return std::unexpected(SystemError("receive", errno));
    if (got == 0) {
      const bool was_complete = reader_->is_complete();
      Close();
      if (was_complete) return {};
      return Fail(ErrorKind::kUnavailable, "the connection was closed");
    }
    if (auto fed = reader_->Feed(std::string_view(buffer.data(), static_cast<std::size_t>(got))); !fed) return fed;
    if (reader_->is_complete() && !reader_->may_go_on()) Close();
  }
  return {};
}

}  // namespace egressd::discover
