#include "kernel/nft_batch.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cstring>

namespace egressd::kernel {

NftBatch::NftBatch(std::uint32_t first_sequence, std::uint32_t generation)
    : first_sequence_(first_sequence), scratch_(std::make_unique_for_overwrite<Scratch>()) {
  auto* begin = nftnl_batch_begin(reinterpret_cast<char*>(scratch_->bytes), first_sequence);
  if (generation != 0) mnl_attr_put_u32(begin, NFNL_BATCH_GENID, htonl(generation));
  messages_.push_back(bytes_.size());
  AppendScratch(begin->nlmsg_len);
}

void NftBatch::AppendScratch(std::size_t size) {
  EGRESSD_ASSERT(size <= kMessageBytes);
  bytes_.insert(bytes_.end(), scratch_->bytes, scratch_->bytes + size);
  bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
}

nlmsghdr* NftBatch::Open(std::uint16_t type, std::uint16_t flags, state::NftFamily family, Origin origin) {
  EGRESSD_ASSERT(open_ == nullptr);
  const auto sequence = first_sequence_ + static_cast<std::uint32_t>(messages_.size());
  open_ = nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(scratch_->bytes), type,
                                static_cast<std::uint16_t>(family), flags, sequence);
  messages_.push_back(bytes_.size());
  origins_.push_back({.position = bytes_.size(), .origin = origin});
  return open_;
}

void NftBatch::Continue(Origin origin) {
  EGRESSD_ASSERT(open_ != nullptr);
  origins_.push_back({.position = bytes_.size() + open_->nlmsg_len, .origin = origin});
}

void NftBatch::Close() {
  EGRESSD_ASSERT(open_ != nullptr);
  AppendScratch(std::exchange(open_, nullptr)->nlmsg_len);
}

std::span<const std::uint8_t> NftBatch::Finish() {
  EGRESSD_ASSERT(open_ == nullptr);
  const auto sequence = first_sequence_ + static_cast<std::uint32_t>(messages_.size());
  const auto* end = nftnl_batch_end(reinterpret_cast<char*>(scratch_->bytes), sequence);
  messages_.push_back(bytes_.size());
  AppendScratch(end->nlmsg_len);
  return bytes_;
}

std::optional<NftBatch::Origin> NftBatch::Find(std::uint32_t sequence, std::uint32_t offset) const {
  // The first and the last message are the frame.
  const std::uint32_t index = sequence - first_sequence_;
  if (index == 0 || std::size_t{index} + 1 >= messages_.size()) return std::nullopt;
  const auto position = std::min(messages_[index] + offset, messages_[index + 1] - 1);
  const auto after = std::ranges::upper_bound(origins_, position, {}, &Mark::position);
  if (after == origins_.begin()) return std::nullopt;
  return std::prev(after)->origin;
}

}  // namespace egressd::kernel
