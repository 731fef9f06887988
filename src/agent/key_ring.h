// The key ring of the cluster: a list of keys with a number. The first key seals, all of them open.
//
//   number 0        what the key file of this node says; other nodes may have other files
//   number n > 0    what an order made of ring n-1; the larger version wins everywhere, so that all nodes come to the same ring
//
// 1. A ring has 1 to gossip::kKeyLimit keys, none twice.
// 2. The functions below make the next ring of one, and change nothing else.
// 3. At start the stored ring counts as long as the key file is the one beside which it was stored, or says the same; an edited key file
//    wins.
// Called by key_agreement.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/base/error.h"
#include "egressd/gossip/key.h"

namespace egressd::agent {

// Orders rings. The digest is made of fingerprints: it tells nothing about the keys.
struct RingVersion {
  std::uint64_t number = 0;
  std::uint64_t digest = 0;
  auto operator<=>(const RingVersion&) const = default;
};

inline constexpr std::uint64_t kRingNumberLimit = std::uint64_t{1} << 62;

struct KeyRing {
  std::uint64_t number = 0;
  std::vector<gossip::Key> keys;
  bool operator==(const KeyRing&) const = default;
};

std::vector<gossip::Fingerprint> FingerprintsOf(const std::vector<gossip::Key>& keys);
RingVersion VersionOf(const KeyRing& ring);
// Keeps invariant 1.
bool IsValid(const KeyRing& ring);

// With those of `keys` that it lacks behind its own. kInvalid: too many, or two with one fingerprint.
Result<KeyRing> Installed(const KeyRing& ring, std::span<const gossip::Key> keys);
// With this key first. kNotFound.
Result<KeyRing> Using(const KeyRing& ring, gossip::Fingerprint key);
// Without these. kNotFound; kInvalid: one of them seals.
Result<KeyRing> Without(const KeyRing& ring, std::span<const gossip::Fingerprint> keys);

// What a node keeps over a restart: secret.
struct StoredRing {
  KeyRing ring;
  std::vector<gossip::Fingerprint> file;  // of the key file beside which it was stored
  bool operator==(const StoredRing&) const = default;
};
std::string Encode(const StoredRing& stored);
// nullopt: damaged, counts as lost.
std::optional<StoredRing> DecodeStoredRing(std::string_view bytes);

// `file`: the keys of the key file, not empty.
KeyRing RingAtStart(const std::vector<gossip::Key>& file, std::string_view stored);

}  // namespace egressd::agent
