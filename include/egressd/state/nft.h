// nftables as values: tables, counters, limits, sets and maps, their elements, chains and rules.
//
// 1. Everything lives in the tables `inet egressd` and `arp egressd`; the family is part of each key. Tables share nothing.
// 2. Values are in the byte order that the kernel compares: addresses and ports in network order, marks in host order,
//    interface names padded with zeros to 16 bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/time.h"
#include "egressd/state/nft_bytes.h"
#include "egressd/state/nft_rule.h"

namespace egressd::state {

enum class NftFamily : std::uint8_t { kInet = 1, kArp = 3 };  // NFPROTO_INET, NFPROTO_ARP

struct NftTable {
  struct Key {
    NftFamily family = NftFamily::kInet;
    std::string name;
    auto operator<=>(const Key&) const = default;
  } key;
  auto operator<=>(const NftTable&) const = default;
};

struct NftName {  // key of everything below a table
  NftFamily family = NftFamily::kInet;
  std::string name;
  auto operator<=>(const NftName&) const = default;
};

struct NftCounter {
  using Key = NftName;
  Key key;
  auto operator<=>(const NftCounter&) const = default;
};

// A token bucket, which elements of maps (NftSet::Type::kLimit) refer to. The kernel's own is never smaller than what the rate gives in a
// second (net/netfilter/nft_limit.c), and never changes: another rate is another object of the same name, with a full bucket.
struct NftLimit {
  using Key = NftName;
  Key key;
  std::uint64_t rate_bytes = 0;   // per second; at least 1
  std::uint32_t extra_bytes = 0;  // of the bucket, over those of one second
  auto operator<=>(const NftLimit&) const = default;
};

// A set, or a map when `value` is not kNothing.
struct NftSet {
  using Key = NftName;
  // What nft shows. The kernel itself only knows lengths.
  enum class Type : std::uint8_t { kNothing, kIpv4, kIpv6, kMark, kInterface, kVerdict, kMarkIpv4, kMarkIpv6, kProtocolPort, kCgroup,
                                  kMarkUserIpv4, kMarkUserIpv6, kMarkMark, kMacIpv4, kMacIpv6,
                                  kLimit };  // the user in network order: ranges are compared byte by byte
  Key key;
  Type type = Type::kIpv4;
  Type value = Type::kNothing;
  bool intervals = false;  // elements are ranges; of concatenations, each field
  bool timeouts = false;   // elements may have one; not together with intervals
  bool counts = false;     // each element counts the packets that found it; as long as it is there
  auto operator<=>(const NftSet&) const = default;
};
struct NftLimitName {  // the value of an element of such a map; the limit is in the map's family
  std::string name;
  auto operator<=>(const NftLimitName&) const = default;
};
// Length in bytes of a key or value of this type (kVerdict, kLimit: 0).
std::size_t Bytes(NftSet::Type type);

// The kernel counts timeouts in ticks of 1 to 10 ms. In multiples of this, what it was told is what it tells (nft_element.cc).
inline constexpr Duration kTimeoutGrain = std::chrono::milliseconds(20);
// The longest timeout that is not longer than `wanted`; at least one grain.
Duration TimeoutWithin(Duration wanted);

struct NftElement {
  struct Key {
    NftName set;
    NftBytes first;
    NftBytes last;  // sets with intervals: the last value of the range, included; others: same as first
    auto operator<=>(const Key&) const = default;
  } key;
  std::variant<std::monostate, NftBytes, NftVerdict, NftLimitName> value;
  std::optional<Duration> timeout;  // a multiple of kTimeoutGrain; observed: what the element was given, never what is left
  auto operator<=>(const NftElement&) const = default;
};

struct NftHook {  // a table of the family ARP has kInput and kOutput only
  enum class Type : std::uint8_t { kFilter, kNat, kRoute };
  enum class Point : std::uint8_t { kPrerouting = 0, kInput = 1, kForward = 2, kOutput = 3, kPostrouting = 4 };
  Type type = Type::kFilter;
  Point point = Point::kPrerouting;
  std::int32_t priority = 0;
  auto operator<=>(const NftHook&) const = default;
};

struct NftChain {
  using Key = NftName;
  Key key;
  std::optional<NftHook> hook;  // base chains; their policy is accept
  std::vector<NftRule> rules;   // in order
  bool operator==(const NftChain&) const = default;
};

}  // namespace egressd::state
