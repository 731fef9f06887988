// Rules carry what they are in their user data, as nft writes its comments: type, length, text with a NUL.
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <memory>

#include "kernel/nft_codec.h"

namespace egressd::kernel {
namespace {

void PutComment(nftnl_rule* encoded, const std::string& comment) {
  // nft refuses to print longer ones.
  const auto text = comment.substr(0, NFTNL_UDATA_COMMENT_MAXLEN - 1);
  const std::unique_ptr<nftnl_udata_buf, decltype(&nftnl_udata_buf_free)> buffer(
      nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN), &nftnl_udata_buf_free);
  EGRESSD_ASSERT(buffer != nullptr);
  nftnl_udata_put_strz(buffer.get(), NFTNL_UDATA_RULE_COMMENT, text.c_str());
  nftnl_rule_set_data(encoded, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(buffer.get()),
                      nftnl_udata_buf_len(buffer.get()));
}

// The comment in user data: a row of (type, length, value), one byte each for the first two.
std::string CommentIn(ByteSpan user_data) {
  while (user_data.size() >= 2) {
    const std::size_t length = user_data[1];
    if (user_data.size() < 2 + length) break;
    const auto value = user_data.subspan(2, length);
    if (user_data[0] == NFTNL_UDATA_RULE_COMMENT)
      return {value.begin(), std::ranges::find(value, std::uint8_t{0})};
    user_data = user_data.subspan(2 + length);
  }
  return {};
}

}  // namespace

void EncodeRule(nlmsghdr* message, const state::NftName& chain, const state::NftRule& rule) {
  const std::unique_ptr<nftnl_rule, decltype(&nftnl_rule_free)> encoded(nftnl_rule_alloc(), &nftnl_rule_free);
  EGRESSD_ASSERT(encoded != nullptr);
  nftnl_rule_set_str(encoded.get(), NFTNL_RULE_TABLE, kNftTable);
  nftnl_rule_set_str(encoded.get(), NFTNL_RULE_CHAIN, chain.name.c_str());
  PutComment(encoded.get(), state::RuleComment(rule));
  for (const auto& expression : rule.expressions) {
    for (auto* each : EncodeExpression(expression)) nftnl_rule_add_expr(encoded.get(), each);
  }
  nftnl_rule_nlmsg_build_payload(message, encoded.get());
}

std::optional<DecodedRule> DecodeRule(const nlmsghdr* message) {
  const auto family = OurFamily(message);
  const auto attributes = Attributes::OfMessage(message);
  auto chain = attributes.Text(NFTA_RULE_CHAIN);
  if (!family || !chain) return std::nullopt;
  const auto comment = CommentIn(attributes.Find(NFTA_RULE_USERDATA).value_or(ByteSpan{}));
  return DecodedRule{.chain = {.family = *family, .name = std::move(*chain)},
                     .rule = {.text = comment, .digest = state::DigestInComment(comment)}};
}

}  // namespace egressd::kernel
