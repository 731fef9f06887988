// The two rtnetlink sockets: one that asks and gets answers, one that only listens.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "egressd/base/error.h"
#include "egressd/base/fd.h"
#include "kernel/route_message.h"

namespace egressd::kernel {

// What the kernel said no with: errno and, where it gave one, the sentence of its extended acknowledgement.
struct Refusal {
  int error_number = 0;
  std::string sentence;
  Error As(std::string_view what) const;  // "<what>: No such device: <sentence>"
};

class RouteSocket {
 public:
  static Result<RouteSocket> Open();
  // Sends and waits for the acknowledgement.
  std::expected<void, Refusal> Request(const RouteMessage& message);
  // Visits every message of a dump; starts again when the kernel says that the table changed meanwhile, so `begin` is called before
  // each attempt and must forget what was visited.
  std::expected<void, Refusal> Dump(const RouteMessage& message, const std::function<void()>& begin,
                                    const std::function<void(const nlmsghdr&)>& visit);
  // How many requests and dumps were sent.
  std::uint64_t requests() const { return sequence_; }

 private:
  explicit RouteSocket(Fd fd) : fd_(std::move(fd)), buffer_(std::size_t{1} << 16) {}
  std::expected<void, Refusal> Send(const RouteMessage& message, int flags);
  // Receives until the answer to the last request is complete. True = a dump that was interrupted by a change.
  std::expected<bool, Refusal> Receive(const std::function<void(const nlmsghdr&)>& visit);

  Fd fd_;
  std::vector<std::uint8_t> buffer_;
  std::uint32_t sequence_ = 0;
};

class RouteListener {
 public:
  // Hears links, addresses, routes, rules and neighbours of both families.
  static Result<RouteListener> Open();
  int fd() const { return fd_.get(); }
  // Visits what waits, without blocking. False: some were lost.
  bool Take(const std::function<void(const nlmsghdr&)>& visit);

 private:
  explicit RouteListener(Fd fd) : fd_(std::move(fd)), buffer_(std::size_t{1} << 16) {}
  Fd fd_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace egressd::kernel
