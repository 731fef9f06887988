// A small HTTP/1.1 server for whoever scrapes this node: one request a connection, then it is closed.
//
//   accepted ──request is there──> served ──answered──> sent ──> closes (what still comes is read away) ──> gone
//       └────────────── bad, too large, too late, or pushed out by a newer one ─────────────────────────────> gone
//
// 1. Never blocks and never waits: sockets are non-blocking, time comes from the caller, and each OnReady works off a bounded piece.
// 2. At most kMostConnections. When they are all taken the oldest one that has not asked yet gives way to the next: who holds connections
//    open without a request keeps nobody else out.
// 3. A connection lasts kLongestConnection, whatever it does; a request has at most 8 KiB and no body.
// 4. A client that misbehaves costs a count and its own connection, nothing else.
// Called by the daemon's loop: OnReady when fd() is readable, OnTimer at NextTimer(); Respond whenever the answer is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "egressd/base/address.h"
#include "egressd/base/error.h"
#include "egressd/base/fd.h"
#include "egressd/base/time.h"

namespace egressd::net {

inline constexpr std::size_t kMostConnections = 32;
inline constexpr Duration kLongestConnection{10'000'000};

enum class HttpMethod : std::uint8_t { kGet, kHead, kOther };
struct HttpRequest {
  HttpMethod method = HttpMethod::kOther;
  std::string path;    // without the query
  std::string accept;  // the header; "" without it
};
struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Since the server was opened.
struct HttpCounts {
  std::map<int, std::uint64_t> responses;  // status → how many
  std::uint64_t pushed_out = 0;            // connections that gave way to others
  std::uint64_t timed_out = 0;
};

class HttpServer {
 public:
  using Serve = std::function<void(std::uint64_t connection, const HttpRequest& request)>;

  static Result<HttpServer> Open(Serve serve);
  HttpServer(HttpServer&&) noexcept;
  HttpServer& operator=(HttpServer&&) noexcept;
  ~HttpServer();

  // Listens from now on; without an address on every one of this host. Error kSystem: it cannot, now.
  Result<void> Listen(const std::optional<IpAddress>& address, std::uint16_t port);
  // Where it listens, with the number that the kernel chose for port 0.
  std::optional<Endpoint> endpoint() const;

  // An epoll descriptor: readable when OnReady has something to do.
  int fd() const { return epoll_.get(); }
  void OnReady(Time now);
  // Ends what has lasted too long.
  void OnTimer(Time now);
  Time NextTimer() const;

  // Answers what `serve` was called for. Nothing happens when the client is gone.
  void Respond(std::uint64_t connection, const HttpResponse& response);
  const HttpCounts& counts() const { return counts_; }

 private:
  struct Connection;
  HttpServer(Fd epoll, Serve serve);
  void Accept(Time now);
  void Listening(std::uint32_t events) const;
  void MakeRoom();
  void Read(std::uint64_t id, Connection& connection);
  void Write(std::uint64_t id, Connection& connection);
  void Await(std::uint64_t id, const Connection& connection) const;
  void Close(std::uint64_t id);

  Fd epoll_;
  Serve serve_;
  Fd listener_;
  Time accepts_again_ = kNever;                     // this host had no descriptor left
  std::uint64_t last_id_ = 0;                       // 0 = the listener
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;  // in the order in which they came
  HttpCounts counts_;
};

}  // namespace egressd::net
