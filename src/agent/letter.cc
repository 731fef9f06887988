#include "agent/letter.h"

#include <algorithm>
#include <utility>

#include "agent/translation_list.h"
#include "egressd/base/error.h"

namespace egressd::agent {
namespace {

using gossip::Reader;
using gossip::Writer;

// Ids in one letter: each takes at most three bytes (the distance to the one before), and half of the letter is left for translations.
constexpr std::size_t kIdsPerLetter = 8192;
// type, batch, part, parts, reason, and two counts
constexpr std::size_t kConnectionsHeadBytes = 1 + 8 + 4 + 4 + 1 + 3 + 3;

struct Encoder {
  Writer& out;

  void operator()(const LeaseRequest& request) const {
    out.U64(request.round);
    out.U64(request.electorate);
    out.Varint(request.claims.size());
    for (const gossip::Claim& claim : request.claims) {
      out.Address(claim.address);
      out.Varint(claim.term);
    }
  }
  void operator()(const LeaseGrant& grant) const {
    out.U64(grant.round);
    out.U64(grant.electorate);
    out.Varint(grant.addresses.size());
    for (const IpAddress& address : grant.addresses) out.Address(address);
  }
  void operator()(const Connections& connections) const {
    out.U64(connections.batch);
    out.U32(connections.part);
    out.U32(connections.parts);
    out.U8(static_cast<std::uint8_t>(connections.reason));
    out.Varint(connections.ids.size());
    std::uint16_t before = 0;
    for (const EgressId id : connections.ids) {
      EGRESSD_ASSERT(id.value > before);
      out.Varint(static_cast<std::uint16_t>(id.value - before));
      before = id.value;
    }
    Write(out, connections.translations);
  }
  void operator()(const ConnectionsTaken& taken) const {
    out.U64(taken.batch);
    out.U32(taken.part);
  }
  void operator()(const RemappedPorts& remapped) const { Write(out, remapped.translations); }
  void operator()(const RemappedPortsWanted&) const {}
  void operator()(const MoveOrder& order) const {
    out.Address(order.address);
    out.Text(order.node);
  }
  void operator()(const DrainOrder& order) const {
    out.U8(order.on ? 1 : 0);
    out.U32(order.seconds);
  }
};

void Read(Reader& in, LeaseRequest& request) {
  request.round = in.U64();
  request.electorate = in.U64();
  for (std::size_t n = in.Count(gossip::kClaimLimit, 6); n > 0 && in.ok(); --n) {
    const IpAddress address = in.Address();
    if (!request.claims.empty() && request.claims.back().address >= address) in.Fail();
    request.claims.push_back({.address = address, .term = in.Varint()});
  }
}
void Read(Reader& in, LeaseGrant& grant) {
  grant.round = in.U64();
  grant.electorate = in.U64();
  for (std::size_t n = in.Count(gossip::kClaimLimit, 5); n > 0 && in.ok(); --n) {
    const IpAddress address = in.Address();
    if (!grant.addresses.empty() && grant.addresses.back() >= address) in.Fail();
    grant.addresses.push_back(address);
  }
}
void Read(Reader& in, Connections& connections) {
  connections.batch = in.U64();
  connections.part = in.U32();
  connections.parts = in.U32();
  if (connections.part >= connections.parts) in.Fail();
  const std::uint8_t reason = in.U8();
  if (reason > static_cast<std::uint8_t>(Connections::Reason::kTakeover)) in.Fail();
  connections.reason = static_cast<Connections::Reason>(reason);
  std::uint64_t id = 0;
  for (std::size_t n = in.Count(kIdsPerLetter, 1); n > 0 && in.ok(); --n) {
    const std::uint64_t distance = in.Varint();
    if (distance == 0 || distance > kLastEgressId.value - id) {
      in.Fail();
      return;
    }
    id += distance;
    connections.ids.push_back({static_cast<std::uint16_t>(id)});
  }
  connections.translations = ReadTranslations(in);
}
void Read(Reader& in, ConnectionsTaken& taken) {
  taken.batch = in.U64();
  taken.part = in.U32();
}
void Read(Reader& in, RemappedPorts& remapped) { remapped.translations = ReadTranslations(in); }
void Read(Reader&, RemappedPortsWanted&) {}
void Read(Reader& in, MoveOrder& order) {
  order.address = in.Address();
  order.node = in.Text(gossip::kNameLimit);
  if (order.node.empty()) in.Fail();
}
void Read(Reader& in, DrainOrder& order) {
  const std::uint8_t on = in.U8();
  if (on > 1) in.Fail();
  order.on = on == 1;
  order.seconds = in.U32();
}

template <std::size_t I = 0>
std::optional<Letter> DecodeAs(std::size_t type, gossip::ByteView bytes) {
  if constexpr (I == std::variant_size_v<Letter>) {
    return std::nullopt;
  } else {
    if (type != I) return DecodeAs<I + 1>(type, bytes);
    Reader in(bytes);
    std::variant_alternative_t<I, Letter> body;
    Read(in, body);
    if (!in.done()) return std::nullopt;
    return Letter(std::in_place_index<I>, std::move(body));
  }
}

template <typename T>
void Sort(std::vector<T>& list) {
  std::ranges::sort(list);
  const auto rest = std::ranges::unique(list);
  list.erase(rest.begin(), rest.end());
}

std::size_t VarintBytes(std::uint64_t value) {
  std::size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

}  // namespace

gossip::Bytes Encode(const Letter& letter) {
  Writer out;
  out.U8(static_cast<std::uint8_t>(letter.index()));
  std::visit(Encoder{out}, letter);
  EGRESSD_ASSERT(out.bytes().size() <= gossip::kLetterBytes);
  return std::move(out).Take();
}

std::optional<Letter> Decode(gossip::ByteView bytes) {
  if (bytes.empty() || bytes.size() > gossip::kLetterBytes) return std::nullopt;
  return DecodeAs(bytes[0], bytes.subspan(1));
}

std::vector<Connections> ToConnections(std::uint64_t batch, Connections::Reason reason, std::vector<EgressId> ids,
                                       std::vector<state::Translation> translations) {
  Sort(ids);
  Sort(translations);
  std::vector<Connections> parts;
  std::span<const EgressId> rest_of_ids(ids);
  std::span<const state::Translation> rest(translations);
  do {
    const auto here = rest_of_ids.first(std::min(rest_of_ids.size(), kIdsPerLetter));
    rest_of_ids = rest_of_ids.subspan(here.size());
    std::size_t bytes = kConnectionsHeadBytes;
    std::uint16_t before = 0;
    for (const EgressId id : here) bytes += VarintBytes(static_cast<std::uint16_t>(id.value - std::exchange(before, id.value)));
    parts.push_back({.batch = batch, .reason = reason, .ids = {here.begin(), here.end()}});
    parts.back().translations = TakeTranslations(rest, gossip::kLetterBytes - bytes);
  } while (!rest_of_ids.empty() || !rest.empty());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts[i].part = static_cast<std::uint32_t>(i);
    parts[i].parts = static_cast<std::uint32_t>(parts.size());
  }
  return parts;
}

std::vector<RemappedPorts> ToRemappedPorts(std::vector<state::Translation> translations) {
  Sort(translations);
  std::vector<RemappedPorts> letters;
  for (std::span<const state::Translation> rest(translations); !rest.empty();)
    letters.push_back({.translations = TakeTranslations(rest, gossip::kLetterBytes - 1 - kCountBytes)});
  return letters;
}

}  // namespace egressd::agent
