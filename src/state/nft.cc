#include "egressd/state/nft.h"

#include <algorithm>
#include <cstring>
#include <format>
#include <string>

#include "egressd/base/hash.h"

namespace egressd::state {
namespace {

constexpr std::string_view kCommentPrefix = "egressd:";
constexpr std::size_t kDigestDigits = 16;
constexpr std::size_t kCommentTextBytes = 96;

// The expressions as an unambiguous string: one letter for the kind, then every field; texts with their length in front.
class Writer {
 public:
  Writer& Text(std::string_view value) {
    bytes_ += std::format("{}:{};", value.size(), value);
    return *this;
  }
  Writer& Number(std::uint64_t value) {
    bytes_ += std::format("{};", value);
    return *this;
  }
  Writer& Kind(char letter) {
    bytes_ += letter;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

void Write(const NftMeta& e, Writer& out) { out.Kind('m').Number(static_cast<unsigned>(e.key)).Number(e.reg).Number(e.store ? 1 : 0); }
void Write(const NftCt& e, Writer& out) { out.Kind('t').Number(static_cast<unsigned>(e.key)).Number(e.reg).Number(e.store ? 1 : 0); }
void Write(const NftPayload& e, Writer& out) {
  out.Kind('p').Number(static_cast<unsigned>(e.base)).Number(e.offset_bytes).Number(e.length_bytes).Number(e.reg);
  out.Number(e.store ? 1 : 0);
}
void Write(const NftCgroup& e, Writer& out) { out.Kind('g').Number(e.level).Number(e.reg); }
void Write(const NftCompare& e, Writer& out) { out.Kind('c').Number(e.reg).Text(e.value.ToString()).Number(e.negate ? 1 : 0); }
void Write(const NftBitwise& e, Writer& out) { out.Kind('b').Number(e.reg).Text(e.mask.ToString()).Text(e.xor_.ToString()); }
void Write(const NftLookup& e, Writer& out) {
  out.Kind('l').Text(e.set).Number(e.reg).Number(static_cast<unsigned>(e.result)).Number(e.value_reg).Number(e.negate ? 1 : 0);
}
void Write(const NftImmediate& e, Writer& out) { out.Kind('i').Number(e.reg).Text(e.value.ToString()); }
void Write(const NftCount& e, Writer& out) { out.Kind('n').Text(e.counter); }
void Write(const NftLimitBy& e, Writer& out) { out.Kind('q').Text(e.map).Number(e.reg); }
void Write(const NftNotrack&, Writer& out) { out.Kind('u'); }
void Write(const NftSnat& e, Writer& out) { out.Kind('s').Number(static_cast<unsigned>(e.family)).Number(e.reg); }
void Write(const NftHash& e, Writer& out) { out.Kind('h').Number(e.reg).Number(e.length_bytes).Number(e.modulus).Number(e.seed); }
void Write(const NftTurn& e, Writer& out) { out.Kind('g').Number(e.reg).Number(e.modulus); }
void Write(const NftClampMss& e, Writer& out) { out.Kind('x').Number(e.mss_bytes); }
void Write(const NftVerdict& e, Writer& out) { out.Kind('v').Number(static_cast<unsigned>(e.code)).Text(e.chain); }

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0u) == 0x80u; }

}  // namespace

NftBytes::NftBytes(std::span<const std::uint8_t> bytes) : size_(static_cast<std::uint8_t>(bytes.size())) {
  EGRESSD_ASSERT(bytes.size() <= bytes_.size());
  std::ranges::copy(bytes, bytes_.begin());
}

NftBytes NftBytes::Of(const IpAddress& address) { return NftBytes(address.bytes()); }

NftBytes NftBytes::Of(const MacAddress& address) { return NftBytes(address.bytes); }

NftBytes NftBytes::Mark(std::uint32_t host_order) {
  std::array<std::uint8_t, 4> bytes{};
  std::memcpy(bytes.data(), &host_order, bytes.size());
  return NftBytes(bytes);
}

NftBytes NftBytes::Port(std::uint16_t port) {
  return NftBytes(std::array<std::uint8_t, 2>{static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port & 0xff)});
}

