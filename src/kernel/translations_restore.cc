// Entries are made many at once. What the kernel says is there already is then looked at: the same translation (made liberal), another one
// for the same connection (replaced), or another connection that has the port (replaced only where it is over or the kernel guessed it).
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <cerrno>
#include <format>

#include "egressd/kernel/translations.h"
#include "kernel/translation.h"
#include "kernel/translation_message.h"

namespace egressd::kernel {
namespace {

// Looked at again together; bounds the memory of one step.
constexpr std::size_t kEntriesAtOnce = 1024;

std::string Describe(const NewEntry& entry) {
  const state::Translation& translation = entry.translation;
  return std::format("connection {} port {} to {} port {} (protocol {}) as {} port {}", translation.source.ToString(),
                     translation.source_port, translation.destination.ToString(), translation.destination_port, translation.protocol,
                     entry.egress_ip.ToString(), translation.translated_port);
}

// What is wrong with it by itself; nullptr: nothing.
const char* Fault(const NewEntry& entry) {
  const state::Translation& translation = entry.translation;
  const Family family = translation.source.family();
  if (translation.destination.family() != family || entry.egress_ip.family() != family) return "addresses of both families";
  if (!IsTranslatable(translation.protocol, family)) return "a protocol that is not translated";
  if (IsIcmp(translation.protocol) && !IcmpReplyTo(static_cast<std::uint8_t>(translation.destination_port >> 8), family))
    return "ICMP of a type that is not answered";
  if (translation.id.value == 0 || translation.id.value > kLastEgressId.value) return "no egress id";
  return nullptr;
}

class Restorer {
 public:
  Restorer(NetfilterSocket& socket, const MarkMatch& decided) : socket_(socket), decided_(decided) {}

