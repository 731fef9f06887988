// http: one GET request, of whose answer the status alone is read.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <format>
#include <string_view>

#include "net/attempt.h"
#include "net/http_status.h"

namespace egressd::net {
namespace {

constexpr int kFirstGood = 200;
constexpr int kFirstBad = 400;

class HttpAttempt final : public Attempt {
 public:
  HttpAttempt(Fd fd, std::string request) : Attempt(std::move(fd)), request_(std::move(request)) {}

  std::uint32_t events() const override { return sent_bytes_ < request_.size() ? EPOLLOUT : EPOLLIN; }

  std::optional<Outcome> Advance() override {
    if (!is_connected_) {
      const auto connected = Connected(fd_);
      if (!connected || !*connected) return connected;
      is_connected_ = true;
    }
    if (auto outcome = Send()) return outcome;
    return sent_bytes_ < request_.size() ? std::nullopt : Receive();
  }

 private:
  std::optional<Outcome> Send() {
    while (sent_bytes_ < request_.size()) {
      const std::string_view rest = std::string_view(request_).substr(sent_bytes_);
      const ssize_t sent = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno == EAGAIN) return std::nullopt;
      if (sent < 0) return std::unexpected(FailureOf(errno));
      sent_bytes_ += static_cast<std::size_t>(sent);
    }
    return std::nullopt;
  }

  std::optional<Outcome> Receive() {
    // No more than tells the status: what follows it is never read.
    while (received_bytes_ < answer_.size()) {
      const ssize_t got = ::recv(fd_.get(), answer_.data() + received_bytes_, answer_.size() - received_bytes_, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return std::nullopt;
      if (got < 0) return std::unexpected(FailureOf(errno));
      if (got == 0) return std::unexpected(received_bytes_ == 0 ? "closed without an answer" : "closed within the status line");
      received_bytes_ += static_cast<std::size_t>(got);
      const auto status = ParseStatus(std::string_view(answer_.data(), received_bytes_));
      if (!status) return std::unexpected(status.error().message);
      if (*status && (**status < kFirstGood || **status >= kFirstBad)) return std::unexpected(std::format("answered {}", **status));
      if (*status) return Outcome();
    }
    return std::unexpected("no HTTP answer");
  }

  std::string request_;
  std::size_t sent_bytes_ = 0;
  std::array<char, kStatusBytes> answer_{};
  std::size_t received_bytes_ = 0;
  bool is_connected_ = false;
};

}  // namespace

Started StartHttp(const policy::HealthCheck& check, const std::optional<std::string>& device) {
  auto fd = OpenTowards(check.target, device, SOCK_STREAM, 0);
  if (!fd) return std::unexpected(std::move(fd.error()));
  std::string request = std::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: egressd/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                                    check.path, check.host, EGRESSD_VERSION);
  return std::make_unique<HttpAttempt>(std::move(*fd), std::move(request));
}

}  // namespace egressd::net
