#include "agent/translation_list.h"

#include "egressd/base/error.h"
#include "egressd/gossip/message.h"

namespace egressd::agent {
namespace {

using gossip::Reader;
using gossip::Writer;
using state::Translation;

enum Flag : unsigned { kIpv6 = 4, kAnswered = 8, kOtherPort = 16, kSameId = 32, kSameSource = 64, kSameDestination = 128 };
constexpr unsigned kProtocolBits = 3, kTcp = 0, kUdp = 1, kIcmp = 2, kOtherProtocol = 3;
// flags, source port, destination port
constexpr std::size_t kShortestBytes = 5;

std::uint8_t IcmpOf(bool ipv6) { return ipv6 ? 58 : 1; }

unsigned ProtocolBitsOf(const Translation& translation) {
  if (translation.protocol == 6) return kTcp;
  if (translation.protocol == 17) return kUdp;
  return translation.protocol == IcmpOf(translation.source.family() == Family::kIpv6) ? kIcmp : kOtherProtocol;
}

unsigned FlagsOf(const Translation& translation, const Translation& before) {
  EGRESSD_ASSERT(translation.source.family() == translation.destination.family());
  unsigned flags = ProtocolBitsOf(translation);
  if (translation.source.family() == Family::kIpv6) flags |= kIpv6;
  if (translation.answered) flags |= kAnswered;
  if (translation.translated_port != translation.source_port) flags |= kOtherPort;
  if (translation.id == before.id) flags |= kSameId;
  if (translation.source == before.source) flags |= kSameSource;
  if (translation.destination == before.destination) flags |= kSameDestination;
  return flags;
}

std::size_t BytesOf(const Translation& translation, const Translation& before) {
  const unsigned flags = FlagsOf(translation, before);
  const std::size_t address_bytes = translation.source.bytes().size();
  std::size_t bytes = kShortestBytes;
  if ((flags & kProtocolBits) == kOtherProtocol) bytes += 1;
  if ((flags & kSameId) == 0) bytes += 2;
  if ((flags & kSameSource) == 0) bytes += address_bytes;
  if ((flags & kSameDestination) == 0) bytes += address_bytes;
  if ((flags & kOtherPort) != 0) bytes += 2;
  return bytes;
}

void WriteOne(Writer& out, const Translation& translation, const Translation& before) {
  const unsigned flags = FlagsOf(translation, before);
  out.U8(static_cast<std::uint8_t>(flags));
  if ((flags & kProtocolBits) == kOtherProtocol) out.U8(translation.protocol);
  if ((flags & kSameId) == 0) out.U16(translation.id.value);
  if ((flags & kSameSource) == 0) out.Raw(translation.source.bytes());
  if ((flags & kSameDestination) == 0) out.Raw(translation.destination.bytes());
  out.U16(translation.source_port);
  out.U16(translation.destination_port);
  if ((flags & kOtherPort) != 0) out.U16(translation.translated_port);
}

IpAddress ReadAddress(Reader& in, std::size_t length_bytes) {
  const auto bytes = in.Raw(length_bytes);
  return in.ok() ? IpAddress::FromBytes(bytes) : IpAddress();
}

Translation ReadOne(Reader& in, const Translation& before) {
  Translation read;
  const unsigned flags = in.U8();
  const bool ipv6 = (flags & kIpv6) != 0;
  switch (flags & kProtocolBits) {
    case kTcp: read.protocol = 6; break;
    case kUdp: read.protocol = 17; break;
    case kIcmp: read.protocol = IcmpOf(ipv6); break;
    default: read.protocol = in.U8();
  }
  const std::size_t address_bytes = ipv6 ? 16 : 4;
  read.id = (flags & kSameId) != 0 ? before.id : EgressId{in.U16()};
  read.source = (flags & kSameSource) != 0 ? before.source : ReadAddress(in, address_bytes);
  read.destination = (flags & kSameDestination) != 0 ? before.destination : ReadAddress(in, address_bytes);
  read.answered = (flags & kAnswered) != 0;
  read.source_port = in.U16();
  read.destination_port = in.U16();
  read.translated_port = (flags & kOtherPort) != 0 ? in.U16() : read.source_port;
  // Written again it must be the same: nothing was said that need not be said, and the families are what the flags say.
  const Family family = ipv6 ? Family::kIpv6 : Family::kIpv4;
  if (!in.ok() || read.source.family() != family || read.destination.family() != family || FlagsOf(read, before) != flags) in.Fail();
  return read;
}

}  // namespace

void Write(Writer& out, std::span<const Translation> translations) {
  out.Varint(translations.size());
  Translation before;
  for (const Translation& translation : translations) {
    WriteOne(out, translation, before);
    before = translation;
  }
}

std::vector<Translation> ReadTranslations(Reader& in) {
  std::vector<Translation> translations;
  Translation before;
  std::size_t count = in.Count(gossip::kLetterBytes, kShortestBytes);
  translations.reserve(count);
  for (; count > 0 && in.ok(); --count) {
    before = ReadOne(in, before);
    translations.push_back(before);
  }
  return translations;
}

std::vector<Translation> TakeTranslations(std::span<const Translation>& rest, std::size_t limit_bytes) {
  Translation before;
  std::size_t count = 0;
  for (std::size_t bytes = 0; count < rest.size(); ++count) {
    bytes += BytesOf(rest[count], before);
    if (bytes > limit_bytes && count > 0) break;
    before = rest[count];
  }
  std::vector<Translation> taken(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(count));
  rest = rest.subspan(count);
  return taken;
}

}  // namespace egressd::agent
