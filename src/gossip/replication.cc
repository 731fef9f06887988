#include "egressd/gossip/replication.h"

#include <algorithm>

#include "egressd/base/hash.h"

namespace egressd::gossip {
namespace {

constexpr int kSilentRequests = 3;

std::uint32_t ChunkCount(std::uint32_t total_bytes) {
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>((total_bytes + kChunkBytes - 1) / kChunkBytes));
}

}  // namespace

Version VersionOf(std::uint64_t number, const std::string& content) { return {.number = number, .digest = StableHash(content)}; }

void Replication::Have(Generation generation) {
  have_ = std::move(generation);
  if (fetch_ && fetch_->version <= have_.version) fetch_.reset();
}

void Replication::Consider(Time now, const std::map<std::string, Member>& members) {
  Version newest = have_.version;
  for (const auto& [name, member] : members) {
    const Version& theirs = member.record.policy;
    if (member.lives() && theirs.number > 0 && !refused_.contains(theirs)) newest = std::max(newest, theirs);
  }
  if (newest == have_.version) {
    fetch_.reset();
    return;
  }
  const bool fresh = !fetch_ || fetch_->version != newest;
  if (fresh) {
    fetch_ = Fetch{};
    fetch_->version = newest;
  }
  fetch_->sources.clear();
  for (const auto& [name, member] : members) {
    if (member.lives() && member.record.policy == newest) fetch_->sources[name] = member.record.gossip;
  }
  if (fresh || !fetch_->sources.contains(fetch_->source)) NextSource(now);
}

void Replication::NextSource(Time now) {
  if (fetch_->sources.empty()) return;
  auto next = fetch_->sources.upper_bound(fetch_->source);
  if (next == fetch_->sources.end()) next = fetch_->sources.begin();
  fetch_->source = next->first;
  fetch_->silent_requests = 0;
  Request(now);
}

void Replication::Request(Time now) {
  ChunkRequest request{.version = fetch_->version, .chunks = {}};
  if (!fetch_->total_bytes) {
    request.chunks = {0};  // the first one tells how many there are
  } else {
    const std::uint32_t count = ChunkCount(*fetch_->total_bytes);
    for (std::uint32_t chunk = 0; chunk < count && request.chunks.size() < kChunksPerRequest; ++chunk) {
      if (!fetch_->chunks.contains(chunk)) request.chunks.push_back(chunk);
    }
  }
  fetch_->asked = {request.chunks.begin(), request.chunks.end()};
  fetch_->retry = now + timing_.chunk_retry;
  outgoing_.push_back({.to = fetch_->sources.at(fetch_->source), .message = std::move(request)});
}

void Replication::Advance(Time now) {
  if (!fetch_ || fetch_->retry > now) return;
  if (!fetch_->sources.contains(fetch_->source) || ++fetch_->silent_requests >= kSilentRequests) {
    fetch_->retry = now + timing_.chunk_retry;
    NextSource(now);
  } else {
    Request(now);
  }
}

void Replication::Receive(Time, const Endpoint& from, const std::string&, const ChunkRequest& request) {
  if (request.version != have_.version || have_.version.number == 0) return;
  const auto total = static_cast<std::uint32_t>(have_.content.size());
  for (const std::uint32_t number : request.chunks) {
    if (number >= ChunkCount(total)) return;
    const std::size_t begin = std::size_t{number} * kChunkBytes;
    const std::string_view piece = std::string_view(have_.content).substr(begin, kChunkBytes);
    Chunk chunk{.version = have_.version, .total_bytes = total, .number = number, .bytes = {piece.begin(), piece.end()}};
    outgoing_.push_back({.to = from, .message = std::move(chunk)});
  }
}

void Replication::Receive(Time now, const Endpoint&, const std::string& sender, const Chunk& chunk) {
  if (!fetch_ || chunk.version != fetch_->version || sender != fetch_->source) return;
  if (fetch_->total_bytes && *fetch_->total_bytes != chunk.total_bytes) {  // two nodes disagree about the same version: begin again
    fetch_->chunks.clear();
  }
  fetch_->total_bytes = chunk.total_bytes;
  fetch_->silent_requests = 0;
  fetch_->chunks.insert_or_assign(chunk.number, chunk.bytes);
  fetch_->asked.erase(chunk.number);
  if (fetch_->chunks.size() == ChunkCount(chunk.total_bytes)) {
    Finish(now);
  } else if (fetch_->asked.empty()) {
    Request(now);
  }
}

void Replication::Finish(Time now) {
  std::string content;
  for (const auto& [number, bytes] : fetch_->chunks) content.append(bytes.begin(), bytes.end());
  if (VersionOf(fetch_->version.number, content) == fetch_->version) {
    arrived_ = Generation{.version = fetch_->version, .content = std::move(content)};
    fetch_.reset();
    return;
  }
  fetch_->chunks.clear();
  fetch_->total_bytes.reset();
  fetch_->sources.erase(fetch_->source);
  fetch_->retry = now + timing_.chunk_retry;
  NextSource(now);
}

}  // namespace egressd::gossip
