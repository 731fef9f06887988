// The nftables table `inet egressd`: read, changed in one atomic batch, watched.
//
// 1. A batch either takes effect as a whole or not at all; it is refused as stale when anybody changed
// nftables since Observe.
// 2. Only the table `inet egressd` is ever written. Foreign tables are read no further than their name.
// 3. What this object itself commits never comes back as a notification: the socket has a filter on its own
// port id.
// 4. Commit needs to know the kind of every set it puts elements into: from a step of the same batch, an
// earlier Commit, or Observe.
//
// Called by kernel.cc. Sources: net/netfilter/nf_tables_api.c, nfnetlink.c, nft_set_rbtree.c,
// nft_set_pipapo.c.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "egressd/base/error.h"
#include "egressd/state/state.h"
#include "egressd/state/transaction.h"

namespace egressd::kernel {

class Nft {
 public:
  // Opens both sockets in the network namespace of the calling thread and subscribes.
  static Result<Nft> Open();
  Nft(Nft&&) noexcept;
  Nft& operator=(Nft&&) noexcept;
  ~Nft();

  // Fills tables, counters, sets, chains and elements, and remembers the generation of the ruleset that they
  // belong to. What of ours somebody changed in a way the model has no word for comes out as a difference: a
  // table that sleeps is not reported, a chain with another policy or a foreign rule has a rule without
  // digest. kStale: the ruleset does not hold still.
  Result<void> Observe(state::State& into);

  // Carries out the nftables steps (others are ignored), in an order of its own. A set that is replaced loses
  // its elements and cannot be in use: the same steps must put its elements back and replace the chains that
  // look into it. kStale: observe and try again; kSystem names the step.
  Result<void> Commit(std::span<const state::Step> steps);

  // Readable when a notification waits.
  int notification_fd() const;
  struct Notice {
    bool ours = false;  // somebody else touched our table, or notifications were lost
  };
  Notice TakeNotifications();

  // Packets counted by the named counter, 0 when it is not there.
  std::uint64_t CounterPackets(const std::string& counter);

 private:
  struct Body;
  explicit Nft(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace egressd::kernel
