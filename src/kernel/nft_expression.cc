// Each expression of ours is one of the kernel's virtual machine, but for the MSS, which is written from a
// register, and the user, whose order is turned.
#include <stdio.h>  // libnftnl/expr.h needs it, from C

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/tcp.h>

#include "kernel/nft_codec.h"

namespace egressd::kernel {
namespace {

nftnl_expr* New(const char* name) {
  auto* expression = nftnl_expr_alloc(name);
  EGRESSD_ASSERT(expression != nullptr);
  return expression;
}

void SetBytes(nftnl_expr* expression, std::uint16_t attribute, const state::NftBytes& bytes) {
  nftnl_expr_set(expression, attribute, bytes.bytes().data(),
                 static_cast<std::uint32_t>(bytes.bytes().size()));
}

std::uint32_t KeyNumber(state::NftMeta::Key key) {
  using Key = state::NftMeta::Key;
  switch (key) {
    case Key::kMark:
      return NFT_META_MARK;
    case Key::kNfproto:
      return NFT_META_NFPROTO;
    case Key::kL4proto:
      return NFT_META_L4PROTO;
    case Key::kIifname:
      return NFT_META_IIFNAME;
    case Key::kOifname:
      return NFT_META_OIFNAME;
    case Key::kSkuid:
      return NFT_META_SKUID;
  }
  EGRESSD_ASSERT(false);
}

std::uint32_t KeyNumber(state::NftCt::Key key) {
  using Key = state::NftCt::Key;
  switch (key) {
    case Key::kState:
      return NFT_CT_STATE;
    case Key::kDirection:
      return NFT_CT_DIRECTION;
    case Key::kMark:
      return NFT_CT_MARK;
  }
  EGRESSD_ASSERT(false);
}

std::vector<nftnl_expr*> Of(const state::NftMeta& meta) {
  auto* expression = New("meta");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_META_KEY, KeyNumber(meta.key));
  nftnl_expr_set_u32(expression, meta.store ? NFTNL_EXPR_META_SREG : NFTNL_EXPR_META_DREG, meta.reg);
  if (meta.key != state::NftMeta::Key::kSkuid) return {expression};
  auto* order = New("byteorder");
  nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_SREG, meta.reg);
  nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_DREG, meta.reg);
  nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
  nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_LEN, 4);
  nftnl_expr_set_u32(order, NFTNL_EXPR_BYTEORDER_SIZE, 4);
  return {expression, order};
}

std::vector<nftnl_expr*> Of(const state::NftCt& ct) {
  auto* expression = New("ct");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_CT_KEY, KeyNumber(ct.key));
  nftnl_expr_set_u32(expression, ct.store ? NFTNL_EXPR_CT_SREG : NFTNL_EXPR_CT_DREG, ct.reg);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftPayload& payload) {
  auto* expression = New("payload");
  nftnl_expr_set_u32(expression, payload.store ? NFTNL_EXPR_PAYLOAD_SREG : NFTNL_EXPR_PAYLOAD_DREG, payload.reg);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_BASE, static_cast<std::uint32_t>(payload.base));
  nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, payload.offset_bytes);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_LEN, payload.length_bytes);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftCgroup& cgroup) {
  auto* expression = New("socket");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_CGROUPV2);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_SOCKET_LEVEL, cgroup.level);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_SOCKET_DREG, cgroup.reg);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftCompare& compare) {
  auto* expression = New("cmp");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_SREG, compare.reg);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_OP, compare.negate ? NFT_CMP_NEQ : NFT_CMP_EQ);
  SetBytes(expression, NFTNL_EXPR_CMP_DATA, compare.value);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftBitwise& bitwise) {
  auto* expression = New("bitwise");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_SREG, bitwise.reg);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_DREG, bitwise.reg);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_LEN,
                     static_cast<std::uint32_t>(bitwise.mask.bytes().size()));
  SetBytes(expression, NFTNL_EXPR_BITWISE_MASK, bitwise.mask);
  SetBytes(expression, NFTNL_EXPR_BITWISE_XOR, bitwise.xor_);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftLookup& lookup) {
  using Result = state::NftLookup::Result;
  auto* expression = New("lookup");
  nftnl_expr_set_str(expression, NFTNL_EXPR_LOOKUP_SET, lookup.set.c_str());
  nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_SREG, lookup.reg);
  if (lookup.result == Result::kValue)
    nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_DREG, lookup.value_reg);
  if (lookup.result == Result::kVerdict)
    nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
  if (lookup.negate) nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftImmediate& immediate) {
  auto* expression = New("immediate");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_DREG, immediate.reg);
  SetBytes(expression, NFTNL_EXPR_IMM_DATA, immediate.value);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftCount& count) {
  auto* expression = New("objref");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
  nftnl_expr_set_str(expression, NFTNL_EXPR_OBJREF_IMM_NAME, count.counter.c_str());
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftLimitBy& limit) {
  auto* expression = New("objref");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_OBJREF_SET_SREG, limit.reg);
  nftnl_expr_set_str(expression, NFTNL_EXPR_OBJREF_SET_NAME, limit.map.c_str());
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftNotrack&) { return {New("notrack")}; }

std::vector<nftnl_expr*> Of(const state::NftSnat& snat) {
  auto* expression = New("nat");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_FAMILY,
                     snat.family == Family::kIpv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NAT_REG_ADDR_MIN, snat.reg);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftHash& hash) {
  auto* expression = New("hash");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_HASH_SREG, hash.reg);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_HASH_DREG, hash.reg);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_HASH_LEN, hash.length_bytes);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_HASH_MODULUS, hash.modulus);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_HASH_SEED, hash.seed);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_HASH_TYPE, NFT_HASH_JENKINS);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftTurn& turn) {
  auto* expression = New("numgen");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NG_DREG, turn.reg);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NG_MODULUS, turn.modulus);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_NG_TYPE, NFT_NG_INCREMENTAL);
  return {expression};
}

std::vector<nftnl_expr*> Of(const state::NftClampMss& clamp) {
  // The option's value stands behind its kind and its length, one byte each.
  constexpr std::uint32_t kOffset = 2, kLength = 2;
  const std::uint16_t mss = htons(clamp.mss_bytes);
  auto* load = New("immediate");
  nftnl_expr_set_u32(load, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
  nftnl_expr_set(load, NFTNL_EXPR_IMM_DATA, &mss, sizeof(mss));
  auto* write = New("exthdr");
  nftnl_expr_set_u32(write, NFTNL_EXPR_EXTHDR_SREG, NFT_REG_1);
  nftnl_expr_set_u8(write, NFTNL_EXPR_EXTHDR_TYPE, TCPOPT_MAXSEG);
  nftnl_expr_set_u32(write, NFTNL_EXPR_EXTHDR_OFFSET, kOffset);
  nftnl_expr_set_u32(write, NFTNL_EXPR_EXTHDR_LEN, kLength);
  nftnl_expr_set_u32(write, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
  return {load, write};
}

std::vector<nftnl_expr*> Of(const state::NftVerdict& verdict) {
  auto* expression = New("immediate");
  nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
  nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_VERDICT,
                     static_cast<std::uint32_t>(VerdictNumber(verdict.code)));
  if (!verdict.chain.empty()) nftnl_expr_set_str(expression, NFTNL_EXPR_IMM_CHAIN, verdict.chain.c_str());
  return {expression};
}

}  // namespace

std::vector<nftnl_expr*> EncodeExpression(const state::NftExpression& expression) {
  return std::visit([](const auto& each) { return Of(each); }, expression);
}

}  // namespace egressd::kernel
