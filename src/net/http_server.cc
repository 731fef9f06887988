#include "egressd/net/http_server.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <format>
#include <string_view>
#include <utility>

#include "net/http_request.h"
#include "net/socket.h"

namespace egressd::net {
namespace {

constexpr int kBacklog = 64;
constexpr int kAcceptedAtOnce = 16;
constexpr std::size_t kReadAtOnce = 4096;
constexpr std::size_t kWrittenAtOnce = std::size_t{256} << 10U;
constexpr std::size_t kMostEvents = 16;
constexpr std::size_t kReadAwayBytes = std::size_t{64} << 10U;  // behind a request
constexpr Duration kWithoutDescriptors{1'000'000};

std::string_view ReasonOf(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    default: return "Unknown";
  }
}

std::string HeadOf(const HttpResponse& response) {
  return std::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n{}\r\n",
                     response.status, ReasonOf(response.status), response.content_type, response.body.size(),
                     response.status == 405 ? "Allow: GET, HEAD\r\n" : "");
}

}  // namespace

struct HttpServer::Connection {
  enum class Stage : std::uint8_t { kReads, kServed, kWrites, kCloses };
  Fd fd;
  Time deadline;
  Stage stage = Stage::kReads;
  HttpRequestReader reader;
  std::string output;
  std::size_t written = 0;
  std::size_t read_away = 0;
};

HttpServer::HttpServer(Fd epoll, Serve serve) : epoll_(std::move(epoll)), serve_(std::move(serve)) {}
HttpServer::HttpServer(HttpServer&&) noexcept = default;
HttpServer& HttpServer::operator=(HttpServer&&) noexcept = default;
HttpServer::~HttpServer() = default;

Result<HttpServer> HttpServer::Open(Serve serve) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return std::unexpected(SystemError("epoll for HTTP", errno));
  return HttpServer(std::move(epoll), std::move(serve));
}

Result<void> HttpServer::Listen(const std::optional<IpAddress>& address, std::uint16_t port) {
  // One socket for both families, where the host has both.
  const bool everywhere = !address || address->is_unspecified();
  const bool both = everywhere && HostHas(Family::kIpv6) && (!address || address->family() == Family::kIpv6);
  const IpAddress any = both ? IpAddress::Ipv6(std::array<std::uint8_t, 16>{}) : IpAddress();
  const Endpoint endpoint{.address = everywhere ? any : *address, .port = port};
  const int family = endpoint.address.family() == Family::kIpv4 ? AF_INET : AF_INET6;
  Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return std::unexpected(SystemError(endpoint.ToString(), errno));
  SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (family == AF_INET6) SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, both ? 0 : 1);
  SocketAddress encoded = Encode(endpoint);
  if (::bind(fd.get(), encoded.get(), encoded.size) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return std::unexpected(SystemError(endpoint.ToString(), errno));
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) return std::unexpected(SystemError(endpoint.ToString(), errno));
  listener_ = std::move(fd);
  return {};
}

std::optional<Endpoint> HttpServer::endpoint() const {
  if (!listener_.is_open()) return std::nullopt;
  SocketAddress own;
  own.size = sizeof own.storage;
  if (::getsockname(listener_.get(), own.get(), &own.size) != 0) return std::nullopt;
  return Decode(own);
}

void HttpServer::OnReady(Time now) {
  std::array<epoll_event, kMostEvents> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;  // a copy: the structure is packed
    if (id == 0) {
      Accept(now);
      continue;
    }
    const auto found = connections_.find(id);
    if (found == connections_.end()) continue;  // gone in this round
    Connection& connection = *found->second;
    if (connection.stage == Connection::Stage::kWrites) {
      Write(id, connection);
    } else {
      Read(id, connection);
    }
  }
}

void HttpServer::Accept(Time now) {
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.is_open()) {
      const bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      if (!exhausted) return;
      // Who waits keeps the descriptor readable: looked at again later, not in every round.
      Listening(0);
      accepts_again_ = now + kWithoutDescriptors;
      return;
    }
    if (connections_.size() >= kMostConnections) MakeRoom();
    auto connection = std::make_unique<Connection>();
    connection->fd = std::move(fd);
    connection->deadline = now + kLongestConnection;
    const std::uint64_t id = ++last_id_;
    epoll_event event{.events = EPOLLIN, .data = {.u64 = id}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection->fd.get(), &event) != 0) return;
    connections_.emplace(id, std::move(connection));
  }
}

