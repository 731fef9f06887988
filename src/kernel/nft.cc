#include "kernel/nft.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <format>
#include <utility>

#include "kernel/nft_batch.h"
#include "kernel/nft_codec.h"
#include "kernel/nft_lease.h"
#include "kernel/nft_socket.h"

namespace egressd::kernel {
namespace {

using state::NftFamily;

constexpr NftFamily kFamilies[] = {NftFamily::kInet, NftFamily::kArp};
// Somebody who changes nftables all the time must not keep us reading for ever.
constexpr int kObserveAttempts = 20;
// Datagrams per call of TakeNotifications; the descriptor stays readable when there are more.
constexpr int kNotificationsAtOnce = 10'000;
constexpr int kNotificationBufferBytes = 8 * 1024 * 1024;
// A batch of more steps is sent while nobody of us listens: the kernel tells of each element, which costs it as much as putting it there.
constexpr std::size_t kQuietSteps = 1000;

// A request of at most a few names.
class Request {
 public:
  explicit Request(std::uint16_t type, NftFamily family)
      : message_(nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(bytes_.data()), type,
                                       static_cast<std::uint16_t>(family), 0, 0)) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  nlmsghdr* message() { return message_; }

 private:
  alignas(8) std::array<std::uint8_t, 1024> bytes_{};
  nlmsghdr* message_;
};

// The kernel puts the port id of who asked into every notification; classic BPF reads words as big-endian.
Result<void> DropFrom(const NetfilterSocket& socket, std::uint32_t port) {
  constexpr std::uint32_t kPortOffset = 12;  // nlmsghdr::nlmsg_pid
  sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kPortOffset},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, htonl(port)},
      {BPF_RET | BPF_K, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, UINT32_MAX},
  };
  const sock_fprog program{.len = static_cast<unsigned short>(std::size(code)), .filter = code};
  if (::setsockopt(socket.fd(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0) {
    return std::unexpected(SystemError("nftables notifications", errno));
  }
  return {};
}

// NETLINK_ADD_MEMBERSHIP, NETLINK_DROP_MEMBERSHIP
Result<void> Member(const NetfilterSocket& socket, int option) {
  const int group = NFNLGRP_NFTABLES;
  if (::setsockopt(socket.fd(), SOL_NETLINK, option, &group, sizeof(group)) != 0) {
    return std::unexpected(SystemError("nftables notifications", errno));
  }
  return {};
}

Result<void> Subscribe(const NetfilterSocket& socket) {
  // Best effort: losing notifications costs a read of the table, no more.
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kNotificationBufferBytes,
               sizeof(kNotificationBufferBytes));
  return Member(socket, NETLINK_ADD_MEMBERSHIP);
}

std::string Describe(const NftBatch::Origin& origin) {
  auto text = std::visit([](const auto& object) { return state::ToString(object); }, origin.step->object);
  if (origin.rule != nullptr) text += std::format(": rule \"{}\"", origin.rule->text);
  return text;
}

}  // namespace

struct Nft::Body {
  NetfilterSocket socket;
  NetfilterSocket notifications;
  std::uint32_t generation = 0;
  NftKnown known;
  // Between the first message of somebody's change and the generation that ends it: whether it touched our
  // table.
  bool touched = false;
  bool missed = false;  // what somebody changed while we did not listen
  std::vector<std::uint8_t> notification;

  Result<std::uint32_t> ReadGeneration() {
    Request request(NFT_MSG_GETGEN, NftFamily::kInet);
    std::uint32_t result = 0;
    auto got =
        socket.Get(request.message(), [&](const nlmsghdr* message) { result = DecodeGeneration(message); });
    if (!got) return std::unexpected(std::move(got.error()).In("nftables generation"));
    return result;
  }

  Result<void> Dump(std::uint16_t type, NftFamily family, const NetfilterSocket::Visitor& visit) {
    Request request(type, family);
    mnl_attr_put_strz(request.message(), NFTA_TABLE_NAME,
                      kNftTable);  // the kernel filters where it can, the decoders always
    return socket.Dump(request.message(), visit);
  }

