#include "egressd/gossip/message.h"

#include <algorithm>
#include <utility>

#include "egressd/base/hash.h"

namespace egressd::gossip {
namespace {

constexpr std::size_t kReportBytes = 5;  // at least

struct Encoder {
  Writer& out;

  void operator()(const Report& report) const {
    out.Text(report.name);
    Write(out, report.stamp);
    out.U8(static_cast<std::uint8_t>(report.verdict));
  }
  void operator()(const std::string& name) const { out.Text(name); }
  void operator()(const Record& record) const { Write(out, record); }
  void List(const auto& items) const {
    out.Varint(items.size());
    for (const auto& item : items) (*this)(item);
  }

  void operator()(const Ping& ping) const {
    out.U64(ping.id);
    (*this)(ping.target);
    Write(out, ping.own);
    List(ping.news);
  }
  void operator()(const Ack& ack) const {
    out.U64(ack.id);
    Write(out, ack.own);
    List(ack.news);
  }
  void operator()(const PingRequest& request) const {
    out.U64(request.id);
    (*this)(request.target);
    out.Place(request.address);
  }
  void operator()(const IndirectAck& ack) const {
    out.U64(ack.id);
    out.U8(ack.reached ? 1 : 0);
  }
  void operator()(const Accusation& accusation) const { (*this)(accusation.accused); }
  void operator()(const Records& records) const {
    List(records.records);
    List(records.dead);
  }
  void operator()(const Summary& summary) const {
    out.U8(static_cast<std::uint8_t>((summary.question ? 1U : 0U) | (summary.synced ? 2U : 0U)));
    for (const std::uint64_t hash : summary.hashes) out.U64(hash);
  }
  void operator()(const Digest& digest) const {
    out.U8(static_cast<std::uint8_t>((digest.question ? 1U : 0U) | (digest.synced ? 2U : 0U)));
    out.U16(digest.buckets);
    List(digest.entries);
  }
  void operator()(const Want& want) const { List(want.names); }
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

Report ReadReport(Reader& in) {
  Report report;
  report.name = ReadName(in);
  report.stamp = ReadStamp(in);
  const std::uint8_t verdict = in.U8();
  if (verdict > static_cast<std::uint8_t>(Verdict::kLeft)) in.Fail();
  report.verdict = static_cast<Verdict>(verdict);
  return report;
}

void ReadNews(Reader& in, News& news) {
  for (std::size_t n = in.Count(kNewsLimit, kReportBytes); n > 0 && in.ok(); --n) news.push_back(ReadReport(in));
}

void Read(Reader& in, Ping& ping) {
  ping.id = in.U64();
  ping.target = ReadReport(in);
  ping.own = ReadStamp(in);
  ReadNews(in, ping.news);
}
void Read(Reader& in, Ack& ack) {
  ack.id = in.U64();
  ack.own = ReadStamp(in);
  ReadNews(in, ack.news);
}
void Read(Reader& in, PingRequest& request) {
  request.id = in.U64();
  request.target = ReadReport(in);
  request.address = in.Place();
}
void Read(Reader& in, IndirectAck& ack) {
  ack.id = in.U64();
  const std::uint8_t reached = in.U8();
  if (reached > 1) in.Fail();
  ack.reached = reached == 1;
}
void Read(Reader& in, Accusation& accusation) {
  accusation.accused = ReadReport(in);
  if (accusation.accused.verdict != Verdict::kSuspect && accusation.accused.verdict != Verdict::kDead) in.Fail();
}
void Read(Reader& in, Records& records) {
  for (std::size_t n = in.Count(kMemberLimit, 24); n > 0 && in.ok(); --n) records.records.push_back(ReadRecord(in));
  for (std::size_t n = in.Count(records.records.size(), 2); n > 0 && in.ok(); --n) {
    std::string name = ReadName(in);
    if (!records.dead.empty() && records.dead.back() >= name) in.Fail();
    records.dead.push_back(std::move(name));
  }
}
void ReadFlags(Reader& in, auto& body) {
  const std::uint8_t flags = in.U8();
  if (flags > 3) in.Fail();
  body.question = (flags & 1) != 0;
  body.synced = (flags & 2) != 0;
}
void Read(Reader& in, Summary& summary) {
  ReadFlags(in, summary);
  for (std::uint64_t& hash : summary.hashes) hash = in.U64();
}
void Read(Reader& in, Digest& digest) {
  ReadFlags(in, digest);
  digest.buckets = in.U16();
  if (digest.buckets == 0) in.Fail();
  for (std::size_t n = in.Count(kMemberLimit, kReportBytes); n > 0 && in.ok(); --n) {
    Report entry = ReadReport(in);
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

std::size_t BucketOf(std::string_view name) { return static_cast<std::size_t>(StableHash(name) >> 60); }

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
