#include "egressd/kernel/conntrack.h"

#include "kernel/conntrack_message.h"

namespace egressd::kernel {

Result<void> ForEachConnection(const std::function<void(const Connection&)>& visit) {
  auto socket = OpenConntrack();
  if (!socket) return std::unexpected(std::move(socket.error()));
  return DumpConnections(*socket, {}, [&](const DecodedConnection& decoded) { visit(ToConnection(decoded)); });
}

Result<std::size_t> DeleteConnections(const std::function<bool(const Connection&)>& doomed) {
  return DeleteWhere({}, [&](const DecodedConnection& decoded) { return doomed(ToConnection(decoded)); });
}

}  // namespace egressd::kernel
