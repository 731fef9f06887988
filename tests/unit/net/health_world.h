// Health checks against real sockets, in a network namespace of the test's own. Time is a value: nobody waits for it.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/net/health.h"
#include "net/socket.h"
#include "support/sandbox.h"
#include "unit/net/wire.h"

namespace egressd::net {

using namespace std::chrono_literals;
using policy::HealthCheck;
using Texts = std::vector<std::string>;

inline const IpAddress kLoopback4 = IpAddress::Parse("127.0.0.1").value(), kLoopback6 = IpAddress::Parse("::1").value();
inline constexpr Time kStart{1h};
inline constexpr auto kEvery = 5s;  // longer than an attempt, so that NextTimer tells whether one is under way

// A server of the test: it does what the test says, when the test says it.
class Server {
 public:
  explicit Server(const IpAddress& address = kLoopback4) : target_{address, 0} { Open(); }
  // Listens, after Close at the same port again.
  void Open() {
    fd_ = Fd(::socket(target_.address.family() == Family::kIpv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1;
    REQUIRE(::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    SocketAddress own = Encode(target_);
    REQUIRE(::bind(fd_.get(), own.get(), own.size) == 0);
    REQUIRE(::listen(fd_.get(), 256) == 0);
    own.size = sizeof own.storage;
    REQUIRE(::getsockname(fd_.get(), own.get(), &own.size) == 0);
    target_ = Decode(own);
  }
  const Endpoint& target() const { return target_; }
  Fd Accept() const {
    REQUIRE(test::Readable(fd_.get(), 1000));
    Fd accepted(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    REQUIRE(accepted.is_open());
    return accepted;
  }
  bool HasCaller() const { return test::Readable(fd_.get(), 0); }
  void Close() { fd_.Close(); }

 private:
  Fd fd_;
  Endpoint target_;
};

inline std::string Received(const Fd& fd) {
  REQUIRE(test::Readable(fd.get(), 1000));
  std::string bytes(4096, '\0');
  const ssize_t got = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
  REQUIRE(got >= 0);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

inline void Say(const Fd& fd, std::string_view bytes) {
  REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

inline HealthCheck Tcp(const Endpoint& target) { return {.kind = HealthCheck::Kind::kTcp, .target = target, .every = kEvery}; }
inline HealthCheck Http(const Endpoint& target) {
  return {.kind = HealthCheck::Kind::kHttp, .target = target, .path = "/healthz?full", .host = target.ToString(), .every = kEvery};
}
inline HealthCheck Icmp(const IpAddress& address) { return {.kind = HealthCheck::Kind::kIcmp, .target = {address, 0}, .every = kEvery}; }

// A namespace with a loopback device, and a checker whose time this is.
struct World {
  World() {
    test::BringUp("lo");
    auto opened = HealthChecker::Open();
    REQUIRE(opened);
    checker.emplace(std::move(*opened));
  }

  void Watch(std::vector<HealthCheck> checks, std::optional<std::string> device = std::nullopt) {
    checker->Watch(now, {{.gateway = "edge", .device = std::move(device), .checks = std::move(checks)}});
  }
  // With checks that are due together: an attempt is under way.
  bool IsRunning() const { return checker->NextTimer() == now + kLongestAttempt; }
  // The checks that are due next begin.
  void Begin() {
    now = checker->NextTimer();
    REQUIRE(now != kNever);
    checker->OnTimer(now);
  }
  // They go on as far as they can without anybody else.
  void GoOn() {
    while (IsRunning() && test::Readable(checker->fd(), 0)) checker->OnReady();
  }
  void Finish() {
    while (IsRunning()) {
      REQUIRE(test::Readable(checker->fd(), 1000));
      checker->OnReady();
    }
  }
  void Round() {
    Begin();
    Finish();
  }
  // Their time is over.
  void Expire() {
    REQUIRE(IsRunning());
    now += kLongestAttempt;
    checker->OnTimer(now);
  }
  Texts Told() {
    Texts texts;
    for (const GatewayHealth& health : checker->Take())
      texts.push_back(health.gateway + (health.healthy ? " good" : " bad: ") + health.text);
    return texts;
  }

  test::Sandbox sandbox;
  std::optional<HealthChecker> checker;
  Time now = kStart;
};

}  // namespace egressd::net
