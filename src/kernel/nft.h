// The nftables tables `inet egressd` and `arp egressd`: read, changed in one atomic batch, watched.
//
// 1. A batch either takes effect as a whole or not at all; it is refused as stale when anybody changed
// nftables since Observe.
// 2. Only these two are ever written. Foreign tables are read no further than their name.
// 3. What this object itself commits never comes back as a notification: the socket has a filter on its own
// port id.
// 4. Commit needs to know the kind of every set it puts elements into: from a step of the same batch, an
// earlier Commit, or Observe.
// 5. No batch extends a lease (an element with a timeout) later than Wake allowed: see nft_lease.h.
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
#include "egressd/kernel/count.h"
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
  // look into it. kStale: observe and try again (also: a lease that should go had run out); kExpired: there
  // are leases to add, and the time of Wake is over; kSystem names the step.
  Result<void> Commit(std::span<const state::Step> steps);

  // For so long leases may be added, by one batch. Makes the table where it is missing.
  Result<void> Wake(Duration timeout);
  // Every lease of the steps anew, all or none, whoever changed what else meanwhile. kExpired: one of them was
  // not in force any more, or the time of Wake is over.
  Result<void> Renew(std::span<const state::Step> leases);
  // Reads the leases again: what ran out is gone from `into`. Nothing is read of sets where there are none.
  Result<void> ObserveLeases(state::State& into);

  // Readable when a notification waits.
  int notification_fd() const;
  struct Notice {
    bool ours = false;  // somebody else touched our table, or notifications were lost
  };
  Notice TakeNotifications();

  // Packets counted by the named counter in both tables, 0 when it is not there.
  std::uint64_t CounterPackets(const std::string& counter);
  // Of a set that counts, and whose keys begin with a mark.
  Result<void> AddCounts(const std::string& set, CountsByMark& into);

 private:
  struct Body;
  explicit Nft(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace egressd::kernel
