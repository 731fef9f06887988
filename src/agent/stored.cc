#include "agent/stored.h"

#include "agent/generation.h"
#include "egressd/base/hash.h"
#include "egressd/gossip/message.h"

namespace egressd::agent {
namespace {

constexpr std::string_view kMagic = "egressd2";
constexpr std::size_t kDigestBytes = 8;

}  // namespace

std::string Encode(const Stored& stored) {
  gossip::Writer out;
  out.Raw(ViewOf(kMagic));
  out.U64(stored.incarnation);
  out.U16(stored.tunnel_number);
  out.Varint(stored.peers.size());
  for (const Endpoint& peer : stored.peers) out.Place(peer);
  out.Text(stored.generation);
  out.U8(stored.drained ? 1 : 0);
  const std::uint64_t digest = StableHash(TextOf(out.bytes()));
  out.U64(digest);
  return TextOf(out.bytes());
}

std::optional<Stored> DecodeStored(std::string_view bytes) {
  if (bytes.size() < kMagic.size() + kDigestBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  gossip::Reader tail(ViewOf(bytes.substr(bytes.size() - kDigestBytes)));
  const std::string_view body = bytes.substr(0, bytes.size() - kDigestBytes);
  if (tail.U64() != StableHash(body)) return std::nullopt;
  gossip::Reader in(ViewOf(body.substr(kMagic.size())));
  Stored stored;
  stored.incarnation = in.U64();
  stored.tunnel_number = in.U16();
  for (std::size_t n = in.Count(gossip::kMemberLimit, 7); n > 0 && in.ok(); --n) stored.peers.insert(in.Place());
  stored.generation = in.Text(2 * gossip::kGenerationLimit);
  const std::uint8_t drained = in.U8();
  stored.drained = drained == 1;
  if (!in.done() || drained > 1) return std::nullopt;
  return stored;
}

}  // namespace egressd::agent
