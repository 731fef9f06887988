// When does a starting node know enough to act? It asks its contacts for everything and must not claim, commit or publish before:
//
//   waiting ──(a member that is up to date told all that it knows, and everything it named has arrived)──> complete
//      │ ───(every contact answered, none is up to date: the cluster itself starts; sync_cold_start)──> complete
//      └ ───(nobody answered: sync_silence; or in any case: sync_limit)──> complete
//
// 1. Without contacts it is complete at once.
// 2. Once complete, always complete.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "egressd/gossip/message.h"
#include "egressd/gossip/timing.h"

namespace egressd::gossip {

class Sync {
 public:
  // The stamp that is known of a node; {} = unknown.
  using Known = std::function<Stamp(const std::string& name)>;

  Sync(const Timing& timing, std::set<Endpoint> contacts) : timing_(timing), contacts_(std::move(contacts)) {}

  void Begin(Time now) { begun_ = now; }
  bool begun() const { return begun_.has_value(); }
  // Answers to questions of this node. `different`: the buckets in which it knows something else than this node.
  void Answered(const Endpoint& from, const Summary& summary, BucketSet different);
  void Answered(const Endpoint& from, const Digest& digest);
  // True from the moment on in which the node may act. Called after everything that may matter.
  bool Complete(Time now, const Known& known);
  bool complete() const { return complete_; }
  // Whatever was heard, this is the end of waiting. kNever before Begin.
  Time Limit() const { return begun_ && !contacts_.empty() ? *begun_ + timing_.sync_limit : kNever; }
  // When Complete may change its answer without a new message.
  Time NextTimer(Time now) const;

 private:
  bool Arrived(const Known& known) const;

  Timing timing_;
  std::set<Endpoint> contacts_;
  std::optional<Time> begun_;
  std::set<Endpoint> answered_;
  std::map<Endpoint, BucketSet> untold_;  // by whom who is up to date
  bool told_all_ = false;                 // somebody who is up to date has
  std::map<std::string, Stamp> required_;
  bool complete_ = false;
};

}  // namespace egressd::gossip
