// Rules as values: lists of expressions, one for one what the kernel's virtual machine executes (net/netfilter/nft_*.c), over registers
// 1-4 of 16 bytes. The kernel never changes a rule in place, so a rule is recognised by the digest that travels in its user data
// (NFTNL_UDATA_RULE_COMMENT, visible as `comment "…"`), and expressions need no decoding.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/state/nft_bytes.h"

namespace egressd::state {

struct NftVerdict {
  enum class Code : std::uint8_t { kAccept, kDrop, kReturn, kJump, kGoto };
  Code code = Code::kReturn;
  std::string chain;  // for kJump and kGoto
  auto operator<=>(const NftVerdict&) const = default;
};

using NftRegister = std::uint8_t;  // 1-4

struct NftMeta {  // load (set == false) or store a packet property; kSkuid, in network order, ends the rule where there is no process
  enum class Key : std::uint8_t { kMark, kNfproto, kL4proto, kIifname, kOifname, kSkuid };
  Key key = Key::kMark;
  NftRegister reg = 1;
  bool store = false;
  auto operator<=>(const NftMeta&) const = default;
};
struct NftCt {  // load or store a connection property; loads of an untracked or invalid packet end the rule, except kState
  enum class Key : std::uint8_t { kState, kDirection, kMark };
  Key key = Key::kState;
  NftRegister reg = 1;
  bool store = false;
  auto operator<=>(const NftCt&) const = default;
};
inline constexpr std::uint32_t kCtStateInvalid = 1, kCtStateEstablished = 2, kCtStateRelated = 4, kCtStateNew = 8, kCtStateUntracked = 64;
struct NftPayload {  // load or store bytes of the packet; checksums stay as they are
  enum class Base : std::uint8_t { kLink = 0, kNetwork = 1, kTransport = 2 };
  Base base = Base::kNetwork;
  std::uint32_t offset_bytes = 0;
  std::uint32_t length_bytes = 0;
  NftRegister reg = 1;
  bool store = false;
  auto operator<=>(const NftPayload&) const = default;
};
struct NftCgroup {  // load the id (8 bytes) of the cgroup at this depth that the socket was made in; ends the rule where there is none
  std::uint8_t level = 1;
  NftRegister reg = 1;
  auto operator<=>(const NftCgroup&) const = default;
};
struct NftCompare {  // end the rule unless reg == value (or != with negate)
  NftRegister reg = 1;
  NftBytes value;
  bool negate = false;
  auto operator<=>(const NftCompare&) const = default;
};
struct NftBitwise {  // reg = (reg & mask) ^ xor_
  NftRegister reg = 1;
  NftBytes mask;
  NftBytes xor_;
  auto operator<=>(const NftBitwise&) const = default;
};
struct NftLookup {  // set: end the rule on a miss (or hit, with negate); map: on a miss end the rule, else result = value
  std::string set;
  NftRegister reg = 1;
  enum class Result : std::uint8_t { kNone, kValue, kVerdict };  // kValue: written to `value_reg`
  Result result = Result::kNone;
  NftRegister value_reg = 1;
  bool negate = false;  // only with kNone
  auto operator<=>(const NftLookup&) const = default;
};
struct NftImmediate {  // reg = value
  NftRegister reg = 1;
  NftBytes value;
  auto operator<=>(const NftImmediate&) const = default;
};
struct NftCount {  // counts into the named counter
  std::string counter;
  auto operator<=>(const NftCount&) const = default;
};
struct NftLimitBy {  // the limit that the map has for `reg`; ends the rule on a miss, and while the limit holds: what goes on is over it
  std::string map;
  NftRegister reg = 1;
  auto operator<=>(const NftLimitBy&) const = default;
};
struct NftNotrack {
  auto operator<=>(const NftNotrack&) const = default;
};
struct NftSnat {  // snat to the address in `reg`; keeps the port where it can
  Family family = Family::kIpv4;
  NftRegister reg = 1;
  auto operator<=>(const NftSnat&) const = default;
};
struct NftHash {  // reg = hash of `length_bytes` bytes in `reg`, 0 to modulus - 1
  NftRegister reg = 1;
  std::uint32_t length_bytes = 0;
  std::uint32_t modulus = 2;
  std::uint32_t seed = 0;
  auto operator<=>(const NftHash&) const = default;
};
struct NftTurn {  // reg = 0, 1, … modulus - 1, 0, … : one further with each packet that gets here
  NftRegister reg = 1;
  std::uint32_t modulus = 2;
  auto operator<=>(const NftTurn&) const = default;
};
struct NftClampMss {  // lowers the MSS option of a TCP segment; the kernel never raises it (net/netfilter/nft_exthdr.c)
  std::uint16_t mss_bytes = 0;
  auto operator<=>(const NftClampMss&) const = default;
};

using NftExpression = std::variant<NftMeta, NftCt, NftPayload, NftCgroup, NftCompare, NftBitwise, NftLookup, NftImmediate, NftCount,
                                    NftLimitBy, NftNotrack, NftSnat, NftHash, NftTurn, NftClampMss, NftVerdict>;

struct NftRule {
  std::string text;  // what it says, in nft's words; for people, at most 96 bytes of it go into the comment
  std::vector<NftExpression> expressions;
  // Observed rules have no expressions, only this. Desired rules get it from Seal().
  std::string digest;  // 16 hexadecimal digits; empty = a foreign rule
  bool operator==(const NftRule& other) const { return digest == other.digest; }
};

// The same rule with its digest over text and expressions filled in.
NftRule Seal(NftRule rule);
// "egressd:<digest> <text>", as it stands in the kernel; and back (an empty digest for a comment that is not ours).
std::string RuleComment(const NftRule& rule);
std::string DigestInComment(std::string_view comment);

}  // namespace egressd::state