void HttpServer::Listening(std::uint32_t events) const {
  epoll_event event{.events = events, .data = {.u64 = 0}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &event);
}

void HttpServer::MakeRoom() {
  using Stage = Connection::Stage;
  const auto idle = std::ranges::find_if(connections_, [](const auto& entry) {
    return entry.second->stage == Stage::kReads || entry.second->stage == Stage::kCloses;
  });
  const auto victim = idle == connections_.end() ? connections_.begin() : idle;
  if (victim->second->stage != Stage::kCloses) ++counts_.pushed_out;
  connections_.erase(victim);
}

void HttpServer::Read(std::uint64_t id, Connection& connection) {
  std::array<char, kReadAtOnce> buffer;
  const ssize_t got = ::recv(connection.fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return Close(id);
  if (connection.stage != Connection::Stage::kReads) {  // read away, so that closing does not take the answer along
    connection.read_away += static_cast<std::size_t>(got);
    if (connection.read_away > kReadAwayBytes) Close(id);
    return;
  }
  using Verdict = HttpRequestReader::Verdict;
  switch (connection.reader.Feed({buffer.data(), static_cast<std::size_t>(got)})) {
    case Verdict::kMore: return;
    case Verdict::kBad:
      connection.stage = Connection::Stage::kServed;
      return Respond(id, {.status = 400, .body = "this is no HTTP request\n"});
    case Verdict::kTooLarge:
      connection.stage = Connection::Stage::kServed;
      return Respond(id, {.status = 431, .body = std::format("a request has at most {} bytes\n", kLargestRequest)});
    case Verdict::kComplete: break;
  }
  connection.stage = Connection::Stage::kServed;
  Await(id, connection);
  if (connection.reader.request().method == HttpMethod::kOther) return Respond(id, {.status = 405, .body = "GET or HEAD\n"});
  serve_(id, connection.reader.request());
}

void HttpServer::Respond(std::uint64_t id, const HttpResponse& response) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->stage != Connection::Stage::kServed) return;
  Connection& connection = *found->second;
  ++counts_.responses[response.status];
  connection.output = HeadOf(response);
  if (connection.reader.request().method != HttpMethod::kHead) connection.output += response.body;
  connection.stage = Connection::Stage::kWrites;
  Await(id, connection);  // written when the loop finds it writable: a bounded piece a round
}

void HttpServer::Write(std::uint64_t id, Connection& connection) {
  const std::size_t size = std::min(connection.output.size() - connection.written, kWrittenAtOnce);
  const ssize_t sent = ::send(connection.fd.get(), connection.output.data() + connection.written, size, MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (sent < 0) return Close(id);
  connection.written += static_cast<std::size_t>(sent);
  if (connection.written < connection.output.size()) return;
  ::shutdown(connection.fd.get(), SHUT_WR);
  connection.stage = Connection::Stage::kCloses;
  std::string().swap(connection.output);
  Await(id, connection);
}

void HttpServer::Await(std::uint64_t id, const Connection& connection) const {
  using Stage = Connection::Stage;
  epoll_event event{.events = 0, .data = {.u64 = id}};
  if (connection.stage == Stage::kReads || connection.stage == Stage::kCloses) event.events = EPOLLIN;
  if (connection.stage == Stage::kWrites) event.events = EPOLLOUT;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), &event);
}

void HttpServer::Close(std::uint64_t id) { connections_.erase(id); }

void HttpServer::OnTimer(Time now) {
  if (accepts_again_ <= now) {
    accepts_again_ = kNever;
    Listening(EPOLLIN);
  }
  std::erase_if(connections_, [&](const auto& entry) {
    if (entry.second->deadline > now) return false;
    if (entry.second->stage != Connection::Stage::kCloses) ++counts_.timed_out;
    return true;
  });
}

Time HttpServer::NextTimer() const {
  // All last equally long, so the first one ends first.
  return connections_.empty() ? accepts_again_ : std::min(accepts_again_, connections_.begin()->second->deadline);
}

}  // namespace egressd::net
