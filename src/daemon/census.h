// The connections that this host tracks, counted. Reading them all takes some milliseconds per ten thousand, too long for a loop that
// sends a heartbeat every ten: so a thread of its own does it, with a netlink socket of its own.
//
// 1. The two threads share nothing but one pointer that changes hands (an atomic exchange) and two eventfds: none ever waits for a lock
//    that the other one holds.
// 2. The thread has no real-time priority and no signals, whatever the loop has.
// 3. At most one reading is under way; whoever asks meanwhile, or within kFresh after it, shares its result.
// Called by daemon/core.cc (the loop) and whoever answers with counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/ids.h"
#include "egressd/base/time.h"

namespace egressd::kernel {
struct Connection;
}

namespace egressd::daemon {

inline constexpr Duration kFresh{1'000'000};

struct Tracked {
  struct Translated {
    std::size_t connections = 0;
    std::size_t most_ports = 0;  // TCP or UDP, towards one address and port: so many source ports are in use at once
  };
  std::map<std::uint16_t, std::size_t> by_decision;   // plan::DecisionIn → how many
  std::map<IpAddress, Translated> translated;         // by the source that the destination sees, of those with an egress id

  std::size_t Of(EgressId id) const {
    const auto found = by_decision.find(id.value);
    return found == by_decision.end() ? 0 : found->second;
  }
};

class Census {
 public:
  // nullptr: connection tracking cannot be read; the log says why.
  using Done = std::function<void(const std::shared_ptr<const Tracked>&)>;

  // Of the network namespace of the calling thread.
  static Result<Census> Open();
  Census(Census&&) noexcept;
  Census& operator=(Census&&) noexcept;
  ~Census();

  // Calls `done` with a count that is at most kFresh old: at once, or out of a later Take.
  void Ask(Time now, Done done);
  // Readable when Take has something.
  int fd() const;
  void Take(Time now);

 private:
  struct Body;
  explicit Census(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

// What a Tracked is made of. Pure.
class TrackedCounter {
 public:
  void Add(const kernel::Connection& connection);
  Tracked Finish();

 private:
  struct Towards {
    IpAddress source, destination;
    std::uint8_t protocol = 0;
    std::uint16_t port = 0;
    auto operator<=>(const Towards&) const = default;
  };
  Tracked tracked_;
  std::vector<Towards> towards_;
};

}  // namespace egressd::daemon
