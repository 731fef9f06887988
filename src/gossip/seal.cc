#include "egressd/gossip/seal.h"

#include <sodium.h>

#include <algorithm>

#include "egressd/base/error.h"
#include "egressd/base/hash.h"

namespace egressd::gossip {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic{'E', 'G', 'R', 'D'};
constexpr std::uint8_t kVersion = 1;

static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == 24);
static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == 32);
static_assert(kSealOverheadBytes == kSealHeaderBytes + crypto_aead_xchacha20poly1305_ietf_ABYTES);

// Picks the fastest implementation once; opening and closing work without it, only slower.
[[maybe_unused]] const int kSodiumStarted = sodium_init();

template <std::size_t N>
std::array<std::uint8_t, N> SodiumHash(ByteView bytes) {
  static_assert(N >= crypto_generichash_BYTES_MIN && N <= crypto_generichash_BYTES_MAX);
  std::array<std::uint8_t, N> hash{};
  crypto_generichash(hash.data(), hash.size(), bytes.data(), bytes.size(), nullptr, 0);
  return hash;
}

Bytes Authenticated(ByteView header, std::string_view cluster) {
  Bytes result(header.begin(), header.end());
  result.insert(result.end(), cluster.begin(), cluster.end());
  return result;
}

}  // namespace

// A hash with its own context.
Fingerprint FingerprintOf(const Key& key) {
  Writer text;
  text.Text("egressd key fingerprint");
  text.Raw(key.bytes);
  const auto hash = SodiumHash<16>(text.bytes());
  return {Reader(hash).U32()};
}

Seal::Seal(const std::vector<Key>& keys, std::string cluster, std::string_view name, std::uint64_t incarnation, std::uint64_t seed)
    : cluster_(std::move(cluster)), cluster_hash_(static_cast<std::uint32_t>(StableHash(cluster_))) {
  SetKeys(keys);
  Writer unique;
  unique.Text(name);
  unique.U64(incarnation);
  unique.U64(seed);
  nonce_prefix_ = SodiumHash<16>(unique.bytes());
}

void Seal::SetKeys(const std::vector<Key>& keys) {
  EGRESSD_ASSERT(!keys.empty());
  ring_.clear();
  for (const Key& key : keys) ring_.push_back({.key = key, .fingerprint = FingerprintOf(key)});
}

Bytes Seal::Close(ByteView plain, std::optional<Fingerprint> with) {
  const auto named = std::ranges::find_if(ring_, [&](const RingKey& key) { return key.fingerprint == with; });
  const RingKey& sealing = named == ring_.end() ? ring_.front() : *named;
  Writer header;
  header.Raw(kMagic);
  header.U8(kVersion);
  header.U32(cluster_hash_);
  header.U32(sealing.fingerprint.value);
  header.Raw(nonce_prefix_);
  header.U64(++counter_);
  Bytes datagram = std::move(header).Take();
  const Bytes additional = Authenticated(datagram, cluster_);
  datagram.resize(kSealOverheadBytes + plain.size());
  unsigned long long written = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(datagram.data() + kSealHeaderBytes, &written, plain.data(), plain.size(), additional.data(),
                                             additional.size(), nullptr, additional.data() + (kSealHeaderBytes - 24),
                                             sealing.key.bytes.data());
  EGRESSD_ASSERT(written + kSealHeaderBytes == datagram.size());
  return datagram;
}

std::expected<Opened, Rejection> Seal::Open(ByteView datagram) const {
  if (datagram.size() < kSealOverheadBytes) return std::unexpected(Rejection::kMalformed);
  const ByteView header = datagram.first(kSealHeaderBytes);
  Reader reader(header);
  const ByteView magic = reader.Raw(kMagic.size());
  if (!std::ranges::equal(magic, kMagic) || reader.U8() != kVersion) return std::unexpected(Rejection::kMalformed);
  if (reader.U32() != cluster_hash_) return std::unexpected(Rejection::kWrongCluster);
  const Fingerprint fingerprint{reader.U32()};
  const ByteView nonce = reader.Raw(24);
  const ByteView sealed = datagram.subspan(kSealHeaderBytes);
  const Bytes additional = Authenticated(header, cluster_);
  bool key_known = false;
  for (const RingKey& key : ring_) {
    if (key.fingerprint != fingerprint) continue;
    key_known = true;
    Bytes plain(sealed.size() - crypto_aead_xchacha20poly1305_ietf_ABYTES);
    unsigned long long written = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data(), &written, nullptr, sealed.data(), sealed.size(), additional.data(),
                                                   additional.size(), nonce.data(), key.key.bytes.data()) == 0) {
      return Opened{.plain = std::move(plain), .key = fingerprint};
    }
  }
  return std::unexpected(key_known ? Rejection::kForged : Rejection::kWrongKey);
}

}  // namespace egressd::gossip
