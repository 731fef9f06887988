// Follows the containers of one engine (Docker, podman) through its API socket.
//
//   absent ──connected──> asked (/_ping) ──> subscribed (/events) ──> listed (/containers/json) ──> follows
//     ^                                                                                              │
//     └──────────────── an error, or no answer in time: what was known stays known ──────────────────┘
//
// 1. Events are hints: what is told comes from looking at the container itself (/containers/ID/json), or from a list of all of them, which
//    is asked for after every connection and every minute. An event that is lost costs a minute, nothing else.
// 2. Nothing is forgotten because the engine does not answer: only a list that could be read from end to end, or a look, takes a container
//    away.
// 3. No address belongs to two containers of one engine: whoever is seen with it last has it.
// 4. What the engine says is not trusted: every length is bounded, and each call works off a bounded piece of it.
// Called by daemon/containers.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "egressd/base/error.h"
#include "egressd/base/time.h"
#include "egressd/policy/policy_set.h"

namespace egressd::discover {

struct ContainerChange {
  std::string id;
  std::optional<policy::Workload> workload;  // unset = it is gone, or has no address any more
};

class Engine {
 public:
  enum class Need : std::uint8_t {
    kIfThere,  // a socket that does not exist is no trouble until it was seen once
    kAlways,
  };
  struct Settings {
    std::vector<std::string> sockets;        // paths; the first that takes a connection is used
    Need need = Need::kIfThere;
    std::string not_this;                    // a socket that somebody else follows, by whatever name it is found here; "" = none
  };

  // Errors: no epoll instance left.
  static Result<Engine> Open(Settings settings);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  // Readable when OnReady has something to do.
  int fd() const;
  void OnReady(Time now);
  // Connects, and gives up what takes too long. To be called at NextTimer, and once at the beginning.
  void OnTimer(Time now);
  Time NextTimer() const;

  // What changed since it was taken last, at most so much; what is given up comes before what is new.
  std::vector<ContainerChange> Take(std::size_t at_most);
  bool has_changes() const;

  // Everything is known, or it is known that there is nobody to ask now.
  bool is_settled() const;
  bool was_reached() const;
  // Containers with an address, as far as known.
  std::size_t known() const;
  // Why what is known may be out of date; unset = it is not.
  std::optional<Error> trouble() const;
  // The socket that `trouble` speaks of.
  const std::string& socket() const;

 private:
  struct Body;
  explicit Engine(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace egressd::discover
