// What a node remembers over a restart: Output::store and Settings::stored. It may be lost (then the cluster tells) and may be
// damaged (then it counts as lost).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/gossip/record.h"

namespace egressd::agent {

struct Stored {
  std::uint64_t incarnation = 0;     // the last one used; the next one is higher
  std::uint16_t tunnel_number = 0;   // 0 = none yet
  std::set<Endpoint> peers;          // where the other members listened, beside the join addresses of the node file
  std::string generation;            // EncodeGeneration, "" = none
  bool drained = false;
  std::vector<gossip::Network> networks = {};  // with the terms that the others know
  bool operator==(const Stored&) const = default;
};

std::string Encode(const Stored& stored);
std::optional<Stored> DecodeStored(std::string_view bytes);

}  // namespace egressd::agent
