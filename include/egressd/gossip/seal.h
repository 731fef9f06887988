// Sealing: XChaCha20-Poly1305 over every datagram, with the cluster's name mixed in.
//
//   "EGRD" | version 1 | hash of the cluster name (4) | fingerprint of the key (4) | nonce (24) | ciphertext and tag
//
// 1. Any key of the ring opens, the first one seals unless the caller names another: keys can be exchanged without a gap.
// 2. A nonce never repeats under a key: 16 bytes belong to this start of this node (name, incarnation, seed), 8 are a counter that all
//    keys share and that goes on when the ring changes. So a key that is removed and installed again is as good as new.
// 3. Header and cluster name are authenticated. A failure says as much as is certain: another cluster, an unknown key, or forged.
// The only file that knows libsodium is seal.cc.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/gossip/key.h"
#include "egressd/gossip/wire.h"

namespace egressd::gossip {

enum class Rejection : std::uint8_t { kMalformed, kWrongCluster, kWrongKey, kForged, kReplayed };

inline constexpr std::size_t kSealHeaderBytes = 4 + 1 + 4 + 4 + 24;
inline constexpr std::size_t kSealOverheadBytes = kSealHeaderBytes + 16;

Fingerprint FingerprintOf(const Key& key);

struct Opened {
  Bytes plain;
  Fingerprint key;  // that it was sealed with
};

class Seal {
 public:
  // `keys` is not empty. `name`, `incarnation` and `seed` together are used once in the life of the cluster.
  Seal(const std::vector<Key>& keys, std::string cluster, std::string_view name, std::uint64_t incarnation, std::uint64_t seed);

  // With the key of that name, if it is in the ring; else, and without a name, with the first one.
  Bytes Close(ByteView plain, std::optional<Fingerprint> with = std::nullopt);
  std::expected<Opened, Rejection> Open(ByteView datagram) const;
  // Another ring from now on, not empty.
  void SetKeys(const std::vector<Key>& keys);

 private:
  struct RingKey {
    Key key;
    Fingerprint fingerprint;
  };
  std::vector<RingKey> ring_;
  std::string cluster_;
  std::uint32_t cluster_hash_ = 0;
  std::array<std::uint8_t, 16> nonce_prefix_{};
  std::uint64_t counter_ = 0;
};

}  // namespace egressd::gossip
