#include "egressd/kernel/conntrack.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "kernel/conntrack_message.h"

namespace egressd::kernel {
namespace {

// Holds the answers to every message of the largest datagram sent here.
constexpr int kReceiveBytes = 1 << 20;

}  // namespace

Conntrack::Conntrack(std::unique_ptr<NetfilterSocket> socket) : socket_(std::move(socket)) {}
Conntrack::Conntrack(Conntrack&&) noexcept = default;
Conntrack& Conntrack::operator=(Conntrack&&) noexcept = default;
Conntrack::~Conntrack() = default;

Result<Conntrack> Conntrack::Open() {
  auto socket = NetfilterSocket::Open();
  if (!socket) return std::unexpected(std::move(socket.error()).In("connection tracking"));
  if (::setsockopt(socket->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBytes, sizeof(kReceiveBytes)) != 0)
    return std::unexpected(SystemError("connection tracking: receive buffer", errno));
  return Conntrack(std::make_unique<NetfilterSocket>(std::move(*socket)));
}

Result<void> Conntrack::ForEach(const std::function<void(const Connection&)>& visit) {
  return DumpConnections(*socket_, {}, [&](const DecodedConnection& decoded) { visit(ToConnection(decoded)); });
}

Result<std::size_t> Conntrack::DeleteIf(const std::function<bool(const Connection&)>& doomed) {
  return DeleteWhere(*socket_, {}, [&](const DecodedConnection& decoded) { return doomed(ToConnection(decoded)); });
}

}  // namespace egressd::kernel
