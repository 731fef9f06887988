#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <linux/netfilter.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "kernel/nft_codec.h"

namespace egressd::kernel {
namespace {

using state::NftHook;

constexpr std::pair<NftHook::Type, const char*> kTypes[] = {
    {NftHook::Type::kFilter, "filter"}, {NftHook::Type::kNat, "nat"}, {NftHook::Type::kRoute, "route"}};

const char* NameOf(NftHook::Type type) {
  for (const auto& [each, name] : kTypes) {
    if (each == type) return name;
  }
  EGRESSD_ASSERT(false);
}

std::optional<NftHook::Type> TypeOf(const std::string& name) {
  for (const auto& [type, each] : kTypes) {
    if (name == each) return type;
  }
  return std::nullopt;
}

// NF_INET_… are our own numbers; ARP has others (linux/netfilter_arp.h).
constexpr std::pair<NftHook::Point, std::uint32_t> kArpPoints[] = {{NftHook::Point::kInput, NF_ARP_IN}, {NftHook::Point::kOutput, NF_ARP_OUT}};

std::uint32_t NumberOf(NftHook::Point point, state::NftFamily family) {
  if (family != state::NftFamily::kArp) return static_cast<std::uint32_t>(point);
  const auto* found = std::ranges::find(kArpPoints, point, &std::pair<NftHook::Point, std::uint32_t>::first);
  EGRESSD_ASSERT(found != std::end(kArpPoints));
  return found->second;
}

// nullopt: a hook that we never use.
std::optional<NftHook::Point> PointOf(std::uint32_t number, state::NftFamily family) {
  if (family == state::NftFamily::kArp) {
    const auto* found = std::ranges::find(kArpPoints, number, &std::pair<NftHook::Point, std::uint32_t>::second);
    return found == std::end(kArpPoints) ? std::nullopt : std::optional(found->first);
  }
  if (number > static_cast<std::uint32_t>(NftHook::Point::kPostrouting)) return std::nullopt;
  return static_cast<NftHook::Point>(number);
}

}  // namespace

void EncodeChain(nlmsghdr* message, const state::NftChain& chain) {
  const std::unique_ptr<nftnl_chain, decltype(&nftnl_chain_free)> encoded(nftnl_chain_alloc(),
                                                                          &nftnl_chain_free);
  EGRESSD_ASSERT(encoded != nullptr);
  nftnl_chain_set_str(encoded.get(), NFTNL_CHAIN_TABLE, kNftTable);
  nftnl_chain_set_str(encoded.get(), NFTNL_CHAIN_NAME, chain.key.name.c_str());
  if (chain.hook) {
    nftnl_chain_set_str(encoded.get(), NFTNL_CHAIN_TYPE, NameOf(chain.hook->type));
    nftnl_chain_set_u32(encoded.get(), NFTNL_CHAIN_HOOKNUM, NumberOf(chain.hook->point, chain.key.family));
    nftnl_chain_set_s32(encoded.get(), NFTNL_CHAIN_PRIO, chain.hook->priority);
    nftnl_chain_set_u32(encoded.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
  }
  nftnl_chain_nlmsg_build_payload(message, encoded.get());
}

void EncodeChainName(nlmsghdr* message, const std::string& name) {
  mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, kNftTable);
  mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name.c_str());  // its number is not 2: that is the handle
}

std::optional<DecodedChain> DecodeChain(const nlmsghdr* message) {
  const auto family = OurFamily(message);
  const auto attributes = Attributes::OfMessage(message);
  auto name = attributes.Text(NFTA_CHAIN_NAME);
  if (!family || !name || (attributes.U32(NFTA_CHAIN_FLAGS).value_or(0) & NFT_CHAIN_BINDING) != 0)
    return std::nullopt;
  DecodedChain decoded{.chain = {.key = {.family = *family, .name = std::move(*name)}}};
  if (attributes.Find(NFTA_CHAIN_HOOK)) {
    const auto hook = attributes.Nested(NFTA_CHAIN_HOOK);
    const auto type = TypeOf(attributes.Text(NFTA_CHAIN_TYPE).value_or(""));
    const auto point = hook.U32(NFTA_HOOK_HOOKNUM);
    const auto priority = hook.U32(NFTA_HOOK_PRIORITY);
    if (!point || !priority) return std::nullopt;
    decoded.accepts = attributes.U32(NFTA_CHAIN_POLICY) == NF_ACCEPT;
    // A type or hook that we never use is as foreign as a policy that we never set.
    const auto known = PointOf(*point, *family);
    if (!type || !known) decoded.accepts = false;
    decoded.chain.hook = NftHook{.type = type.value_or(NftHook::Type::kFilter),
                                 .point = known.value_or(NftHook::Point::kPostrouting),
                                 .priority = static_cast<std::int32_t>(*priority)};
  }
  return decoded;
}

}  // namespace egressd::kernel
