#include "egressd/gossip/message.h"

#include <algorithm>
#include <type_traits>

namespace egressd::gossip {
namespace {

struct Encoder {
  Writer& out;

  void operator()(const Ping& ping) const {
    out.U64(ping.id);
    out.Text(ping.target);
    out.Varint(ping.target_incarnation);
    Write(out, ping.own);
  }
  void operator()(const Ack& ack) const {
    out.U64(ack.id);
    Write(out, ack.own);
  }
  void operator()(const PingRequest& request) const {
    out.U64(request.id);
    out.Text(request.target);
    out.Place(request.address);
    out.Varint(request.target_incarnation);
  }
  void operator()(const IndirectAck& ack) const { out.U64(ack.id); }
  void operator()(const Accusation& accusation) const {
    out.Text(accusation.name);
    Write(out, accusation.stamp);
    out.U8(static_cast<std::uint8_t>(accusation.verdict));
  }
  void operator()(const Records& records) const {
    out.Varint(records.records.size());
    for (const Record& record : records.records) Write(out, record);
  }
  void operator()(const Digest& digest) const {
    out.U8(static_cast<std::uint8_t>((digest.question ? 1U : 0U) | (digest.synced ? 2U : 0U)));
    out.Varint(digest.entries.size());
    for (const Digest::Entry& entry : digest.entries) {
      out.Text(entry.name);
      Write(out, entry.stamp);
      out.U8(static_cast<std::uint8_t>(entry.verdict));
    }
  }
  void operator()(const Want& want) const {
    out.Varint(want.names.size());
    for (const std::string& name : want.names) out.Text(name);
  }
  void operator()(const ChunkRequest& request) const {
    Write(out, request.version);
    out.Varint(request.chunks.size());
    for (const std::uint32_t chunk : request.chunks) out.U32(chunk);
  }
  void operator()(const Chunk& chunk) const {
    Write(out, chunk.version);
    out.U32(chunk.total_bytes);
    out.U32(chunk.number);
    out.Varint(chunk.bytes.size());
    out.Raw(chunk.bytes);
  }
  void operator()(const Letter& letter) const { out.Raw(letter.bytes); }
};

std::string ReadName(Reader& in) {
  std::string name = in.Text(kNameLimit);
  if (name.empty()) in.Fail();
  return name;
}

void Read(Reader& in, Ping& ping) {
  ping.id = in.U64();
  ping.target = ReadName(in);
  ping.target_incarnation = in.Varint();
  ping.own = ReadStamp(in);
}
void Read(Reader& in, Ack& ack) {
  ack.id = in.U64();
  ack.own = ReadStamp(in);
}
void Read(Reader& in, PingRequest& request) {
  request.id = in.U64();
  request.target = ReadName(in);
  request.address = in.Place();
  request.target_incarnation = in.Varint();
}
void Read(Reader& in, IndirectAck& ack) { ack.id = in.U64(); }
void Read(Reader& in, Accusation& accusation) {
  accusation.name = ReadName(in);
  accusation.stamp = ReadStamp(in);
  const std::uint8_t verdict = in.U8();
  if (verdict != static_cast<std::uint8_t>(Verdict::kSuspect) && verdict != static_cast<std::uint8_t>(Verdict::kDead)) in.Fail();
  accusation.verdict = static_cast<Verdict>(verdict);
}
void Read(Reader& in, Records& records) {
  for (std::size_t n = in.Count(kMemberLimit, 24); n > 0 && in.ok(); --n) records.records.push_back(ReadRecord(in));
}
void Read(Reader& in, Digest& digest) {
  const std::uint8_t flags = in.U8();
  if (flags > 3) in.Fail();
  digest.question = (flags & 1) != 0;
  digest.synced = (flags & 2) != 0;
  for (std::size_t n = in.Count(kMemberLimit, 5); n > 0 && in.ok(); --n) {
    Digest::Entry entry;
    entry.name = ReadName(in);
    entry.stamp = ReadStamp(in);
    const std::uint8_t verdict = in.U8();
    if (verdict > static_cast<std::uint8_t>(Verdict::kLeft)) in.Fail();
    entry.verdict = static_cast<Verdict>(verdict);
    if (!digest.entries.empty() && digest.entries.back().name >= entry.name) in.Fail();
    digest.entries.push_back(std::move(entry));
  }
}
void Read(Reader& in, Want& want) {
  for (std::size_t n = in.Count(kMemberLimit, 2); n > 0 && in.ok(); --n) want.names.push_back(ReadName(in));
}
void Read(Reader& in, ChunkRequest& request) {
  request.version = ReadVersion(in);
  for (std::size_t n = in.Count(kChunksPerRequest, 4); n > 0 && in.ok(); --n) {
    const std::uint32_t chunk = in.U32();
    if (!request.chunks.empty() && request.chunks.back() >= chunk) in.Fail();
    request.chunks.push_back(chunk);
  }
}
void Read(Reader& in, Chunk& chunk) {
  chunk.version = ReadVersion(in);
  chunk.total_bytes = in.U32();
  chunk.number = in.U32();
  const std::size_t length = in.Count(kChunkBytes, 1);
  const ByteView raw = in.Raw(length);
  const std::size_t begin = std::size_t{chunk.number} * kChunkBytes;
  if (chunk.total_bytes > kGenerationLimit || begin > chunk.total_bytes ||
      length != std::min(kChunkBytes, std::size_t{chunk.total_bytes} - begin)) {
    in.Fail();
  }
  chunk.bytes.assign(raw.begin(), raw.end());
}

void Read(Reader& in, Letter& letter) {
  const ByteView rest = in.Rest();
  if (rest.size() > kLetterBytes) in.Fail();
  letter.bytes.assign(rest.begin(), rest.end());
}

template <std::size_t I = 0>
std::optional<Message> DecodeAs(std::size_t type, ByteView bytes) {
  if constexpr (I == std::variant_size_v<Message>) {
    return std::nullopt;
  } else {
    if (type != I) return DecodeAs<I + 1>(type, bytes);
    Reader in(bytes);
    std::variant_alternative_t<I, Message> body;
    Read(in, body);
    if (!in.done()) return std::nullopt;
    return Message(std::in_place_index<I>, std::move(body));
  }
}

}  // namespace

Bytes Encode(const Message& message) {
  Writer out;
  out.U8(static_cast<std::uint8_t>(message.index()));
  std::visit(Encoder{out}, message);
  return std::move(out).Take();
}

std::optional<Message> Decode(ByteView bytes) {
  if (bytes.empty()) return std::nullopt;
  return DecodeAs(bytes[0], bytes.subspan(1));
}

}  // namespace egressd::gossip
