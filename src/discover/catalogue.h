// The containers of one engine that have an address, and which of them somebody is still to be told about. Pure.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "discover/container.h"
#include "egressd/discover/engine.h"

namespace egressd::discover {

class Catalogue {
 public:
  // One container as it is now. Whoever had one of its addresses before has it no more: an engine gives an address away again as soon as
  // it is free, and says so later.
  void Set(Container container);
  // All that there are, but for what is known better about those in `newer`. Returns those that must be looked at one by one, because they
  // show an address that another one shows, too; of these nothing changes yet.
  std::vector<std::string> Replace(std::vector<Container> all, const std::set<std::string>& newer);
  std::vector<ContainerChange> Take(std::size_t at_most);
  bool has_changes() const { return !untold_.empty(); }
  std::size_t size() const { return known_.size(); }

 private:
  void Store(Container container);
  void Remove(const std::string& id);
  void Tell(const std::string& id, bool first);

  std::map<std::string, policy::Workload> known_;  // by id; all with addresses
  std::map<IpAddress, std::string> owners_;
  std::deque<std::string> untold_;                 // losses first
  std::set<std::string> is_untold_;
};

}  // namespace egressd::discover
