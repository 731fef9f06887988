// HTTP checks: what is asked, and what counts as an answer.
#include <format>

#include "unit/net/health_world.h"

namespace egressd::net {
namespace {

// What one answer of a server makes of a check that may not fail once.
template <typename Answer>
Texts After(const Answer& answer) {
  World world;
  Server server;
  HealthCheck check = Http(server.target());
  check.fail = 1;
  world.Watch({check});
  world.Begin();
  {
    const Fd connection = server.Accept();
    while (!test::Readable(connection.get(), 0)) {
      REQUIRE(test::Readable(world.checker->fd(), 1000));
      world.checker->OnReady();
    }
    Received(connection);
    answer(connection, world);
  }
  world.Finish();
  Texts texts = world.Told();
  const std::string name = std::format("edge bad: http http://{}/healthz?full: ", server.target().ToString());
  for (std::string& text : texts) {
    if (text.starts_with(name)) text.erase(0, name.size());
  }
  return texts;
}
Texts Answered(std::string_view bytes) {
  return After([&](const Fd& connection, World&) { Say(connection, bytes); });
}

}  // namespace

TEST_CASE("http: the request is what a server expects, and 200-399 is a success") {
  World world;
  Server server;
  world.Watch({Http(server.target())});
  world.Begin();
  const Fd connection = server.Accept();
  world.GoOn();
  CHECK(Received(connection) == std::format("GET /healthz?full HTTP/1.1\r\nHost: {}\r\nUser-Agent: egressd/{}\r\nAccept: */*\r\n"
                                            "Connection: close\r\n\r\n",
                                            server.target().ToString(), EGRESSD_VERSION));
  Say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  world.Finish();
  CHECK(world.Told() == Texts{});
  CHECK(Answered("HTTP/1.0 204 No Content\r\n\r\n") == Texts{});
  CHECK(Answered("HTTP/1.1 302 \r\nLocation: /\r\n\r\n") == Texts{});
  CHECK(Answered("HTTP/1.1 399\n") == Texts{});
}

TEST_CASE("http: what is no success") {
  CHECK(Answered("HTTP/1.1 500 Internal Server Error\r\n\r\n") == Texts{"answered 500"});
  CHECK(Answered("HTTP/1.1 404 Not Found\r\n\r\n") == Texts{"answered 404"});
  CHECK(Answered("HTTP/1.1 199 ?\r\n\r\n") == Texts{"answered 199"});
  CHECK(Answered("HTTP/1.1 400\r\n") == Texts{"answered 400"});
  CHECK(Answered("SSH-2.0-OpenSSH_9.6\r\n") == Texts{"no HTTP answer"});
  CHECK(Answered("HTTP/1.1 2000 OK\r\n") == Texts{"no HTTP answer"});
  CHECK(Answered("HTTP/2 200\r\n") == Texts{"no HTTP answer"});
  CHECK(Answered(std::string(5000, '\0')) == Texts{"no HTTP answer"});
  CHECK(Answered("\n") == Texts{"no HTTP answer"});
  CHECK(Answered("HTTP/1.1 20") == Texts{"closed within the status line"});
  CHECK(After([](const Fd&, World&) {}) == Texts{"closed without an answer"});
  CHECK(After([](const Fd& connection, World&) {
          const linger at_once{.l_onoff = 1, .l_linger = 0};
          REQUIRE(::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        }) == Texts{"connection reset by peer"});
}

TEST_CASE("http: an answer may come in pieces") {
  CHECK(After([](const Fd& connection, World& world) {
          for (const char byte : std::string_view("HTTP/1.1 200 OK")) {
            Say(connection, std::string(1, byte));
            if (!world.IsRunning()) break;
            REQUIRE(test::Readable(world.checker->fd(), 1000));
            world.checker->OnReady();
          }
          CHECK_FALSE(world.IsRunning());
        }) == Texts{});
}

TEST_CASE("http: a server that hangs has failed when the time is over, wherever it hangs") {
  World world;
  Server server;
  HealthCheck check = Http(server.target());
  check.fail = 2;
  world.Watch({check});
  world.Begin();
  world.GoOn();
  world.Expire();  // connected by the kernel, never accepted
  world.Begin();
  const Fd first = server.Accept();
  const Fd second = server.Accept();
  world.GoOn();
  Say(second, "HTTP/1.1 200");  // all but the last byte
  world.GoOn();
  world.Expire();
  CHECK(world.Told() ==
        Texts{std::format("edge bad: http http://{}/healthz?full: no answer within 2s, 2 times in a row", server.target().ToString())});
}

}  // namespace egressd::net
