#include "kernel/nft_lease.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <algorithm>
#include <variant>

#include "kernel/nft_codec.h"

namespace egressd::kernel {
namespace {

using state::NftBytes;
using state::NftElement;
using state::NftSet;
using state::Operation;
using state::Step;

NftElement AwakeElement(Duration timeout) {
  return {.key = {.set = AwakeSet().key, .first = NftBytes::Mark(1), .last = NftBytes::Mark(1)}, .value = {}, .timeout = timeout};
}

void PutElement(std::uint16_t type, std::uint16_t flags, const NftElement& element, ElementPurpose purpose, NftBatch& batch) {
  nlmsghdr* message = batch.Open(type, flags, element.key.set.family, {.step = &AwakeRemoval()});
  EncodeName(message, element.key.set.name);
  nlattr* list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
  EncodeElement(message, element, AwakeSet(), purpose);
  mnl_attr_nest_end(message, list);
  batch.Close();
}

}  // namespace

const NftSet& AwakeSet() {
  static const NftSet set{.key = {.name = "awake"}, .type = NftSet::Type::kMark, .timeouts = true};
  return set;
}

const Step& AwakeRemoval() {
  static const Step step{.operation = Operation::kRemove, .object = AwakeElement(state::kTimeoutGrain)};
  return step;
}

bool AddsLease(std::span<const Step> steps) {
  return std::ranges::any_of(steps, [](const Step& step) {
    const auto* element = std::get_if<NftElement>(&step.object);
    return element != nullptr && element->timeout && step.operation != Operation::kRemove;
  });
}

void EncodeAwakeRemoval(NftBatch& batch) {
  PutElement(NFT_MSG_DELSETELEM, 0, std::get<NftElement>(AwakeRemoval().object), ElementPurpose::kRemove, batch);
}

void EncodeWake(Duration timeout, WakeFrom from, NftBatch& batch) {
  const NftSet& set = AwakeSet();
  const NftBatch::Origin origin{.step = &AwakeRemoval()};
  if (from == WakeFrom::kNothing) {
    EncodeTable(batch.Open(NFT_MSG_NEWTABLE, NLM_F_CREATE, set.key.family, origin), {.key = {.family = set.key.family, .name = kNftTable}});
    batch.Close();
    EncodeSet(batch.Open(NFT_MSG_NEWSET, NLM_F_CREATE, set.key.family, origin), set, 1);
    batch.Close();
  }
  // Without elements: all there are, if any.
  EncodeName(batch.Open(NFT_MSG_DELSETELEM, 0, set.key.family, origin), set.key.name);
  batch.Close();
  if (timeout > Duration{0}) PutElement(NFT_MSG_NEWSETELEM, NLM_F_CREATE, AwakeElement(timeout), ElementPurpose::kAdd, batch);
}

}  // namespace egressd::kernel
