#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "kernel/nft_codec.h"

namespace egressd::kernel {

using Code = state::NftVerdict::Code;

std::int32_t VerdictNumber(Code code) {
  switch (code) {
    case Code::kAccept:
      return NF_ACCEPT;
    case Code::kDrop:
      return NF_DROP;
    case Code::kReturn:
      return NFT_RETURN;
    case Code::kJump:
      return NFT_JUMP;
    case Code::kGoto:
      return NFT_GOTO;
  }
  EGRESSD_ASSERT(false);
}

void EncodeVerdict(nlmsghdr* message, const state::NftVerdict& verdict) {
  auto* nest = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
  mnl_attr_put_u32(message, NFTA_VERDICT_CODE,
                   htonl(static_cast<std::uint32_t>(VerdictNumber(verdict.code))));
  if (!verdict.chain.empty()) mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, verdict.chain.c_str());
  mnl_attr_nest_end(message, nest);
}

std::optional<state::NftVerdict> DecodeVerdict(Attributes verdict) {
  const auto number = verdict.U32(NFTA_VERDICT_CODE);
  if (!number) return std::nullopt;
  for (const auto code : {Code::kAccept, Code::kDrop, Code::kReturn, Code::kJump, Code::kGoto}) {
    if (static_cast<std::uint32_t>(VerdictNumber(code)) != *number) continue;
    return state::NftVerdict{.code = code, .chain = verdict.Text(NFTA_VERDICT_CHAIN).value_or("")};
  }
  return std::nullopt;
}

}  // namespace egressd::kernel
