#include "kernel/nft_attributes.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>

namespace egressd::kernel {
namespace {

template <typename Integer>
std::optional<Integer> BigEndian(std::optional<ByteSpan> value) {
  if (!value || value->size() != sizeof(Integer)) return std::nullopt;
  std::uint64_t result = 0;
  for (const auto byte : *value) result = result << 8 | byte;
  return static_cast<Integer>(result);
}

}  // namespace

std::optional<Attribute> NextAttribute(ByteSpan& bytes) {
  nlattr header;
  if (bytes.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.nla_len < sizeof(header) || header.nla_len > bytes.size()) return std::nullopt;
  const Attribute attribute{.type = static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
                            .value = bytes.subspan(sizeof(header), header.nla_len - sizeof(header)),
                            .start = bytes.data()};
  const std::size_t aligned = (std::size_t{header.nla_len} + 3) & ~std::size_t{3};
  bytes = bytes.subspan(std::min(aligned, bytes.size()));
  return attribute;
}

Attributes Attributes::OfMessage(const nlmsghdr* message) {
  constexpr std::size_t kHeaders = NLMSG_HDRLEN + sizeof(nfgenmsg);
  if (message->nlmsg_len < kHeaders) return Attributes({});
  return Attributes(
      {reinterpret_cast<const std::uint8_t*>(message) + kHeaders, message->nlmsg_len - kHeaders});
}

std::optional<ByteSpan> Attributes::Find(std::uint16_t type) const {
  auto rest = bytes_;
  while (const auto attribute = NextAttribute(rest)) {
    if (attribute->type == type) return attribute->value;
  }
  return std::nullopt;
}

std::optional<std::uint8_t> Attributes::U8(std::uint16_t type) const {
  return BigEndian<std::uint8_t>(Find(type));
}
std::optional<std::uint16_t> Attributes::U16(std::uint16_t type) const {
  return BigEndian<std::uint16_t>(Find(type));
}
std::optional<std::uint32_t> Attributes::U32(std::uint16_t type) const {
  return BigEndian<std::uint32_t>(Find(type));
}
std::optional<std::uint64_t> Attributes::U64(std::uint16_t type) const {
  return BigEndian<std::uint64_t>(Find(type));
}

std::optional<std::string> Attributes::Text(std::uint16_t type) const {
  const auto value = Find(type);
  if (!value) return std::nullopt;
  const auto end = std::ranges::find(*value, std::uint8_t{0});
  if (end == value->end()) return std::nullopt;
  return std::string(value->begin(), end);
}

}  // namespace egressd::kernel
