// The kernel behind one door: observe, difference, transaction. The only way in which egressd changes it.
//
// 1. Observe returns exactly what is egressd's (see state/state.h, invariant 1).
// 2. Reconcile either reaches `desired` or undoes what it did and returns the kernel's words, naming the object.
// 3. Notifications only say that something may have changed; the truth comes from Observe.
// 4. A desired state that is in force costs no write.
// 5. A lease is an nftables element with a timeout: it ends without us, and only Renew (or a Reconcile that adds it) makes it longer. Both
//    are refused as a whole when more time than the last Wake allowed has passed, so that a process that stood still extends nothing.
//    Leases are looked at anew in every Reconcile; a node without any pays nothing for them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "egressd/base/error.h"
#include "egressd/base/time.h"
#include "egressd/kernel/count.h"
#include "egressd/state/host.h"
#include "egressd/state/state.h"
#include "egressd/state/transaction.h"

namespace egressd::kernel {

struct Settings {
  std::string tunnel_device = "egressd0";
  std::uint32_t first_table = 26000, last_table = 26255;
  std::string state_directory;   // remembers what sysctls were before egressd wrote them ("sysctls"); empty = not remembered
};

class Kernel {
 public:
  // Opens the netlink sockets in the network namespace of the calling thread. Subscribes before anything is read.
  static Result<Kernel> Open(Settings settings);
  Kernel(Kernel&&) noexcept;
  Kernel& operator=(Kernel&&) noexcept;
  ~Kernel();

  Result<state::State> Observe();
  Result<state::Host> ReadHost();

  // Brings the kernel from what it is to `desired`; what was done comes back (empty = nothing was to do). Tries again by itself, at most
  // 5 times, when somebody else changed nftables in between. kExpired: it would add leases, and there was no Wake or too long ago. What
  // is undone does not get leases back that had to be given up for it: the next Reconcile does that.
  // `touched`: by what `desired` may differ from that of the last Reconcile that came to its end. As long as nobody else changed anything,
  // it costs what that is, whatever else there is.
  Result<state::Transaction> Reconcile(const state::State& desired, const state::Touched& touched = std::nullopt);

  // From now on, and for so long, one Reconcile or Renew may add leases. Call it first, then read the clock that the step is decided by:
  // whatever the process sleeps through afterwards, what was decided before takes no effect later than this. 0: not from now on.
  Result<void> Wake(Duration at_most);
  // Every lease of `desired` (that is about one of these egress IPs) anew, with its full timeout, in one atomic batch. kExpired: one of
  // them had run out already (whatever it was
  // for is no longer this node's), or Wake was too long ago; then none is renewed, and the next Reconcile looks at what is left.
  Result<void> Renew(const state::State& desired, const std::optional<std::set<IpAddress>>& egress_ips = std::nullopt);

  // The lifetimes of these egress addresses, which are in force, begin anew. Whoever looks at addresses is told of each.
  Result<void> Prolong(std::span<const state::EgressAddress> addresses);

  // Readable when a notification waits.
  int notification_fd() const;
  struct Dirt {
    bool ours = false;   // an object of ours, or all of nftables, may have been changed by somebody else: Reconcile
    bool host = false;   // devices, addresses or routes of the host may have changed: ReadHost
  };
  // Takes every waiting notification. Those that our own writes caused do not count. Lost ones (ENOBUFS) count as both.
  Dirt TakeNotifications();

  // Packets counted by the named nft counter, 0 when it is not there.
  std::uint64_t CounterPackets(const std::string& counter);
  // Adds what the elements of a set, whose keys begin with a mark, have counted since each was put there (NftSet::counts). kNotFound: there
  // is no such set.
  Result<void> AddCounts(const std::string& set, CountsByMark& into);

  // Removes every object of egressd and restores the sysctls.
  Result<state::Transaction> Cleanup();
  // Removes only the egress addresses (they are found by their protocol number on any device).
  Result<state::Transaction> ReleaseEgressAddresses();

 private:
  struct Body;
  explicit Kernel(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace egressd::kernel