  Result<void> ObserveOnce(state::State& into);
  Result<void> ObserveFamily(NftFamily family, state::State& into);
  Result<void> ObserveElements(const state::NftSet& set, state::State& into);
  std::uint32_t SequencesFor(std::size_t steps);
  Result<void> Exchange(NftBatch& batch, ErrorKind for_gone_lease);
  Result<void> ExchangeQuietly(NftBatch& batch);
  Result<void> Judge(const NftBatch& batch, ErrorKind for_gone_lease);
};

Nft::Nft(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Nft::Nft(Nft&&) noexcept = default;
Nft& Nft::operator=(Nft&&) noexcept = default;
Nft::~Nft() = default;

Result<Nft> Nft::Open() {
  auto socket = NetfilterSocket::Open();
  if (!socket) return std::unexpected(std::move(socket.error()));
  auto notifications = NetfilterSocket::Open();
  if (!notifications) return std::unexpected(std::move(notifications.error()));
  if (auto done = DropFrom(*notifications, socket->port()); !done)
    return std::unexpected(std::move(done.error()));
  if (auto done = Subscribe(*notifications); !done) return std::unexpected(std::move(done.error()));
  return Nft(
      std::make_unique<Body>(Body{.socket = std::move(*socket), .notifications = std::move(*notifications)}));
}

Result<void> Nft::Body::ObserveElements(const state::NftSet& set, state::State& into) {
  Request request(NFT_MSG_GETSETELEM, set.key.family);
  EncodeName(request.message(), set.key.name);
  ElementDecoder decoder(set);
  auto done = socket.Dump(request.message(), [&](const nlmsghdr* message) { decoder.Take(message); });
  if (done) decoder.Finish(into.elements);
  return done;
}

Result<void> Nft::Body::ObserveFamily(NftFamily family, state::State& into) {
  bool there = false;
  auto done = socket.Dump(Request(NFT_MSG_GETTABLE, family).message(), [&](const nlmsghdr* message) {
    const auto table = DecodeTable(message);
    if (!table) return;
    there = true;
    if (table->flags == 0) state::Put(into.tables, table->table);
  });
  if (!done || !there) return done;
  done = Dump(NFT_MSG_GETOBJ, family, [&](const nlmsghdr* message) {
    if (auto counter = DecodeCounter(message)) state::Put(into.counters, std::move(counter->counter));
    if (auto limit = DecodeLimit(message)) state::Put(into.limits, std::move(*limit));
  });
  if (!done) return done;
  done = Dump(NFT_MSG_GETSET, family, [&](const nlmsghdr* message) {
    auto set = DecodeSet(message);
    if (set && *set != AwakeSet()) state::Put(into.sets, std::move(*set));
  });
  if (!done) return done;
  done = Dump(NFT_MSG_GETCHAIN, family, [&](const nlmsghdr* message) {
    auto decoded = DecodeChain(message);
    if (!decoded) return;
    if (!decoded->accepts) decoded->chain.rules.push_back({.text = "foreign policy"});
    known.chains.emplace(decoded->chain.key, decoded->chain.hook);
    state::Put(into.chains, std::move(decoded->chain));
  });
  if (!done) return done;
  return Dump(NFT_MSG_GETRULE, family, [&](const nlmsghdr* message) {
    auto decoded = DecodeRule(message);
    if (!decoded) return;
    if (const auto chain = into.chains.find(decoded->chain); chain != into.chains.end()) {
      chain->second.rules.push_back(std::move(decoded->rule));
    }
  });
}

Result<void> Nft::Body::ObserveOnce(state::State& into) {
  known = {};
  for (const NftFamily family : kFamilies) {
    if (auto done = ObserveFamily(family, into); !done) return done;
  }
  known.sets.insert(into.sets.begin(), into.sets.end());
  for (const auto& [name, set] : into.sets) {
    if (set.type == state::NftSet::Type::kNothing) continue;
    if (auto done = ObserveElements(set, into); !done) return done;
  }
  return {};
}

Result<void> Nft::ObserveLeases(state::State& into) {
  for (const auto& [name, set] : body_->known.sets) {
    if (!set.timeouts) continue;
    const auto first = into.elements.lower_bound({.set = name, .first = {}, .last = {}});
    auto last = first;
    bool any = false;
    for (; last != into.elements.end() && last->first.set == name; ++last) any = any || last->second.timeout;
    if (!any) continue;
    into.elements.erase(first, last);
    if (auto done = body_->ObserveElements(set, into); !done) return done;
  }
  return {};
}

Result<void> Nft::Observe(state::State& into) {
  for (int attempt = 0; attempt < kObserveAttempts; ++attempt) {
    const auto before = body_->ReadGeneration();
    if (!before) return std::unexpected(before.error());
    state::State observed;
    auto done = body_->ObserveOnce(observed);
    const auto after = body_->ReadGeneration();
    if (!after) return std::unexpected(after.error());
    // What failed while somebody changed it (a set that went before its elements were read) may be well the
    // next time.
    if (*before != *after || (!done && done.error().kind == ErrorKind::kStale)) continue;
    if (!done) return std::unexpected(std::move(done.error()).In("reading nftables"));
    body_->generation = *after;
    into.tables = std::move(observed.tables);
    into.counters = std::move(observed.counters);
    into.limits = std::move(observed.limits);
    into.sets = std::move(observed.sets);
    into.chains = std::move(observed.chains);
    into.elements = std::move(observed.elements);
    return {};
  }
  return Fail(ErrorKind::kStale, "nftables changes faster than it can be read");
}

std::uint32_t Nft::Body::SequencesFor(std::size_t steps) {
  // Far more numbers than messages: they only have to be different.
  return socket.TakeSequences(static_cast<std::uint32_t>(std::min<std::size_t>(steps * 64 + 16, 1U << 28)));
}

Result<void> Nft::Body::Exchange(NftBatch& batch, ErrorKind for_gone_lease) {
  if (auto lost = socket.TakeAnswers(); !lost) return std::unexpected(std::move(lost.error()));
  if (auto done = socket.Send(batch.Finish()); !done) return std::unexpected(std::move(done.error()).In("nftables"));
  if (auto done = Judge(batch, for_gone_lease); !done) return done;
  // Every transaction makes one generation, and 0 is never one (nf_tables_commit). After a batch that checked none this number may be
  // behind, and then stays behind until Observe.
  if (generation != 0 && ++generation == 0) generation = 1;
  return {};
}

// The batch checks the generation, so that what came before it cannot have been missed; the generation afterwards tells the rest.
Result<void> Nft::Body::ExchangeQuietly(NftBatch& batch) {
  if (auto left = Member(notifications, NETLINK_DROP_MEMBERSHIP); !left) return left;
  auto done = Exchange(batch, ErrorKind::kStale);
  auto joined = Member(notifications, NETLINK_ADD_MEMBERSHIP);
  const auto now = ReadGeneration();
  if (!now || *now != generation) missed = true;
  return done && !joined ? joined : done;
}

Result<void> Nft::Body::Judge(const NftBatch& batch, ErrorKind for_gone_lease) {
  const auto answers = socket.TakeAnswers();
  if (!answers) return std::unexpected(answers.error());
  const auto refused =
      std::ranges::find_if(*answers, [](const NetlinkAnswer& each) { return each.error != 0; });
  if (refused == answers->end()) return {};
  if (refused->error == ERESTART || refused->error == EINTR || refused->error == EAGAIN) {
    return Fail(ErrorKind::kStale, "nftables was changed by somebody else");
  }
  const auto origin = batch.Find(refused->sequence, refused->offset);
  const auto* element = origin ? std::get_if<state::NftElement>(&origin->step->object) : nullptr;
  if (refused->error == ENOENT && element != nullptr && element->timeout) {
    if (origin->step == &AwakeRemoval()) return Fail(ErrorKind::kExpired, "nftables: too late for leases");
    return Fail(for_gone_lease, std::format("{}: it had run out", Describe(*origin)));
  }
  const auto kind = SystemError("", refused->error).kind;
  return Fail(kind, std::format("{}: {}", origin ? Describe(*origin) : "nftables", ToString(*refused)));
}

Result<void> Nft::Commit(std::span<const state::Step> steps) {
  NftBatch batch(body_->SequencesFor(steps.size()), body_->generation);
  // Elements alone, which is what changes all the time, add nothing to what is known.
  const bool elements_only = std::ranges::all_of(steps, [](const state::Step& step) {
    return std::holds_alternative<state::NftElement>(step.object);
  });
  std::optional<NftKnown> known;
  if (!elements_only) known = body_->known;
  if (auto done = Encode(steps, known ? *known : body_->known, batch); !done) return done;
  if (batch.empty()) return {};
  const bool quiet = steps.size() > kQuietSteps && body_->generation != 0;
  if (auto done = quiet ? body_->ExchangeQuietly(batch) : body_->Exchange(batch, ErrorKind::kStale); !done) return done;
  if (known) body_->known = std::move(*known);
  return {};
}

Result<void> Nft::Wake(Duration timeout) {
  const auto wake = [&](WakeFrom from) {
    NftBatch batch(body_->SequencesFor(1), 0);
    EncodeWake(timeout > Duration{0} ? state::TimeoutWithin(timeout) : Duration{0}, from, batch);
    return body_->Exchange(batch, ErrorKind::kStale);
  };
  auto done = wake(WakeFrom::kSet);
  if (!done && done.error().kind == ErrorKind::kExpired) {  // not even the set is there
    return timeout > Duration{0} ? wake(WakeFrom::kNothing) : Result<void>{};
  }
  return done;
}

Result<void> Nft::Renew(std::span<const state::Step> leases) {
  NftBatch batch(body_->SequencesFor(leases.size()), 0);
  if (auto done = Encode(leases, body_->known, batch); !done) {
    return Fail(ErrorKind::kExpired, std::move(done.error().message));
  }
  return body_->Exchange(batch, ErrorKind::kExpired);
}

int Nft::notification_fd() const { return body_->notifications.fd(); }

Nft::Notice Nft::TakeNotifications() {
  Notice notice{.ours = std::exchange(body_->missed, false)};
  auto& buffer = body_->notification;
  for (int i = 0; i < kNotificationsAtOnce; ++i) {
    const long size = body_->notifications.Receive(buffer, MSG_DONTWAIT);
    if (size == 0) break;
    if (size < 0) {
      // Lost ones may have touched anything; the generation stays old, so the next Commit is refused until
      // Observe.
      notice.ours = true;
      body_->touched = true;
      if (size != -ENOBUFS) break;
      continue;
    }
    ByteSpan rest{buffer.data(), static_cast<std::size_t>(size)};
    while (const auto* message = NextMessage(rest)) {
      if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)) {
        if (OurFamily(message)) notice.ours = body_->touched = true;
        continue;
      }
      const auto generation = DecodeGeneration(message);
      const bool follows = generation == body_->generation + 1;
      if (!std::exchange(body_->touched, false) && follows) body_->generation = generation;
    }
  }
  return notice;
}

