// tcp: a connection is accepted, and closed again without a word.
#include <sys/epoll.h>
#include <sys/socket.h>

#include "net/attempt.h"

namespace egressd::net {
namespace {

class TcpAttempt final : public Attempt {
 public:
  explicit TcpAttempt(Fd fd) : Attempt(std::move(fd)) {}
  std::uint32_t events() const override { return EPOLLOUT; }
  std::optional<Outcome> Advance() override { return Connected(fd_); }
};

}  // namespace

Started StartTcp(const policy::HealthCheck& check, const std::optional<std::string>& device) {
  auto fd = OpenTowards(check.target, device, SOCK_STREAM, 0);
  if (!fd) return std::unexpected(std::move(fd.error()));
  return std::make_unique<TcpAttempt>(std::move(*fd));
}

}  // namespace egressd::net
