// Next-hop slots of peers. A peer keeps its slot as long as it is a gateway that has not left, and over restarts of this daemon: the
// kernel's tables and the marks of living connections stay as they are.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/ids.h"

namespace egressd::agent {

class SlotTable {
 public:
  // `found`: tunnel address of a gateway → its slot, as the kernel has it at start.
  explicit SlotTable(std::map<IpAddress, Slot> found) : found_(std::move(found)) {}

  struct Gateway {
    std::string name;
    IpAddress tunnel_ipv4, tunnel_ipv6;
  };
  // Exactly these have slots now: known ones keep theirs, new ones get the one found in the kernel for their address, else the lowest
  // that is neither in use nor found for somebody else. When all are used up the last ones get none.
  void Assign(const std::vector<Gateway>& gateways);
  const std::map<std::string, Slot>& slots() const { return slots_; }

 private:
  std::map<IpAddress, Slot> found_;
  std::map<std::string, Slot> slots_;
};

}  // namespace egressd::agent