std::uint64_t Nft::CounterPackets(const std::string& counter) {
  if (counter.size() >= NFT_NAME_MAXLEN) return 0;
  std::uint64_t packets = 0;
  for (const NftFamily family : kFamilies) {
    Request request(NFT_MSG_GETOBJ, family);
    EncodeCounterName(request.message(), counter);
    // Not there, or no permission: nothing was counted that anybody could know of.
    (void)body_->socket.Get(request.message(), [&](const nlmsghdr* message) {
      if (const auto decoded = DecodeCounter(message)) packets += decoded->packets;
    });
  }
  return packets;
}

Result<void> Nft::AddCounts(const std::string& set, CountsByMark& into) {
  for (int attempt = 0; attempt < kObserveAttempts; ++attempt) {
    CountsByMark counts;
    Request request(NFT_MSG_GETSETELEM, NftFamily::kInet);
    EncodeName(request.message(), set);
    auto done = body_->socket.Dump(request.message(), [&](const nlmsghdr* message) { AddDecodedCounts(message, counts); });
    // Changed while it was read: an element may have come twice.
    if (!done && done.error().kind == ErrorKind::kStale) continue;
    if (!done) return std::unexpected(std::move(done.error()).In("set " + set));
    for (const auto& [mark, count] : counts) into[mark] += count;
    return {};
  }
  return Fail(ErrorKind::kStale, "set " + set + " changes faster than it can be read");
}

}  // namespace egressd::kernel
