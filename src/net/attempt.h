// One question of a health check: asked once, answered or not. A kind of check is one class in one file.
//
// 1. Non-blocking: Advance does what can be done now. Called without need, it does nothing.
// 2. An attempt owns its socket; destroying it gives up.
// Called by HealthChecker.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "egressd/base/address.h"
#include "egressd/base/fd.h"
#include "egressd/policy/policy_set.h"

namespace egressd::net {

// Why an attempt failed, as people read it behind a colon: "connection refused".
using Failure = std::string;
// Success, or why not.
using Outcome = std::expected<void, Failure>;

class Attempt {
 public:
  virtual ~Attempt() = default;
  int fd() const { return fd_.get(); }
  // What to wait for: EPOLLIN or EPOLLOUT.
  virtual std::uint32_t events() const = 0;
  // nullopt = it goes on.
  virtual std::optional<Outcome> Advance() = 0;

 protected:
  explicit Attempt(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

using Started = std::expected<std::unique_ptr<Attempt>, Failure>;
// `device`: the uplink that it leaves through. `serial` tells one attempt from another.
Started StartTcp(const policy::HealthCheck& check, const std::optional<std::string>& device);
Started StartHttp(const policy::HealthCheck& check, const std::optional<std::string>& device);
Started StartIcmp(const policy::HealthCheck& check, const std::optional<std::string>& device, std::uint64_t serial);

// --- vocabulary of the kinds ---

// A non-blocking socket whose packets leave through the device and that speaks with `target` alone; of a stream the connection has begun.
std::expected<Fd, Failure> OpenTowards(const Endpoint& target, const std::optional<std::string>& device, int type, int protocol);
// Is there something to do for it, of EPOLLIN or EPOLLOUT, now?
bool IsReady(const Fd& fd, std::uint32_t events);
// How the connection ended that had begun; nullopt = it has not.
std::optional<Outcome> Connected(const Fd& fd);
// strerror in lower case.
Failure FailureOf(int error_number);

}  // namespace egressd::net