  Result<void> Take(std::vector<NewEntry> entries) {
    entries_ = std::move(entries);
    std::vector<std::size_t> all(entries_.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    auto there = Create(all, restoration_.made);
    if (!there) return std::unexpected(std::move(there.error()));
    if (there->empty()) return {};
    auto in_the_way = LookAt(*there);
    if (!in_the_way) return std::unexpected(std::move(in_the_way.error()));
    return MakeRoom(*in_the_way);
  }
  Restoration Finish() && { return std::move(restoration_); }
  void Refuse(const NewEntry& entry, std::string_view why) {
    ++restoration_.refused;
    if (!restoration_.first_refusal)
      restoration_.first_refusal = Error{.kind = ErrorKind::kSystem, .message = std::format("{}: {}", Describe(entry), why)};
  }

 private:
  using Indices = std::vector<std::size_t>;

  // Those that are there already; the others are made and counted, or refused.
  Result<Indices> Create(const Indices& wanted, std::size_t& made) {
    messages_.Clear();
    for (const std::size_t index : wanted) AddCreate(messages_, entries_[index]);
    return Send(wanted, made, EEXIST);
  }

  // Sends one message for each; `silent` errors are given back, other ones refuse the entry.
  Result<Indices> Send(const Indices& wanted, std::size_t& done, int silent) {
    Indices silently;
    std::size_t failed = 0;
    auto sent = messages_.Exchange(socket_, [&](std::size_t at, const nlmsghdr* message) {
      const auto answer = DecodeAnswer(message);
      if (!answer || answer->error == 0) return;
      ++failed;
      if (answer->error == silent) {
        silently.push_back(wanted[at]);
      } else {
        Refuse(entries_[wanted[at]], ToString(*answer));
      }
    });
    if (!sent) return std::unexpected(std::move(sent.error()));
    done += wanted.size() - std::min(failed, wanted.size());
    return silently;
  }

  // Entries that are there: the right ones are refreshed, wrong ones replaced. Left are those whose port another connection has.
  Result<Indices> LookAt(const Indices& there) {
    messages_.Clear();
    for (const std::size_t index : there) AddGetOriginal(messages_, entries_[index]);
    Indices right, wrong;
    std::vector<bool> found(there.size(), false);
    ConntrackMessages deletions;
    auto asked = messages_.Exchange(socket_, [&](std::size_t at, const nlmsghdr* message) {
      const auto connection = DecodeConnection(message);
      if (!connection) return;
      const NewEntry& entry = entries_[there[at]];
      found[at] = true;
      if (connection->translated_port() == entry.translation.translated_port && connection->reply.destination == entry.egress_ip) {
        right.push_back(there[at]);
      } else {
        wrong.push_back(there[at]);
        deletions.AddDelete(*connection);
      }
    });
    if (!asked) return std::unexpected(std::move(asked.error()));
    messages_.Clear();
    for (const std::size_t index : right) AddRefresh(messages_, entries_[index]);
    if (auto refreshed = Send(right, restoration_.existed, 0); !refreshed) return refreshed;
    auto in_the_way = Replace(wrong, deletions);
    if (!in_the_way) return in_the_way;
    for (std::size_t i = 0; i < there.size(); ++i) {
      if (!found[i]) in_the_way->push_back(there[i]);
    }
    return in_the_way;
  }

  Result<Indices> Replace(const Indices& wrong, ConntrackMessages& deletions) {
    if (auto deleted = deletions.Exchange(socket_, [](std::size_t, const nlmsghdr*) {}); !deleted)
      return std::unexpected(std::move(deleted.error()));
    return Create(wrong, restoration_.replaced);
  }

  // Another connection has the port outside. Where the kernel guessed it from a segment in the middle, that guess is wrong: the destination
  // knows the port as that of the connection which is to be restored. What is closed has it for two minutes more, needlessly.
  Result<void> MakeRoom(const Indices& in_the_way) {
    if (in_the_way.empty()) return {};
    messages_.Clear();
    for (const std::size_t index : in_the_way) AddGetReply(messages_, entries_[index]);
    ConntrackMessages deletions;
    std::vector<bool> stays(in_the_way.size(), false);
    auto asked = messages_.Exchange(socket_, [&](std::size_t at, const nlmsghdr* message) {
      const auto connection = DecodeConnection(message);
      if (!connection) return;
      if ((IsPickedUp(*connection) || IsClosing(*connection)) && decided_.Matches(connection->mark)) {
        deletions.AddDelete(*connection);
      } else {
        stays[at] = true;
      }
    });
    if (!asked) return std::unexpected(std::move(asked.error()));
    Indices again;
    for (std::size_t i = 0; i < in_the_way.size(); ++i) {
      if (stays[i]) Refuse(entries_[in_the_way[i]], "another connection has the port");
      else again.push_back(in_the_way[i]);
    }
    const auto still = Replace(again, deletions);
    if (!still) return std::unexpected(still.error());
    for (const std::size_t index : *still) Refuse(entries_[index], "another connection has the port");
    return {};
  }

  NetfilterSocket& socket_;
  MarkMatch decided_;
  std::vector<NewEntry> entries_;
  ConntrackMessages messages_;
  Restoration restoration_;
};

}  // namespace

Result<Restoration> RestoreTranslations(Conntrack& conntrack, std::span<const std::pair<state::Translation, IpAddress>> translations,
                                        const MarkMatch& decided) {
  const auto timeouts = ConnectionTimeouts::Read();
  Restorer restorer(conntrack.socket(), decided);
  while (!translations.empty()) {
    const auto now = translations.first(std::min(translations.size(), kEntriesAtOnce));
    translations = translations.subspan(now.size());
    std::vector<NewEntry> entries;
    entries.reserve(now.size());
    for (const auto& [translation, egress_ip] : now) {
      const NewEntry entry{.translation = translation,
                           .egress_ip = egress_ip,
                           .mark = decided.value | translation.id.value,
                           .timeout_seconds = timeouts.Of(translation)};
      if (const char* fault = Fault(entry)) {
        restorer.Refuse(entry, fault);
      } else {
        entries.push_back(entry);
      }
    }
    if (auto taken = restorer.Take(std::move(entries)); !taken) return std::unexpected(std::move(taken.error()));
  }
  return std::move(restorer).Finish();
}

}  // namespace egressd::kernel
