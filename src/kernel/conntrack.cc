// ctnetlink (net/netfilter/nf_conntrack_netlink.c). A connection is deleted by the very bytes of its original
// tuple, with its zone and id, so that a new one that took its place meanwhile is spared.
#include "egressd/kernel/conntrack.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <format>
#include <vector>

#include "kernel/conntrack_codec.h"
#include "kernel/nft_socket.h"

namespace egressd::kernel {
namespace {

// Deletions per datagram; each is acknowledged, and the answers must fit into the receive buffer.
constexpr std::size_t kDeletionsAtOnce = 128;
constexpr std::uint16_t kGet = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
constexpr std::uint16_t kDelete = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;

nlmsghdr* PutHeader(std::uint8_t* bytes, std::uint16_t type, std::uint8_t family) {
  auto* message = mnl_nlmsg_put_header(bytes);
  message->nlmsg_type = type;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  *header = {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
  return message;
}

Result<void> Dump(NetfilterSocket& socket, const NetfilterSocket::Visitor& visit) {
  alignas(8) std::array<std::uint8_t, 64> bytes{};
  auto* request = PutHeader(bytes.data(), kGet, AF_UNSPEC);
  auto done = socket.Dump(request, visit);
  if (!done) return std::unexpected(std::move(done.error()).In("connection tracking"));
  return done;
}

void PutOptional(nlmsghdr* message, std::uint16_t type, const std::vector<std::uint8_t>& value) {
  if (!value.empty()) mnl_attr_put(message, type, value.size(), value.data());
}

// Sends the deletions in one datagram; how many were found.
Result<std::size_t> Delete(NetfilterSocket& socket, std::span<const DecodedConnection> doomed) {
  std::vector<std::uint8_t> datagram;
  auto sequence = socket.TakeSequences(static_cast<std::uint32_t>(doomed.size()));
  for (const auto& each : doomed) {
    alignas(8) std::array<std::uint8_t, 1024> bytes;
    auto* message = PutHeader(bytes.data(), kDelete,
                              each.connection.source.family() == Family::kIpv4 ? AF_INET : AF_INET6);
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    message->nlmsg_seq = sequence++;
    mnl_attr_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, each.tuple.size(), each.tuple.data());
    PutOptional(message, CTA_ZONE, each.zone);
    PutOptional(message, CTA_ID, each.id);
    datagram.insert(datagram.end(), bytes.data(), bytes.data() + message->nlmsg_len);
  }
  if (auto sent = socket.Send(datagram); !sent)
    return std::unexpected(std::move(sent.error()).In("connection tracking"));
  const auto answers = socket.TakeAnswers();
  if (!answers) return std::unexpected(answers.error());
  std::size_t deleted = 0;
  for (const auto& answer : *answers) {
    if (answer.error == 0) ++deleted;
    if (answer.error != 0 && answer.error != ENOENT) {
      auto error = SystemError("", answer.error);
      error.message = std::format("connection tracking: deleting: {}", ToString(answer));
      return std::unexpected(std::move(error));
    }
  }
  return deleted;
}

}  // namespace

Result<void> ForEachConnection(const std::function<void(const Connection&)>& visit) {
  auto socket = NetfilterSocket::Open();
  if (!socket) return std::unexpected(std::move(socket.error()));
  return Dump(*socket, [&](const nlmsghdr* message) {
    if (const auto decoded = DecodeConnection(message)) visit(decoded->connection);
  });
}

Result<std::size_t> DeleteConnections(const std::function<bool(const Connection&)>& doomed) {
  auto socket = NetfilterSocket::Open();
  if (!socket) return std::unexpected(std::move(socket.error()));
  std::vector<DecodedConnection> found;
  auto dumped = Dump(*socket, [&](const nlmsghdr* message) {
    if (auto decoded = DecodeConnection(message); decoded && doomed(decoded->connection))
      found.push_back(std::move(*decoded));
  });
  if (!dumped) return std::unexpected(std::move(dumped.error()));
  std::size_t deleted = 0;
  for (std::span<const DecodedConnection> rest(found); !rest.empty();) {
    const auto now = rest.first(std::min(rest.size(), kDeletionsAtOnce));
    rest = rest.subspan(now.size());
    const auto count = Delete(*socket, now);
    if (!count) return count;
    deleted += *count;
  }
  return deleted;
}

}  // namespace egressd::kernel
