#include "egressd/gossip/channel.h"

#include <algorithm>

#include "egressd/base/error.h"

namespace egressd::gossip {
namespace {

constexpr std::size_t kPartialsPerSender = 4;

}  // namespace

Channel::Channel(std::vector<Key> keys, std::string cluster, std::string name, std::uint64_t incarnation, std::uint64_t seed)
    : keys_(std::move(keys)),
      cluster_(std::move(cluster)),
      name_(std::move(name)),
      incarnation_(incarnation),
      seed_(seed),
      seal_(keys_, cluster_, name_, incarnation_, seed_) {}

void Channel::Renew(std::uint64_t incarnation) {
  incarnation_ = incarnation;
  sequence_ = 0;
  seal_ = Seal(keys_, cluster_, name_, incarnation_, seed_);
}

void Channel::SetKeys(std::vector<Key> keys) {
  keys_ = std::move(keys);
  seal_.SetKeys(keys_);
}

std::vector<Bytes> Channel::Close(const Message& message, std::optional<Fingerprint> with) {
  const Bytes whole = Encode(message);
  const std::size_t overhead = kSealOverheadBytes + name_.size() + 2 + 10 + 10 + 2;
  const std::size_t room = kDatagramBytes - overhead;
  const std::size_t parts = (whole.size() + room - 1) / room;
  EGRESSD_ASSERT(parts <= kPartLimit);
  std::vector<Bytes> datagrams;
  for (std::size_t part = 0; part < parts; ++part) {
    Writer plain;
    plain.Text(name_);
    plain.Varint(incarnation_);
    plain.Varint(++sequence_);
    plain.U8(static_cast<std::uint8_t>(part));
    plain.U8(static_cast<std::uint8_t>(parts));
    const std::size_t begin = part * room;
    plain.Raw(ByteView(whole).subspan(begin, std::min(room, whole.size() - begin)));
    datagrams.push_back(seal_.Close(plain.bytes(), with));
  }
  return datagrams;
}

std::expected<Received, Rejection> Channel::Open(ByteView datagram) {
  if (datagram.size() > kDatagramBytes) return std::unexpected(Rejection::kMalformed);
  const auto opened = seal_.Open(datagram);
  if (!opened) return std::unexpected(opened.error());
  Reader reader(opened->plain);
  Received received;
  received.key = opened->key;
  received.sender = reader.Text(kNameLimit);
  received.incarnation = reader.Varint();
  const std::uint64_t sequence = reader.Varint();
  const std::size_t part = reader.U8();
  const std::size_t parts = reader.U8();
  if (!reader.ok() || received.sender.empty() || part >= parts || sequence <= part) return std::unexpected(Rejection::kMalformed);
  const ByteView bytes = reader.Rest();
  if (!replay_.Accept(received.sender, received.incarnation, sequence)) return std::unexpected(Rejection::kReplayed);
  if (parts == 1) {
    received.message = Decode(bytes);
    if (!received.message) return std::unexpected(Rejection::kMalformed);
    return received;
  }
  Partial partial{.incarnation = received.incarnation,
                  .first_sequence = sequence - part,
                  .parts = std::vector<Bytes>(parts),
                  .missing = parts};
  auto whole = Join(received.sender, std::move(partial), part, bytes);
  if (!whole) return std::unexpected(whole.error());
  if (*whole) {
    received.message = Decode(**whole);
    if (!received.message) return std::unexpected(Rejection::kMalformed);
  }
  return received;
}

std::expected<std::optional<Bytes>, Rejection> Channel::Join(const std::string& sender, Partial description, std::size_t part,
                                                             ByteView bytes) {
  std::deque<Partial>& partials = partial_[sender];
  auto found = std::ranges::find_if(partials, [&](const Partial& partial) {
    return partial.incarnation == description.incarnation && partial.first_sequence == description.first_sequence;
  });
  if (found == partials.end()) {
    if (partials.size() >= kPartialsPerSender) partials.pop_front();
    partials.push_back(std::move(description));
    found = std::prev(partials.end());
  } else if (found->parts.size() != description.parts.size()) {
    return std::unexpected(Rejection::kMalformed);
  }
  if (bytes.empty() || !found->parts[part].empty()) return std::unexpected(Rejection::kMalformed);
  found->parts[part].assign(bytes.begin(), bytes.end());
  if (--found->missing > 0) return std::nullopt;
  Bytes whole;
  for (const Bytes& piece : found->parts) whole.insert(whole.end(), piece.begin(), piece.end());
  partials.erase(found);
  return whole;
}

}  // namespace egressd::gossip
