// Real sockets on the loopback device; time is the test's.
#include "egressd/net/http_server.h"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "net/http_request.h"
#include "net/socket.h"
#include "unit/net/wire.h"

namespace egressd::net {
namespace {

using namespace std::chrono_literals;

struct Asked {
  std::uint64_t connection;
  HttpRequest request;
};

class World {
 public:
  World() {
    auto opened = HttpServer::Open([this](std::uint64_t id, const HttpRequest& request) { asked.push_back({id, request}); });
    REQUIRE(opened);
    server.emplace(std::move(*opened));
    REQUIRE(server->Listen(IpAddress::Ipv4(0x7f000001), 0));
  }
  Fd Connect() const {
    SocketAddress to = Encode(*server->endpoint());
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(fd.get(), to.get(), to.size) == 0);
    return fd;
  }
  Fd Ask(const std::string& text) {
    Fd fd = Connect();
    Send(fd, text);
    return fd;
  }
  static void Send(const Fd& fd, const std::string& text) {
    REQUIRE(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  // Lets the server work until it has nothing to do for a moment.
  void Work() {
    while (test::Readable(server->fd(), 50)) server->OnReady(now);
  }
  // All that comes until the server closes, or "…" when it does not.
  std::string Answer(const Fd& fd) {
    std::string all;
    for (;;) {
      Work();
      if (!test::Readable(fd.get(), 1000)) return all + "…";
      std::array<char, 65536> buffer;
      const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (got <= 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

  std::vector<Asked> asked;
  std::optional<HttpServer> server;
  Time now{1s};
};

const std::string kGet = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\nAccept: text/plain\r\nAccept: */*\r\n\r\n";

TEST_CASE("http: a request is told with path and Accept, and answered when the answer is there") {
  World world;
  const Fd client = world.Ask(kGet);
  world.Work();
  REQUIRE(world.asked.size() == 1);
  CHECK(world.asked[0].request.method == HttpMethod::kGet);
  CHECK(world.asked[0].request.path == "/metrics");
  CHECK(world.asked[0].request.accept == "text/plain,*/*,");
  CHECK_FALSE(test::Readable(client.get(), 50));
  world.server->Respond(world.asked[0].connection, {.content_type = "text/plain", .body = "hello\n"});
  world.server->Respond(world.asked[0].connection, {.body = "twice"});
  CHECK(world.Answer(client) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nhello\n");
  CHECK(world.server->counts().responses == std::map<int, std::uint64_t>{{200, 1}});
}

TEST_CASE("http: a large answer arrives whole, in pieces that the client's window decides") {
  World world;
  const Fd client = world.Ask(kGet);
  world.Work();
  REQUIRE(world.asked.size() == 1);
  const std::string body(20'000'000, 'x');
  world.server->Respond(world.asked[0].connection, {.body = body});
  CHECK(world.Answer(client).ends_with("\r\n\r\n" + body));
}

TEST_CASE("http: HEAD gets the length without the body") {
  World world;
  const Fd client = world.Ask("HEAD / HTTP/1.0\r\n\r\n");
  world.Work();
  REQUIRE(world.asked.size() == 1);
  world.server->Respond(world.asked[0].connection, {.body = "hello"});
  const std::string answer = world.Answer(client);
  CHECK(answer.contains("Content-Length: 5\r\n"));
  CHECK(answer.ends_with("\r\n\r\n"));
}

TEST_CASE("http: what is no request, has a body, or is too large is refused and counted, and reaches nobody") {
  World world;
  const auto status = [&](const std::string& text) { return world.Answer(world.Ask(text)).substr(0, 12); };
  CHECK(status("\x16\x03\x01 hello\r\n\r\n") == "HTTP/1.1 400");
  CHECK(status("GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello") == "HTTP/1.1 400");
  CHECK(status("GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n") == "HTTP/1.1 400");
  CHECK(status("POST /metrics HTTP/1.1\r\n\r\n") == "HTTP/1.1 405");
  CHECK(status("GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\n\r\n") == "HTTP/1.1 431");
  CHECK(status("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n") == "HTTP/1.1 431");
  CHECK(world.asked.empty());
  CHECK(world.server->counts().responses == std::map<int, std::uint64_t>{{400, 3}, {405, 1}, {431, 2}});
}

TEST_CASE("http: a request that comes byte by byte is one") {
  World world;
  const Fd client = world.Connect();
  for (const char c : kGet) {
    World::Send(client, std::string(1, c));
    if (test::Readable(world.server->fd(), 1)) world.server->OnReady(world.now);
  }
  world.Work();
  CHECK(world.asked.size() == 1);
}

TEST_CASE("http: who holds connections open keeps nobody out, and is gone in time") {
  World world;
  std::vector<Fd> silent;
  for (std::size_t i = 0; i < 2 * kMostConnections; ++i) {
    silent.push_back(world.Connect());
    world.Work();
  }
  CHECK(world.server->counts().pushed_out == kMostConnections);
  const Fd client = world.Ask(kGet);
  world.Work();
  REQUIRE(world.asked.size() == 1);
  // While the answer is made as many come again: they push each other out, not the one that has asked.
  for (std::size_t i = 0; i < 2 * kMostConnections; ++i) {
    silent.push_back(world.Connect());
    world.Work();
  }
  world.server->Respond(world.asked[0].connection, {.body = "there"});
  CHECK(world.Answer(client).ends_with("there"));

  const std::uint64_t before = world.server->counts().timed_out;
  CHECK(world.server->NextTimer() <= world.now + kLongestConnection);
  world.now += kLongestConnection;
  world.server->OnTimer(world.now);
  CHECK(world.server->counts().timed_out > before);
  CHECK(world.server->NextTimer() == kNever);
}

TEST_CASE("http: a client that goes away while its answer is made costs nothing") {
  World world;
  {
    const Fd client = world.Ask(kGet);
    world.Work();
    REQUIRE(world.asked.size() == 1);
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    REQUIRE(::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  }
  world.Work();
  CHECK(world.server->NextTimer() == kNever);
  world.server->Respond(world.asked[0].connection, {.body = "nobody"});
  world.Work();
  CHECK(world.server->counts().responses.empty());
}

TEST_CASE("http: an address in use is an error, and works once it is free") {
  World world;
  auto other = HttpServer::Open([](std::uint64_t, const HttpRequest&) {});
  REQUIRE(other);
  const Endpoint taken = *world.server->endpoint();
  const auto refused = other->Listen(taken.address, taken.port);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.contains("Address already in use"));
  CHECK_FALSE(other->endpoint());
  world.server.reset();
  CHECK(other->Listen(taken.address, taken.port));
  CHECK(other->endpoint() == taken);
}

TEST_CASE("http: without an address both families are served") {
  auto server = HttpServer::Open([](std::uint64_t, const HttpRequest&) {});
  REQUIRE(server);
  REQUIRE(server->Listen(std::nullopt, 0));
  const std::uint16_t port = server->endpoint()->port;
  const Endpoint four{.address = IpAddress::Ipv4(0x7f000001), .port = port};
  SocketAddress to = Encode(four);
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(::connect(fd.get(), to.get(), to.size) == 0);
}

}  // namespace
}  // namespace egressd::net
