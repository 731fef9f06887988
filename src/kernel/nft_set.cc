// Sets and maps. What nft shows of a set is in numbers that the kernel only carries (its own src/datatype.c)
// and in user data.
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <memory>

#include "kernel/nft_codec.h"

namespace egressd::kernel {
namespace {

using state::NftSet;
using Type = NftSet::Type;

// nft's numbers for its data types; a concatenation shifts by 6 bits for each field.
constexpr std::uint32_t kIpaddr = 7, kIp6addr = 8, kEtheraddr = 9, kInetProtocol = 12, kInetService = 13, kMark = 19,
                        kUid = 24, kIfname = 41, kCgroupsv2 = 46;
constexpr std::uint32_t Concatenated(std::uint32_t first, std::uint32_t second) {
  return first << 6 | second;
}

// nft's enum byteorder; concatenations have none of their own.
constexpr std::uint32_t kNoOrder = 0, kHostOrder = 1, kNetworkOrder = 2;

struct Shape {
  Type type;
  std::uint32_t number;
  std::uint32_t byte_order;
  std::array<std::uint8_t, 3> fields;  // lengths in bytes before padding; {} = not a concatenation
};
constexpr Shape kShapes[] = {
    {Type::kIpv4, kIpaddr, kNetworkOrder, {}},
    {Type::kIpv6, kIp6addr, kNetworkOrder, {}},
    {Type::kMark, kMark, kHostOrder, {}},
    {Type::kInterface, kIfname, kHostOrder, {}},
    {Type::kVerdict, NFT_DATA_VERDICT, kNoOrder, {}},
    {Type::kMarkIpv4, Concatenated(kMark, kIpaddr), kNoOrder, {4, 4}},
    {Type::kMarkIpv6, Concatenated(kMark, kIp6addr), kNoOrder, {4, 16}},
    {Type::kProtocolPort, Concatenated(kInetProtocol, kInetService), kNoOrder, {1, 2}},
    {Type::kMarkMark, Concatenated(kMark, kMark), kNoOrder, {4, 4}},
    {Type::kCgroup, kCgroupsv2, kHostOrder, {}},
    {Type::kMacIpv4, Concatenated(kEtheraddr, kIpaddr), kNoOrder, {6, 4}},
    {Type::kMacIpv6, Concatenated(kEtheraddr, kIp6addr), kNoOrder, {6, 16}},
    {Type::kMarkUserIpv4, Concatenated(Concatenated(kMark, kUid), kIpaddr), kNoOrder, {4, 4, 4}},
    {Type::kMarkUserIpv6, Concatenated(Concatenated(kMark, kUid), kIp6addr), kNoOrder, {4, 4, 16}},
};

const Shape* Find(Type type) {
  const auto* shape = std::ranges::find(kShapes, type, &Shape::type);
  return shape == std::end(kShapes) ? nullptr : shape;
}

bool IsConcatenation(Type type) {
  const auto* shape = Find(type);
  return shape != nullptr && shape->fields[0] != 0;
}

Type TypeOf(std::uint32_t number, std::uint32_t length) {
  const auto* shape = std::ranges::find(kShapes, number, &Shape::number);
  if (shape == std::end(kShapes)) return Type::kNothing;
  return shape->type == Type::kVerdict || state::Bytes(shape->type) == length ? shape->type : Type::kNothing;
}

std::uint32_t Flags(const NftSet& set) {
  std::uint32_t flags = 0;
  if (set.intervals) flags |= NFT_SET_INTERVAL;
  if (set.intervals && IsConcatenation(set.type)) flags |= NFT_SET_CONCAT;
  if (set.timeouts) flags |= NFT_SET_TIMEOUT;
  if (set.value == Type::kLimit) flags |= NFT_SET_OBJECT;
  if (set.value != Type::kNothing && set.value != Type::kLimit) flags |= NFT_SET_MAP;
  return flags;
}

void PutUserData(nftnl_set* encoded, const NftSet& set) {
  constexpr std::uint32_t kBytes = 64;
  const std::unique_ptr<nftnl_udata_buf, decltype(&nftnl_udata_buf_free)> buffer(
      nftnl_udata_buf_alloc(kBytes), &nftnl_udata_buf_free);
  EGRESSD_ASSERT(buffer != nullptr);
  nftnl_udata_put_u32(buffer.get(), NFTNL_UDATA_SET_KEYBYTEORDER, Find(set.type)->byte_order);
  if (set.value != Type::kNothing && set.value != Type::kLimit) {
    nftnl_udata_put_u32(buffer.get(), NFTNL_UDATA_SET_DATABYTEORDER, Find(set.value)->byte_order);
    nftnl_udata_put_u32(buffer.get(), NFTNL_UDATA_SET_DATA_INTERVAL, 0);
  }
  nftnl_set_set_data(encoded, NFTNL_SET_USERDATA, nftnl_udata_buf_data(buffer.get()),
                     nftnl_udata_buf_len(buffer.get()));
}

}  // namespace

bool HasEndElements(const NftSet& set) { return set.intervals && !IsConcatenation(set.type); }

void EncodeSet(nlmsghdr* message, const NftSet& set, std::uint32_t id) {
  const auto* shape = Find(set.type);
  EGRESSD_ASSERT(shape != nullptr && set.type != Type::kVerdict);
  EGRESSD_ASSERT(!set.timeouts || !set.intervals);
  EGRESSD_ASSERT(set.value == Type::kNothing || set.value == Type::kLimit || Find(set.value) != nullptr);
  const std::unique_ptr<nftnl_set, decltype(&nftnl_set_free)> encoded(nftnl_set_alloc(), &nftnl_set_free);
  EGRESSD_ASSERT(encoded != nullptr);
  nftnl_set_set_str(encoded.get(), NFTNL_SET_TABLE, kNftTable);
  nftnl_set_set_str(encoded.get(), NFTNL_SET_NAME, set.key.name.c_str());
  nftnl_set_set_u32(encoded.get(), NFTNL_SET_ID, id);
  nftnl_set_set_u32(encoded.get(), NFTNL_SET_FLAGS, Flags(set));
  nftnl_set_set_u32(encoded.get(), NFTNL_SET_KEY_TYPE, shape->number);
  nftnl_set_set_u32(encoded.get(), NFTNL_SET_KEY_LEN, static_cast<std::uint32_t>(state::Bytes(set.type)));
  if (set.value == Type::kLimit) {
    nftnl_set_set_u32(encoded.get(), NFTNL_SET_OBJ_TYPE, NFT_OBJECT_LIMIT);
  } else if (set.value != Type::kNothing) {
    nftnl_set_set_u32(encoded.get(), NFTNL_SET_DATA_TYPE, Find(set.value)->number);
    nftnl_set_set_u32(encoded.get(), NFTNL_SET_DATA_LEN, static_cast<std::uint32_t>(state::Bytes(set.value)));
  }
  if (set.intervals && IsConcatenation(set.type)) {
    nftnl_set_set_data(encoded.get(), NFTNL_SET_DESC_CONCAT, shape->fields.data(),
                       static_cast<std::uint32_t>(std::ranges::count_if(shape->fields, [](std::uint8_t field) { return field != 0; })));
  }
  if (set.counts) nftnl_set_add_expr(encoded.get(), nftnl_expr_alloc("counter"));
  PutUserData(encoded.get(), set);
  nftnl_set_nlmsg_build_payload(message, encoded.get());
}

std::optional<NftSet> DecodeSet(const nlmsghdr* message) {
  const auto family = OurFamily(message);
  const auto attributes = Attributes::OfMessage(message);
  auto name = attributes.Text(NFTA_SET_NAME);
  const auto flags = attributes.U32(NFTA_SET_FLAGS).value_or(0);
  if (!family || !name || (flags & NFT_SET_ANONYMOUS) != 0) return std::nullopt;
  NftSet set{.key = {.family = *family, .name = std::move(*name)},
             .type = TypeOf(attributes.U32(NFTA_SET_KEY_TYPE).value_or(0),
                            attributes.U32(NFTA_SET_KEY_LEN).value_or(0)),
             .intervals = (flags & NFT_SET_INTERVAL) != 0,
             .timeouts = (flags & NFT_SET_TIMEOUT) != 0,
             .counts = attributes.Nested(NFTA_SET_EXPR).Text(NFTA_EXPR_NAME) == "counter"};
  if ((flags & NFT_SET_MAP) != 0) {
    set.value =
        TypeOf(attributes.U32(NFTA_SET_DATA_TYPE).value_or(0), attributes.U32(NFTA_SET_DATA_LEN).value_or(0));
    if (set.value == Type::kNothing) set.type = Type::kNothing;
  }
  if ((flags & NFT_SET_OBJECT) != 0 && attributes.U32(NFTA_SET_OBJ_TYPE) == NFT_OBJECT_LIMIT) set.value = Type::kLimit;
  // A timeout for all, maps of other objects, elements with other expressions: nothing that we make, so it must differ from
  // everything we want.
  const bool timed = attributes.Find(NFTA_SET_TIMEOUT).has_value() || (set.timeouts && set.intervals);
  const bool calculates = attributes.Find(NFTA_SET_EXPR).has_value() != set.counts || attributes.Find(NFTA_SET_EXPRESSIONS).has_value();
  if (set.type == Type::kVerdict || flags != Flags(set) || timed || calculates) set.type = Type::kNothing;
  return set;
}

}  // namespace egressd::kernel
