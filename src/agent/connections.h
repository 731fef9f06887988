// Translations that travel: from the source nodes, whose connection tracking knows every connection that they sent through an egress id,
// to the gateway that shall translate them from now on.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/ids.h"
#include "egressd/base/time.h"
#include "egressd/plan/plan.h"
#include "egressd/state/translation.h"

namespace egressd::agent {

// A question to this node's kernel, and for whom.
struct Collecting {
  std::string to;
  std::set<EgressId> ids;
  bool handover = false;     // the old gateway still works: the recipient waits for everybody's word, also for "nothing"
};

// A batch of another node, as far as it has come.
struct Telling {
  std::uint64_t batch = 0;
  std::set<std::uint32_t> parts;
  std::set<IpAddress> about;
};

// Letters that have not been acknowledged.
struct Delivery {
  std::string to;
  std::set<EgressId> ids;
  std::map<std::uint32_t, std::vector<std::uint8_t>> parts;
  int tries = 1;
  Time retry{};
};

// The port of a connection outside, where its gateway had to change it. Keyed by what the source node knows.
class Remaps {
 public:
  void Learn(const state::Translation& translation);
  // Fills in translated_port.
  void Complete(state::Translation& translation) const;
  // Keeps of these ids only what is still among the translations.
  void Keep(const std::set<EgressId>& ids, const std::vector<state::Translation>& translations);
  bool Knows(EgressId id) const;
  // Those of one id that are known, as this node's own: `source` has the family of the destination.
  std::vector<state::Translation> Of(EgressId id, const plan::TunnelIdentity& source) const;

 private:
  using Key = std::tuple<EgressId, std::uint8_t, std::uint16_t, IpAddress, std::uint16_t>;
  static Key KeyOf(const state::Translation& translation) {
    return {translation.id, translation.protocol, translation.source_port, translation.destination, translation.destination_port};
  }
  static constexpr std::size_t kLimit = 131'072;
  std::map<Key, std::uint16_t> ports_;
};

struct CarriedState {
  std::map<std::uint64_t, Collecting> collections;
  std::map<std::uint64_t, Delivery> deliveries;
  std::map<IpAddress, std::pair<std::string, std::string>> told_offers;   // address → from, to
  std::map<EgressId, std::string> last_peers;            // where an id went, as long as it went to a peer
  std::map<EgressId, Time> restoring;
  std::map<std::string, Telling> tellings;               // by sender
  std::uint64_t last_collection = 0, last_batch = 0;
  Remaps remaps;
};

}  // namespace egressd::agent
