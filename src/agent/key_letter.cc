#include "agent/key_letter.h"

#include <algorithm>

#include "egressd/gossip/record.h"

namespace egressd::agent {
namespace {

constexpr std::size_t kKeyBytes = sizeof(gossip::Key::bytes);

void WriteRingVersion(gossip::Writer& out, const RingVersion& version) {
  out.U64(version.number);
  out.U64(version.digest);
}

RingVersion ReadRingVersion(gossip::Reader& in) {
  RingVersion version;
  version.number = in.U64();
  version.digest = in.U64();
  if (version.number >= kRingNumberLimit) in.Fail();
  return version;
}

void WriteFingerprints(gossip::Writer& out, const std::vector<gossip::Fingerprint>& keys) {
  out.U8(static_cast<std::uint8_t>(keys.size()));
  for (const gossip::Fingerprint key : keys) out.U32(key.value);
}

// 1 to kKeyLimit, none twice.
std::vector<gossip::Fingerprint> ReadFingerprints(gossip::Reader& in) {
  const std::size_t count = in.U8();
  std::vector<gossip::Fingerprint> keys;
  if (count == 0 || count > gossip::kKeyLimit) in.Fail();
  for (std::size_t n = 0; n < count && in.ok(); ++n) {
    const gossip::Fingerprint key{in.U32()};
    if (std::ranges::contains(keys, key)) in.Fail();
    keys.push_back(key);
  }
  return keys;
}

struct Encoder {
  gossip::Writer& out;
  void operator()(const KeyQuestion& question) const {
    out.U64(question.round);
    out.U8(static_cast<std::uint8_t>(question.purpose));
    WriteRingVersion(out, question.version);
  }
  void operator()(const KeyAnswer& answer) const {
    out.U64(answer.round);
    WriteRingVersion(out, answer.version);
    WriteFingerprints(out, answer.ring);
    WriteFingerprints(out, answer.sealing);
    out.Text(answer.changing);
  }
  void operator()(const KeyTell& tell) const {
    out.U64(tell.round);
    out.U64(tell.ring.number);
    out.U8(static_cast<std::uint8_t>(tell.ring.keys.size()));
    for (const gossip::Key& key : tell.ring.keys) out.Raw(key.bytes);
  }
};

void Read(gossip::Reader& in, KeyQuestion& question) {
  question.round = in.U64();
  const std::uint8_t purpose = in.U8();
  if (purpose > static_cast<std::uint8_t>(KeyQuestion::Purpose::kDone)) in.Fail();
  question.purpose = static_cast<KeyQuestion::Purpose>(purpose);
  question.version = ReadRingVersion(in);
}

void Read(gossip::Reader& in, KeyAnswer& answer) {
  answer.round = in.U64();
  answer.version = ReadRingVersion(in);
  answer.ring = ReadFingerprints(in);
  answer.sealing = ReadFingerprints(in);
  if (!std::ranges::is_sorted(answer.sealing)) in.Fail();
  answer.changing = in.Text(gossip::kNameLimit);
}

void Read(gossip::Reader& in, KeyTell& tell) {
  tell.round = in.U64();
  tell.ring.number = in.U64();
  const std::size_t count = in.U8();
  if (count > gossip::kKeyLimit) in.Fail();
  for (std::size_t n = 0; n < count && in.ok(); ++n) {
    const gossip::ByteView raw = in.Raw(kKeyBytes);
    if (in.ok()) std::ranges::copy(raw, tell.ring.keys.emplace_back().bytes.begin());
  }
  if (tell.ring.number == 0 || !IsValid(tell.ring)) in.Fail();
}

template <std::size_t I = 0>
std::optional<KeyLetter> DecodeAs(std::size_t type, gossip::ByteView bytes) {
  if constexpr (I == std::variant_size_v<KeyLetter>) {
    return std::nullopt;
  } else {
    if (type != I) return DecodeAs<I + 1>(type, bytes);
    gossip::Reader in(bytes);
    std::variant_alternative_t<I, KeyLetter> body;
    Read(in, body);
    if (!in.done()) return std::nullopt;
    return KeyLetter(std::in_place_index<I>, std::move(body));
  }
}

}  // namespace

gossip::Bytes Encode(const KeyLetter& letter) {
  gossip::Writer out;
  out.U8(kKeyLetter);
  out.U8(static_cast<std::uint8_t>(letter.index()));
  std::visit(Encoder{out}, letter);
  return std::move(out).Take();
}

std::optional<KeyLetter> DecodeKeyLetter(gossip::ByteView bytes) {
  if (bytes.size() < 2 || bytes[0] != kKeyLetter) return std::nullopt;
  return DecodeAs(bytes[1], bytes.subspan(2));
}

}  // namespace egressd::agent
