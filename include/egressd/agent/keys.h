// Orders about the key ring of the whole cluster, and what came of them. How they are carried out: src/agent/key_agreement.h.
//
//   list      asks every living node what it has
//   install   every node opens with the key from now on; nobody seals with it
//   use       every node seals with it; refused unless every node has it
//   remove    no node has it any more; refused while any node seals with it
//
// 1. Whatever comes of an order, and wherever it stops: two nodes that could talk before can talk afterwards, unless `force` left one out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/gossip/key.h"

namespace egressd::agent {

enum class NodeState : std::uint8_t;           // agent.h

struct KeyOrder {
  enum class Action : std::uint8_t { kList, kInstall, kUse, kRemove };
  std::uint64_t request = 0;                   // comes back in the KeyResult
  Action action = Action::kList;
  std::vector<gossip::Key> keys;               // to install
  std::vector<gossip::Fingerprint> named;      // to use (one), to remove
  bool force = false;                          // go on without dead nodes and without what is in `unmet`
};

// What a node has of the ring.
struct KeyNode {
  std::string name;
  NodeState state{};
  bool self = false;
  bool answered = false;                       // to this order; else the rest is unknown
  bool follows = false;                        // has exactly the ring of the node that carried the order out
  std::vector<gossip::Fingerprint> ring;       // the first one seals
};

struct KeyResult {
  std::uint64_t request = 0;
  std::optional<Error> error;                  // nothing was changed. kNotFound, kInvalid; kUnavailable: a node could not be asked
  std::uint64_t ring_number = 0;               // 0 = it is the ring of the key file
  std::vector<gossip::Fingerprint> ring;       // in force here, the first one seals
  std::vector<KeyNode> nodes;                  // in order of name, this one included
  std::vector<Endpoint> unmet;                 // join addresses and former peers where no member is
};

}  // namespace egressd::agent