NftBytes NftBytes::Byte(std::uint8_t value) { return NftBytes(std::array<std::uint8_t, 1>{value}); }

NftBytes NftBytes::Cgroup(std::uint64_t id) {
  std::array<std::uint8_t, 8> bytes{};
  std::memcpy(bytes.data(), &id, bytes.size());
  return NftBytes(bytes);
}

NftBytes NftBytes::NetworkOrder(std::uint32_t value) { return Of(IpAddress::Ipv4(value)); }

NftBytes NftBytes::InterfaceName(std::string_view name) {
  std::array<std::uint8_t, 16> bytes{};
  EGRESSD_ASSERT(name.size() < bytes.size());
  std::ranges::copy(name, bytes.begin());
  return NftBytes(bytes);
}

NftBytes NftBytes::Concat(std::initializer_list<NftBytes> fields) {
  NftBytes result;
  for (const NftBytes& field : fields) {
    const auto padded = (static_cast<std::size_t>(field.size_) + 3) / 4 * 4;
    EGRESSD_ASSERT(result.size_ + padded <= result.bytes_.size());
    std::ranges::copy(field.bytes(), result.bytes_.begin() + result.size_);
    result.size_ = static_cast<std::uint8_t>(result.size_ + padded);
  }
  return result;
}

std::uint32_t NftBytes::as_mark() const {
  EGRESSD_ASSERT(size_ == 4);
  std::uint32_t mark = 0;
  std::memcpy(&mark, bytes_.data(), sizeof mark);
  return mark;
}

std::string NftBytes::ToString() const {
  std::string text;
  text.reserve(size_ * std::size_t{2});
  for (const std::uint8_t byte : bytes()) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::size_t Bytes(NftSet::Type type) {
  switch (type) {
    case NftSet::Type::kNothing:
    case NftSet::Type::kLimit:
    case NftSet::Type::kVerdict: return 0;
    case NftSet::Type::kIpv4:
    case NftSet::Type::kMark: return 4;
    case NftSet::Type::kIpv6:
    case NftSet::Type::kInterface: return 16;
    case NftSet::Type::kMarkIpv4:
    case NftSet::Type::kCgroup:
    case NftSet::Type::kMarkMark:
    case NftSet::Type::kProtocolPort: return 8;
    case NftSet::Type::kMacIpv4:
    case NftSet::Type::kMarkUserIpv4: return 12;
    case NftSet::Type::kMacIpv6:
    case NftSet::Type::kMarkUserIpv6: return 24;
    case NftSet::Type::kMarkIpv6: return 20;
  }
  return 0;
}

Duration TimeoutWithin(Duration wanted) { return std::max(kTimeoutGrain, wanted - wanted % kTimeoutGrain); }

NftRule Seal(NftRule rule) {
  Writer out;
  out.Text(rule.text);
  for (const NftExpression& expression : rule.expressions) std::visit([&](const auto& e) { Write(e, out); }, expression);
  rule.digest = Hex(StableHash(out.bytes()));
  return rule;
}

std::string RuleComment(const NftRule& rule) {
  std::string_view text = rule.text;
  if (text.size() > kCommentTextBytes) {
    std::size_t end = kCommentTextBytes;
    while (end > 0 && IsContinuation(text[end])) --end;  // never half a character
    text = text.substr(0, end);
  }
  return std::string(kCommentPrefix) + rule.digest + " " + std::string(text);
}

std::string DigestInComment(std::string_view comment) {
  if (!comment.starts_with(kCommentPrefix)) return {};
  comment.remove_prefix(kCommentPrefix.size());
  if (comment.size() < kDigestDigits || (comment.size() > kDigestDigits && comment[kDigestDigits] != ' ')) return {};
  comment = comment.substr(0, kDigestDigits);
  const bool hexadecimal = std::ranges::all_of(comment, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  return hexadecimal ? std::string(comment) : std::string();
}

}  // namespace egressd::state
