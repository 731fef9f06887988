// One encoder and one decoder for each kind of nftables object, between state and nf_tables messages.
//
// 1. Encoders add attributes to a message that is already open; they cannot fail.
// 2. Decoders take any bytes: nullopt (or nothing) when they are malformed or not of our table.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "egressd/kernel/count.h"
#include "egressd/state/state.h"
#include "kernel/nft_attributes.h"

struct nlmsghdr;
struct nlattr;
struct nftnl_expr;

namespace egressd::kernel {

// The one table that is ours, in every family.
inline constexpr const char* kNftTable = "egressd";

// The family of an nf_tables message, and whether it is about our table (attribute 1 of every kind is the
// table's name).
std::optional<state::NftFamily> OurFamily(const nlmsghdr* message);
// Attribute 1 (table) and 2 (name), which identify a set, the elements of a set, a counter, and all rules of
// a chain.
void EncodeName(nlmsghdr* message, const std::string& name);
std::uint32_t DecodeGeneration(const nlmsghdr* message);  // 0 when absent

// nft_table.cc
void EncodeTable(nlmsghdr* message, const state::NftTable& table);
struct DecodedTable {
  state::NftTable table;
  std::uint32_t flags = 0;  // NFT_TABLE_F_DORMANT: it does nothing
};
std::optional<DecodedTable> DecodeTable(const nlmsghdr* message);
void EncodeCounter(nlmsghdr* message, const state::NftCounter& counter);
void EncodeCounterName(nlmsghdr* message, const std::string& name);
struct DecodedCounter {
  state::NftCounter counter;
  std::uint64_t packets = 0;
};
std::optional<DecodedCounter> DecodeCounter(const nlmsghdr* message);

// Limits are objects as counters are, in the same name space of the kernel's.
void EncodeLimit(nlmsghdr* message, const state::NftLimit& limit);
void EncodeLimitName(nlmsghdr* message, const std::string& name);
// One that is not as we make them (packets, another unit) has rate 0: it must differ from everything we want.
std::optional<state::NftLimit> DecodeLimit(const nlmsghdr* message);

// nft_set.cc. `id` is unique within the batch.
void EncodeSet(nlmsghdr* message, const state::NftSet& set, std::uint32_t id);
// Anonymous sets are not decoded: they go with their rule. A set of a type that we never make has type
// kNothing.
std::optional<state::NftSet> DecodeSet(const nlmsghdr* message);
// Ranges are kept as two elements, start and end (nft_set_rbtree.c); false: as one with two keys
// (nft_set_pipapo.c), or there are none.
bool HasEndElements(const state::NftSet& set);

// nft_element.cc
enum class ElementPurpose : std::uint8_t { kAdd, kRemove };  // a removal names only the key
void EncodeElement(nlmsghdr* message, const state::NftElement& element, const state::NftSet& set,
                   ElementPurpose purpose);
class ElementDecoder {
 public:
  explicit ElementDecoder(const state::NftSet& set) : set_(set) {}
  void Take(const nlmsghdr* message);
  // Puts ranges together and inserts everything.
  void Finish(state::Objects<state::NftElement>& into);

 private:
  struct Raw {
    state::NftBytes key, key_end;
    bool has_key_end = false;
    bool interval_end = false;
    decltype(state::NftElement::value) value;
    std::optional<Duration> timeout;
  };
  std::optional<Raw> Decode(Attributes element) const;

  const state::NftSet& set_;
  std::vector<Raw> raw_;
};

// Of a message about elements whose keys begin with a mark and that count.
void AddDecodedCounts(const nlmsghdr* message, CountsByMark& into);

// nft_chain.cc
void EncodeChain(nlmsghdr* message, const state::NftChain& chain);
void EncodeChainName(nlmsghdr* message, const std::string& name);
struct DecodedChain {
  state::NftChain chain;  // without rules
  bool accepts = true;    // policy of a base chain
};
// Chains that belong to a rule (NFT_CHAIN_BINDING) are not decoded.
std::optional<DecodedChain> DecodeChain(const nlmsghdr* message);

// nft_rule.cc
void EncodeRule(nlmsghdr* message, const state::NftName& chain, const state::NftRule& rule);
struct DecodedRule {
  state::NftName chain;
  state::NftRule rule;  // digest only
};
std::optional<DecodedRule> DecodeRule(const nlmsghdr* message);

// nft_verdict.cc
void EncodeVerdict(nlmsghdr* message, const state::NftVerdict& verdict);  // NFTA_DATA_VERDICT
std::optional<state::NftVerdict> DecodeVerdict(Attributes verdict);
std::int32_t VerdictNumber(state::NftVerdict::Code code);

// nft_expression.cc: the libnftnl expressions of one of ours, in order (ownership goes to the caller).
std::vector<nftnl_expr*> EncodeExpression(const state::NftExpression& expression);

}  // namespace egressd::kernel
