// Tables, named counters and limits.
#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "kernel/nft_codec.h"

namespace egressd::kernel {

std::optional<state::NftFamily> OurFamily(const nlmsghdr* message) {
  if (message->nlmsg_len < NLMSG_HDRLEN + sizeof(nfgenmsg)) return std::nullopt;
  const auto family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->nfgen_family;
  if (family != static_cast<std::uint8_t>(state::NftFamily::kInet) &&
      family != static_cast<std::uint8_t>(state::NftFamily::kArp)) {
    return std::nullopt;
  }
  if (Attributes::OfMessage(message).Text(NFTA_TABLE_NAME) != kNftTable) return std::nullopt;
  return static_cast<state::NftFamily>(family);
}

void EncodeName(nlmsghdr* message, const std::string& name) {
  static_assert(NFTA_SET_TABLE == 1 && NFTA_OBJ_TABLE == 1 && NFTA_CHAIN_TABLE == 1 &&
                NFTA_SET_ELEM_LIST_TABLE == 1);
  static_assert(NFTA_SET_NAME == 2 && NFTA_OBJ_NAME == 2 && NFTA_RULE_CHAIN == 2 &&
                NFTA_SET_ELEM_LIST_SET == 2);
  mnl_attr_put_strz(message, 1, kNftTable);
  mnl_attr_put_strz(message, 2, name.c_str());
}

std::uint32_t DecodeGeneration(const nlmsghdr* message) {
  return Attributes::OfMessage(message).U32(NFTA_GEN_ID).value_or(0);
}

void EncodeTable(nlmsghdr* message, const state::NftTable& table) {
  mnl_attr_put_strz(message, NFTA_TABLE_NAME, table.key.name.c_str());
  mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, 0);  // wakes a sleeping one
}

std::optional<DecodedTable> DecodeTable(const nlmsghdr* message) {
  const auto family = OurFamily(message);
  if (!family) return std::nullopt;
  return DecodedTable{.table = {.key = {.family = *family, .name = kNftTable}},
                      .flags = Attributes::OfMessage(message).U32(NFTA_TABLE_FLAGS).value_or(0)};
}

void EncodeCounterName(nlmsghdr* message, const std::string& name) {
  EncodeName(message, name);
  mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
}

void EncodeCounter(nlmsghdr* message, const state::NftCounter& counter) {
  EncodeCounterName(message, counter.key.name);
  mnl_attr_nest_end(message, mnl_attr_nest_start(message, NFTA_OBJ_DATA));
}

std::optional<DecodedCounter> DecodeCounter(const nlmsghdr* message) {
  const auto family = OurFamily(message);
  const auto attributes = Attributes::OfMessage(message);
  auto name = attributes.Text(NFTA_OBJ_NAME);
  if (!family || !name || attributes.U32(NFTA_OBJ_TYPE) != NFT_OBJECT_COUNTER) return std::nullopt;
  return DecodedCounter{.counter = {.key = {.family = *family, .name = std::move(*name)}},
                        .packets = attributes.Nested(NFTA_OBJ_DATA).U64(NFTA_COUNTER_PACKETS).value_or(0)};
}

void EncodeLimitName(nlmsghdr* message, const std::string& name) {
  EncodeName(message, name);
  mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_LIMIT));
}

void EncodeLimit(nlmsghdr* message, const state::NftLimit& limit) {
  EncodeLimitName(message, limit.key.name);
  auto* data = mnl_attr_nest_start(message, NFTA_OBJ_DATA);
  mnl_attr_put_u64(message, NFTA_LIMIT_RATE, htobe64(limit.rate_bytes));
  mnl_attr_put_u64(message, NFTA_LIMIT_UNIT, htobe64(1));  // a second
  mnl_attr_put_u32(message, NFTA_LIMIT_BURST, htonl(limit.extra_bytes));
  mnl_attr_put_u32(message, NFTA_LIMIT_TYPE, htonl(NFT_LIMIT_PKT_BYTES));
  mnl_attr_put_u32(message, NFTA_LIMIT_FLAGS, htonl(NFT_LIMIT_F_INV));
  mnl_attr_nest_end(message, data);
}

std::optional<state::NftLimit> DecodeLimit(const nlmsghdr* message) {
  const auto family = OurFamily(message);
  const auto attributes = Attributes::OfMessage(message);
  auto name = attributes.Text(NFTA_OBJ_NAME);
  if (!family || !name || attributes.U32(NFTA_OBJ_TYPE) != NFT_OBJECT_LIMIT) return std::nullopt;
  const auto data = attributes.Nested(NFTA_OBJ_DATA);
  state::NftLimit limit{.key = {.family = *family, .name = std::move(*name)}};
  const bool as_ours = data.U64(NFTA_LIMIT_UNIT) == 1 && data.U32(NFTA_LIMIT_TYPE) == NFT_LIMIT_PKT_BYTES &&
                       data.U32(NFTA_LIMIT_FLAGS) == NFT_LIMIT_F_INV;
  if (as_ours) {
    limit.rate_bytes = data.U64(NFTA_LIMIT_RATE).value_or(0);
    limit.extra_bytes = data.U32(NFTA_LIMIT_BURST).value_or(0);
  }
  return limit;
}

}  // namespace egressd::kernel
