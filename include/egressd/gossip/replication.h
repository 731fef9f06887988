// Carries policy generations between nodes: opaque contents with a version, pulled piece by piece from a member that has them.
//
// 1. The larger version wins everywhere; a smaller one than the own is never asked for.
// 2. A content is handed out only when its length and digest are what its version says.
// 3. At most kChunksPerRequest pieces are under way; after three requests without any answer the next source is asked, and a source
//    that sends a wrong content is not asked again for it.
// Pure. Called by the agent.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "egressd/gossip/membership.h"

namespace egressd::gossip {

struct Generation {
  Version version;
  std::string content;
};

// {number, digest of the content}
Version VersionOf(std::uint64_t number, const std::string& content);

class Replication {
 public:
  explicit Replication(const Timing& timing) : timing_(timing) {}

  // What this node has from now on: applied here, stored, or adopted.
  void Have(Generation generation);
  const Version& version() const { return have_.version; }
  // Looks through the members for something newer than what this node has (and than `refused`), and goes after the newest.
  void Consider(Time now, const std::map<std::string, Member>& members);
  // A version that this node cannot use: it is not fetched again.
  void Refuse(const Version& version) { refused_.insert(version); }

  void Receive(Time now, const Endpoint& from, const std::string& sender, const ChunkRequest& request);
  void Receive(Time now, const Endpoint& from, const std::string& sender, const Chunk& chunk);
  void Advance(Time now);
  Time NextTimer() const { return fetch_ ? fetch_->retry : kNever; }
  bool fetching() const { return fetch_.has_value(); }

  std::vector<Outgoing> TakeOutgoing() { return std::exchange(outgoing_, {}); }
  // A generation that has arrived completely.
  std::optional<Generation> TakeArrived() { return std::exchange(arrived_, std::nullopt); }

 private:
  struct Fetch {
    Version version;
    std::map<std::string, Endpoint> sources;
    std::string source;
    std::optional<std::uint32_t> total_bytes;
    std::map<std::uint32_t, Bytes> chunks;
    std::set<std::uint32_t> asked;
    int silent_requests = 0;
    Time retry = kNever;
  };
  void Request(Time now);
  void NextSource(Time now);
  void Finish(Time now);

  Timing timing_;
  Generation have_;
  std::set<Version> refused_;
  std::optional<Fetch> fetch_;
  std::optional<Generation> arrived_;
  std::vector<Outgoing> outgoing_;
};

}  // namespace egressd::gossip
