#include "agent/stored.h"

#include "agent/generation.h"
#include "agent/kept.h"
#include "egressd/gossip/message.h"

namespace egressd::agent {
namespace {

constexpr std::string_view kMagic = "egressd2";

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
  if (!stored.networks.empty()) Write(out, stored.networks);
  return Kept(std::move(out));
}

std::optional<Stored> DecodeStored(std::string_view bytes) {
  const auto content = ContentOf(bytes, kMagic);
  if (!content) return std::nullopt;
  gossip::Reader in(*content);
  Stored stored;
  stored.incarnation = in.U64();
  stored.tunnel_number = in.U16();
  for (std::size_t n = in.Count(gossip::kMemberLimit, 7); n > 0 && in.ok(); --n) stored.peers.insert(in.Place());
  stored.generation = in.Text(2 * gossip::kGenerationLimit);
  const std::uint8_t drained = in.U8();
  stored.drained = drained == 1;
  if (!in.done()) stored.networks = ReadNetworks(in);  // nothing: written by a build that did not know them, or there are none
  if (!in.done() || drained > 1) return std::nullopt;
  return stored;
}

}  // namespace egressd::agent
