#include "agent/key_ring.h"

#include <algorithm>
#include <format>

#include "agent/generation.h"
#include "agent/kept.h"
#include "egressd/base/hash.h"
#include "egressd/gossip/seal.h"
#include "egressd/gossip/wire.h"

namespace egressd::agent {
namespace {

constexpr std::string_view kMagic = "egressk1";

Error Unknown(gossip::Fingerprint key) {
  return {.kind = ErrorKind::kNotFound, .message = std::format("there is no key {} in the ring", gossip::ToString(key))};
}

}  // namespace

std::vector<gossip::Fingerprint> FingerprintsOf(const std::vector<gossip::Key>& keys) {
  std::vector<gossip::Fingerprint> result;
  for (const gossip::Key& key : keys) result.push_back(gossip::FingerprintOf(key));
  return result;
}

RingVersion VersionOf(const KeyRing& ring) {
  gossip::Writer text;
  for (const gossip::Fingerprint key : FingerprintsOf(ring.keys)) text.U32(key.value);
  return {.number = ring.number, .digest = StableHash(TextOf(text.bytes()))};
}

bool IsValid(const KeyRing& ring) {
  if (ring.number >= kRingNumberLimit || ring.keys.empty() || ring.keys.size() > gossip::kKeyLimit) return false;
  std::vector<gossip::Fingerprint> names = FingerprintsOf(ring.keys);
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) == names.end();
}

Result<KeyRing> Installed(const KeyRing& ring, std::span<const gossip::Key> keys) {
  KeyRing next{.number = ring.number + 1, .keys = ring.keys};
  for (const gossip::Key& key : keys) {
    if (!std::ranges::contains(next.keys, key)) next.keys.push_back(key);
  }
  if (next.keys.size() > gossip::kKeyLimit) {
    return Fail(ErrorKind::kInvalid, std::format("the ring would have {} keys, at most {}: remove one first", next.keys.size(),
                                                 gossip::kKeyLimit));
  }
  if (!IsValid(next)) return Fail(ErrorKind::kInvalid, "two keys have one fingerprint: take another key");
  return next;
}

Result<KeyRing> Using(const KeyRing& ring, gossip::Fingerprint key) {
  KeyRing next{.number = ring.number + 1, .keys = ring.keys};
  const auto found = std::ranges::find(next.keys, key, gossip::FingerprintOf);
  if (found == next.keys.end()) return std::unexpected(Unknown(key));
  std::rotate(next.keys.begin(), found, found + 1);
  return next;
}

Result<KeyRing> Without(const KeyRing& ring, std::span<const gossip::Fingerprint> keys) {
  KeyRing next{.number = ring.number + 1, .keys = ring.keys};
  for (const gossip::Fingerprint key : keys) {
    const auto found = std::ranges::find(next.keys, key, gossip::FingerprintOf);
    if (found == next.keys.end()) return std::unexpected(Unknown(key));
    if (*found == ring.keys.front()) {
      return Fail(ErrorKind::kInvalid, std::format("key {} seals: use another one first", gossip::ToString(key)));
    }
    next.keys.erase(found);
  }
  return next;
}

std::string Encode(const StoredRing& stored) {
  gossip::Writer out;
  out.Raw(ViewOf(kMagic));
  out.U64(stored.ring.number);
  out.Varint(stored.ring.keys.size());
  for (const gossip::Key& key : stored.ring.keys) out.Raw(key.bytes);
  out.Varint(stored.file.size());
  for (const gossip::Fingerprint key : stored.file) out.U32(key.value);
  return Kept(std::move(out));
}

std::optional<StoredRing> DecodeStoredRing(std::string_view bytes) {
  const auto content = ContentOf(bytes, kMagic);
  if (!content) return std::nullopt;
  gossip::Reader in(*content);
  StoredRing stored;
  stored.ring.number = in.U64();
  for (std::size_t n = in.Count(gossip::kKeyLimit, sizeof(gossip::Key::bytes)); n > 0 && in.ok(); --n) {
    const gossip::ByteView raw = in.Raw(sizeof(gossip::Key::bytes));
    if (in.ok()) std::ranges::copy(raw, stored.ring.keys.emplace_back().bytes.begin());
  }
  for (std::size_t n = in.Count(gossip::kKeyLimit, 4); n > 0 && in.ok(); --n) stored.file.push_back({in.U32()});
  if (!in.done() || !IsValid(stored.ring)) return std::nullopt;
  return stored;
}

KeyRing RingAtStart(const std::vector<gossip::Key>& file, std::string_view stored_bytes) {
  const auto stored = DecodeStoredRing(stored_bytes);
  if (stored && (stored->file == FingerprintsOf(file) || stored->ring.keys == file)) return stored->ring;
  return {.number = 0, .keys = file};
}

}  // namespace egressd::agent
