#include "kernel/conntrack_message.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <format>

namespace egressd::kernel {
namespace {

// An entry that was asked for takes about 1.3 KiB of the receive buffer, an error 0.8.
constexpr std::size_t kMessagesAtOnce = 256;

std::uint16_t TypeOf(int message) { return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message); }

nlmsghdr* PutHeader(std::uint8_t* bytes, std::uint16_t type, std::uint8_t family) {
  auto* message = mnl_nlmsg_put_header(bytes);
  message->nlmsg_type = type;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  *header = {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
  return message;
}

void PutOptional(nlmsghdr* message, std::uint16_t type, ByteSpan value) {
  if (!value.empty()) mnl_attr_put(message, type, value.size(), value.data());
}

struct Head {
  int type;
  int flags;
};
Head HeadOf(ConntrackMessages::Kind kind) {
  switch (kind) {
    case ConntrackMessages::Kind::kCreate: return {.type = IPCTNL_MSG_CT_NEW, .flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL};
    case ConntrackMessages::Kind::kUpdate: return {.type = IPCTNL_MSG_CT_NEW, .flags = NLM_F_REQUEST};
    case ConntrackMessages::Kind::kGet: return {.type = IPCTNL_MSG_CT_GET, .flags = NLM_F_REQUEST};
    case ConntrackMessages::Kind::kDelete: break;
  }
  return {.type = IPCTNL_MSG_CT_DELETE, .flags = NLM_F_REQUEST};
}

}  // namespace

Result<void> DumpConnections(NetfilterSocket& socket, const MarkMatch& mark, const std::function<void(const DecodedConnection&)>& visit) {
  alignas(8) std::array<std::uint8_t, 64> bytes{};
  auto* request = PutHeader(bytes.data(), TypeOf(IPCTNL_MSG_CT_GET), AF_UNSPEC);
  if (mark.mask != 0) {
    mnl_attr_put_u32(request, CTA_MARK, htonl(mark.value));
    mnl_attr_put_u32(request, CTA_MARK_MASK, htonl(mark.mask));
  }
  auto done = socket.Dump(request, [&](const nlmsghdr* message) {
    const auto decoded = DecodeConnection(message);
    if (decoded && mark.Matches(decoded->mark)) visit(*decoded);
  });
  if (!done) return std::unexpected(std::move(done.error()).In("connection tracking"));
  return done;
}

Result<std::size_t> DeleteWhere(NetfilterSocket& socket, const MarkMatch& mark,
                                const std::function<bool(const DecodedConnection&)>& doomed) {
  ConntrackMessages deletions;
  auto dumped = DumpConnections(socket, mark, [&](const DecodedConnection& connection) {
    if (doomed(connection)) deletions.AddDelete(connection);
  });
  if (!dumped) return std::unexpected(std::move(dumped.error()));
  std::size_t deleted = deletions.size();
  Result<void> refused;
  auto sent = deletions.Exchange(socket, [&](std::size_t, const nlmsghdr* message) {
    const auto answer = DecodeAnswer(message);
    if (!answer || answer->error == 0) return;
    --deleted;
    if (answer->error != ENOENT && refused)
      refused = Fail(ErrorKind::kSystem, std::format("connection tracking: deleting: {}", ToString(*answer)));
  });
  if (!sent) return std::unexpected(std::move(sent.error()));
  if (!refused) return std::unexpected(std::move(refused.error()));
  return deleted;
}

nlmsghdr* ConntrackMessages::Begin(Kind kind, Family family) {
  const Head head = HeadOf(kind);
  auto* message = PutHeader(scratch_.data(), TypeOf(head.type), family == Family::kIpv4 ? AF_INET : AF_INET6);
  message->nlmsg_flags = static_cast<std::uint16_t>(head.flags);
  return message;
}

void ConntrackMessages::End() {
  const auto* message = reinterpret_cast<const nlmsghdr*>(scratch_.data());
  EGRESSD_ASSERT(message->nlmsg_len <= kMessageBytes && message->nlmsg_len % 4 == 0);
  bytes_.insert(bytes_.end(), scratch_.data(), scratch_.data() + message->nlmsg_len);
  ends_.push_back(bytes_.size());
}

void ConntrackMessages::AddDelete(const DecodedConnection& connection) {
  auto* message = Begin(Kind::kDelete, connection.original.source.family());
  mnl_attr_put(message, CTA_TUPLE_ORIG | NLA_F_NESTED, connection.tuple.size(), connection.tuple.data());
  PutOptional(message, CTA_ZONE, connection.zone);
  PutOptional(message, CTA_ID, connection.id);
  End();
}

void ConntrackMessages::Clear() {
  bytes_.clear();
  ends_.clear();
}

Result<void> ConntrackMessages::Exchange(NetfilterSocket& socket, const Answer& answer) {
  std::vector<std::uint8_t> buffer;
  for (std::size_t first = 0; first < size();) {
    const std::size_t count = std::min(size() - first, kMessagesAtOnce);
    const std::uint32_t sequence = socket.TakeSequences(static_cast<std::uint32_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t own = sequence + static_cast<std::uint32_t>(i);
      std::memcpy(bytes_.data() + BeginOf(first + i) + offsetof(nlmsghdr, nlmsg_seq), &own, sizeof(own));
    }
    const std::size_t begin = BeginOf(first), end = ends_[first + count - 1];
    if (auto sent = socket.Send(std::span(bytes_).subspan(begin, end - begin)); !sent)
      return std::unexpected(std::move(sent.error()).In("connection tracking"));
    // The kernel has worked everything off: what it has to say waits.
    while (const long size = socket.Receive(buffer, MSG_DONTWAIT)) {
      if (size < 0) return std::unexpected(SystemError("connection tracking", static_cast<int>(-size)));
      ByteSpan rest{buffer.data(), static_cast<std::size_t>(size)};
      while (const auto* message = NextMessage(rest)) {
        const std::uint32_t index = message->nlmsg_seq - sequence;
        if (index < count) answer(first + index, message);
      }
    }
    first += count;
  }
  return {};
}

}  // namespace egressd::kernel
