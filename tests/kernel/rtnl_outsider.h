// Somebody else on the host, with a netlink socket and habits of their own: what `ip` and `bridge` do in the stories of these tests.
// Written over libmnl and shares no line with src/kernel, so that a mistake there cannot hide here.
//
// Every verb answers errno, 0 = done.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/fd.h"

namespace egressd::test {

class Outsider {
 public:
  Outsider();  // in the network namespace of the calling thread

  int MakeVeth(const std::string& name, const std::string& peer);
  int MakeBridge(const std::string& name);
  // Like the device that egressd makes, but without its alias.
  int MakeVxlan(const std::string& name, std::uint32_t vni);
  int RemoveLink(const std::string& name);
  int SetUp(const std::string& name);
  int SetDown(const std::string& name);
  int SetMtu(const std::string& name, std::uint32_t mtu_bytes);
  int AddAddress(const std::string& device, const std::string& prefix);
  int RemoveAddress(const std::string& device, const std::string& prefix);
  int AddRoute(std::uint32_t table, const std::string& prefix, const std::string& device, const std::string& next_hop);
  int RemoveRoute(std::uint32_t table, const std::string& prefix);
  int AddRule(Family family, std::uint32_t priority, std::uint32_t mark, std::uint32_t table);
  int RemoveRule(Family family, std::uint32_t priority);
  int AddNeighbour(const std::string& device, const std::string& address, const std::string& mac);  // permanent
  int RemoveNeighbour(const std::string& device, const std::string& address);
  int RemoveFdbEntry(const std::string& device, const std::string& mac);

  // Links, addresses, routes, rules, neighbours: a line each, without what changes by itself (counters, ages).
  std::vector<std::string> Everything();
  // Waits, at most 10 seconds, until every device that is up also works and nothing changes any more. False: it never came to rest.
  bool ComesToRest();

 private:
  int Talk(void* message);
  int ChangeFlags(const std::string& name, unsigned flags);
  int Address(std::uint16_t type, std::uint16_t flags, const std::string& device, const std::string& prefix);
  Fd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace egressd::test
