// Elements of sets and maps. Written and read attribute by attribute: there can be a million of them.
//
// A range in a set of single keys is two elements for the kernel, its first value and, flagged as an end, the
// one after its last; a range that ends with the highest value has no second one
// (net/netfilter/nft_set_rbtree.c). A range of concatenated keys is one element with two keys, both included
// (nft_set_pipapo.c).
#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "kernel/nft_codec.h"

namespace egressd::kernel {
namespace {

using state::NftBytes;
using state::NftElement;

// The keys next to this one, as one big-endian number; nullopt when it overflows.
std::optional<NftBytes> Next(const NftBytes& key) {
  std::array<std::uint8_t, 48> bytes{};
  const auto size = key.bytes().size();
  std::ranges::copy(key.bytes(), bytes.begin());
  for (auto i = size; i-- > 0;) {
    if (++bytes[i] != 0) return NftBytes(ByteSpan(bytes.data(), size));
  }
  return std::nullopt;
}

NftBytes Previous(const NftBytes& key) {
  std::array<std::uint8_t, 48> bytes{};
  const auto size = key.bytes().size();
  std::ranges::copy(key.bytes(), bytes.begin());
  for (auto i = size; i-- > 0;) {
    if (bytes[i]-- != 0) break;
  }
  return NftBytes(ByteSpan(bytes.data(), size));
}

NftBytes Highest(std::size_t size) {
  std::array<std::uint8_t, 48> bytes;
  bytes.fill(0xff);
  return NftBytes(ByteSpan(bytes.data(), size));
}

void PutData(nlmsghdr* message, std::uint16_t type, const NftBytes& bytes) {
  auto* nest = mnl_attr_nest_start(message, type);
  mnl_attr_put(message, NFTA_DATA_VALUE, bytes.bytes().size(), bytes.bytes().data());
  mnl_attr_nest_end(message, nest);
}

void PutValue(nlmsghdr* message, const NftElement& element) {
  if (const auto* value = std::get_if<NftBytes>(&element.value)) PutData(message, NFTA_SET_ELEM_DATA, *value);
  if (const auto* verdict = std::get_if<state::NftVerdict>(&element.value)) {
    auto* nest = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
    EncodeVerdict(message, *verdict);
    mnl_attr_nest_end(message, nest);
  }
  if (const auto* limit = std::get_if<state::NftLimitName>(&element.value)) {
    mnl_attr_put_strz(message, NFTA_SET_ELEM_OBJREF, limit->name.c_str());
  }
}

std::uint64_t Milliseconds(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

// The kernel has rounded to its ticks, and back; 0 says never.
std::optional<Duration> Timeout(std::uint64_t milliseconds) {
  if (milliseconds == 0) return std::nullopt;
  const std::uint64_t grain = Milliseconds(state::kTimeoutGrain);
  const std::uint64_t grains = std::min(milliseconds / grain + (milliseconds % grain * 2 >= grain ? 1 : 0), UINT64_C(1) << 32);
  return state::kTimeoutGrain * static_cast<std::int64_t>(std::max<std::uint64_t>(grains, 1));
}

std::optional<NftBytes> DataOf(Attributes element, std::uint16_t type, std::size_t size) {
  const auto value = element.Nested(type).Find(NFTA_DATA_VALUE);
  if (!value || value->size() != size) return std::nullopt;
  return NftBytes(*value);
}

}  // namespace

void EncodeElement(nlmsghdr* message, const NftElement& element, const state::NftSet& set,
                   ElementPurpose purpose) {
  const bool ends = HasEndElements(set);
  auto* nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
  PutData(message, NFTA_SET_ELEM_KEY, element.key.first);
  if (set.intervals && !ends) PutData(message, NFTA_SET_ELEM_KEY_END, element.key.last);
  if (purpose == ElementPurpose::kAdd) {
    PutValue(message, element);
    if (element.timeout) mnl_attr_put_u64(message, NFTA_SET_ELEM_TIMEOUT, htobe64(Milliseconds(*element.timeout)));
  }
  mnl_attr_nest_end(message, nest);
  if (!ends) return;
  const auto after = Next(element.key.last);
  if (!after) return;
  nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
  PutData(message, NFTA_SET_ELEM_KEY, *after);
  mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
  mnl_attr_nest_end(message, nest);
}

std::optional<ElementDecoder::Raw> ElementDecoder::Decode(Attributes element) const {
  const auto size = state::Bytes(set_.type);
  auto key = DataOf(element, NFTA_SET_ELEM_KEY, size);
  if (!key) return std::nullopt;
  Raw raw{.key = *key};
  raw.interval_end = (element.U32(NFTA_SET_ELEM_FLAGS).value_or(0) & NFT_SET_ELEM_INTERVAL_END) != 0;
  if (const auto end = DataOf(element, NFTA_SET_ELEM_KEY_END, size)) {
    raw.key_end = *end;
    raw.has_key_end = true;
  }
  if (set_.timeouts) raw.timeout = Timeout(element.U64(NFTA_SET_ELEM_TIMEOUT).value_or(0));
  if (set_.value == state::NftSet::Type::kNothing || raw.interval_end) return raw;
  if (set_.value == state::NftSet::Type::kVerdict) {
    const auto verdict = DecodeVerdict(element.Nested(NFTA_SET_ELEM_DATA).Nested(NFTA_DATA_VERDICT));
    if (!verdict) return std::nullopt;
    raw.value = *verdict;
  } else if (set_.value == state::NftSet::Type::kLimit) {
    auto limit = element.Text(NFTA_SET_ELEM_OBJREF);
    if (!limit) return std::nullopt;
    raw.value = state::NftLimitName{.name = std::move(*limit)};
  } else {
    const auto value = DataOf(element, NFTA_SET_ELEM_DATA, state::Bytes(set_.value));
    if (!value) return std::nullopt;
    raw.value = *value;
  }
  return raw;
}

void ElementDecoder::Take(const nlmsghdr* message) {
  const auto attributes = Attributes::OfMessage(message);
  if (OurFamily(message) != set_.key.family || attributes.Text(NFTA_SET_ELEM_LIST_SET) != set_.key.name)
    return;
  auto rest = attributes.Nested(NFTA_SET_ELEM_LIST_ELEMENTS).bytes();
  while (const auto element = NextAttribute(rest)) {
    if (auto raw = Decode(Attributes(element->value))) raw_.push_back(std::move(*raw));
  }
}

void AddDecodedCounts(const nlmsghdr* message, CountsByMark& into) {
  auto rest = Attributes::OfMessage(message).Nested(NFTA_SET_ELEM_LIST_ELEMENTS).bytes();
  while (const auto element = NextAttribute(rest)) {
    const Attributes attributes(element->value);
    const auto key = attributes.Nested(NFTA_SET_ELEM_KEY).Find(NFTA_DATA_VALUE);
    const Attributes expression = attributes.Nested(NFTA_SET_ELEM_EXPR), counter = expression.Nested(NFTA_EXPR_DATA);
    std::uint32_t mark = 0;
    if (!key || key->size() < sizeof(mark) || expression.Text(NFTA_EXPR_NAME) != "counter") continue;
    std::memcpy(&mark, key->data(), sizeof(mark));
    into[mark] += {.packets = counter.U64(NFTA_COUNTER_PACKETS).value_or(0), .bytes = counter.U64(NFTA_COUNTER_BYTES).value_or(0)};
  }
}

void ElementDecoder::Finish(state::Objects<NftElement>& into) {
  // The kernel returns hash order, or the tree from either end. An end comes before a start with the same
  // key.
  std::ranges::sort(raw_, [](const Raw& a, const Raw& b) {
    if (const auto order = a.key <=> b.key; order != 0) return order < 0;
    if (a.interval_end != b.interval_end) return a.interval_end;
    return a.key_end < b.key_end;
  });
  const bool ends = HasEndElements(set_);
  for (std::size_t i = 0; i < raw_.size(); ++i) {
    auto& raw = raw_[i];
    if (raw.interval_end) continue;  // closes the one before it, or (from nft) opens the number space
    NftElement element{
        .key = {.set = set_.key, .first = raw.key, .last = raw.has_key_end ? raw.key_end : raw.key}};
    if (ends) {
      const bool closed = i + 1 < raw_.size();
      element.key.last = closed ? Previous(raw_[i + 1].key) : Highest(raw.key.bytes().size());
    }
    element.value = std::move(raw.value);
    element.timeout = raw.timeout;
    auto key = element.key;
    into.insert_or_assign(into.end(), std::move(key), std::move(element));
  }
  raw_.clear();
}

}  // namespace egressd::kernel
