// The follower against a server of the test's own on a real socket. Time is a value: nobody waits for it.
#include "egressd/discover/engine.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <format>
#include <functional>
#include <list>
#include <map>

#include "egressd/base/fd.h"
#include "support/temporary_directory.h"
#include "unit/discover/captured.h"

namespace egressd::discover {
namespace {

using namespace std::chrono_literals;

const std::string kWeb(64, 'a'), kDatabase(64, 'b');

std::string Chunked(const std::string& body) { return std::format("{:x}\r\n{}\r\n", body.size(), body); }
std::string Answer(int status, const std::string& body) {
  return std::format("HTTP/1.1 {} X\r\nApi-Version: 1.99\r\nContent-Length: {}\r\n\r\n{}", status, body.size(), body);
}
std::string Listed(const std::string& id, const std::string& address) {
  return std::format(R"({{"Id":"{}","Names":["/{}"],"State":"running","NetworkSettings":{{"Networks":{{"n":{{"IPAddress":"{}"}}}}}}}})", id,
                     id.substr(0, 3), address);
}
std::string Inspected(const std::string& id, const std::string& address, const std::string& mode = "bridge") {
  return std::format(R"({{"Id":"{}","Name":"/{}","State":{{"Status":"running"}},"HostConfig":{{"NetworkMode":"{}"}},)"
                     R"("Config":{{"Labels":{{}}}},"NetworkSettings":{{"Networks":{{"n":{{"IPAddress":"{}"}}}}}}}})",
                     id, id.substr(0, 3), mode, address);
}

// Answers every request by what `answers` says of its path; keeps /events open.
class Server {
 public:
  std::string path() const { return directory_.path() / "engine.sock"; }

  void Open() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path().data(), path().size());
    ::unlink(path().c_str());
    listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_.get(), 16) == 0);
  }
  void Close() {  // the socket stays, as after a crash
    listener_.Close();
    connections_.clear();
  }
  void Serve() {
    for (;;) {
      Fd accepted(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!accepted.is_open()) break;
      connections_.push_back({.fd = std::move(accepted), .request = {}, .streams = false});
    }
    for (Connection& connection : connections_) {
      std::array<char, 4096> buffer;
      const ssize_t got = ::recv(connection.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got > 0) connection.request.append(buffer.data(), static_cast<std::size_t>(got));
      if (!connection.request.ends_with("\r\n\r\n")) continue;
      const std::string target = connection.request.substr(4, connection.request.find(' ', 4) - 4);
      connection.request.clear();
      asked.push_back(target);
      const std::string path = target.substr(0, target.find('?'));
      connection.streams = path.ends_with("/events");
      const auto found = answers.find(path);
      Send(connection, found == answers.end() ? Answer(404, "{}") : found->second);
    }
  }
  void Tell(const std::string& event) {
    for (Connection& connection : connections_) {
      if (connection.streams) Send(connection, Chunked(event));
    }
  }
  std::map<std::string, std::string> answers{
      {"/_ping", Answer(200, "OK")},
      {"/v1.47/events", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"/v1.47/containers/json", Answer(200, "[" + Listed(kWeb, "172.18.0.2") + "]")},
      {"/v1.47/containers/" + kWeb + "/json", Answer(200, Inspected(kWeb, "172.18.0.2"))},
  };
  std::vector<std::string> asked;

 private:
  struct Connection {
    Fd fd;
    std::string request;
    bool streams = false;
  };
  static void Send(Connection& connection, const std::string& text) {
    if (!text.empty()) CHECK(::send(connection.fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  test::TemporaryDirectory directory_;
  Fd listener_;
  std::list<Connection> connections_;
};

struct World {
  explicit World(Engine::Need need = Engine::Need::kIfThere)
      : engine(Engine::Open({.sockets = {"/nowhere/engine.sock", server.path()}, .need = need, .not_this = ""}).value()) {}
  // Until nothing is on its way any more.
  void Run() {
    for (int idle = 0; idle < 3;) {
      if (engine.NextTimer() <= now) engine.OnTimer(now);
      server.Serve();
      pollfd waiting{.fd = engine.fd(), .events = POLLIN, .revents = 0};
      idle = ::poll(&waiting, 1, 2) > 0 ? 0 : idle + 1;
      engine.OnReady(now);
    }
  }
  void Pass(Duration duration) {
    now += duration;
    Run();
  }
  std::string Told() {
    std::string text;
    for (const ContainerChange& change : engine.Take(100)) {
      text += change.id.substr(0, 3) + (change.workload ? "=" + change.workload->addresses.front().ToString() : " gone") + ' ';
    }
    return text;
  }
  void Happens(const std::string& action, const std::string& id) {
    server.Tell(std::format(R"({{"Type":"container","Action":"{}","Actor":{{"ID":"{}"}}}})", action, id));
    Run();
  }
  Server server;
  Engine engine;
  Time now{1h};
};

TEST_CASE("a list at the beginning, then a look for each event") {
  World world;
  world.server.Open();
  world.Run();
  CHECK(world.engine.is_settled());
  CHECK(!world.engine.trouble());
  CHECK(world.Told() == "aaa=172.18.0.2 ");
  CHECK(world.server.asked[0] == "/_ping");
  CHECK(world.server.asked[1].starts_with("/v1.47/events?filters="));  // 1.99 is later than what is asked for
  world.server.answers["/v1.47/containers/" + kDatabase + "/json"] = Answer(200, Inspected(kDatabase, "172.18.0.3"));
  world.Happens("start", kDatabase);
  CHECK(world.Told() == "bbb=172.18.0.3 ");
  const std::size_t asked = world.server.asked.size();
  world.Happens("exec_start: sh", kDatabase);
  CHECK(world.server.asked.size() == asked);
  world.server.answers.erase("/v1.47/containers/" + kWeb + "/json");
  world.Happens("die", kWeb);
  CHECK(world.Told() == "aaa gone ");
  CHECK(world.engine.known() == 1);
}

TEST_CASE("what no event told is in the next list") {
  World world;
  world.server.Open();
  world.Run();
  world.Told();
  world.server.answers["/v1.47/containers/json"] = Answer(200, "[" + Listed(kDatabase, "172.18.0.3") + "]");
  world.Pass(3s);  // the second list comes soon
  CHECK(world.Told() == "aaa gone bbb=172.18.0.3 ");
  world.server.answers["/v1.47/containers/json"] = Answer(200, "[]");
  world.Pass(30s);
  CHECK(world.Told().empty());
  world.Pass(31s);
  CHECK(world.Told() == "bbb gone ");
}

TEST_CASE("who shares a network is told from its owner by a look") {
  World world;
  world.server.answers["/v1.47/containers/json"] =
      Answer(200, "[" + Listed(kWeb, "172.18.0.2") + "," + Listed(kDatabase, "172.18.0.2") + "]");
  world.server.answers["/v1.47/containers/" + kDatabase + "/json"] = Answer(200, Inspected(kDatabase, "172.18.0.2", "container:" + kWeb));
  world.server.Open();
  world.Run();
  CHECK(world.Told() == "aaa=172.18.0.2 ");
}

TEST_CASE("an engine that is not there is no trouble, one that goes away is; what it said stays") {
  World world;
  world.Run();
  CHECK(world.engine.is_settled());
  CHECK(!world.engine.trouble());
  world.server.Open();
  world.Pass(2s);
  CHECK(world.Told() == "aaa=172.18.0.2 ");
  world.server.Close();
  world.Run();
  REQUIRE(world.engine.trouble());
  CHECK(world.engine.socket() == world.server.path());
  world.Pass(10s);
  CHECK(world.engine.trouble()->message.contains("onnection refused"));
  CHECK(world.Told().empty());
  CHECK(world.engine.known() == 1);
  world.server.answers["/v1.47/containers/json"] = Answer(200, "[" + Listed(kDatabase, "172.18.0.3") + "]");
  world.server.Open();
  world.Pass(6s);
  CHECK(!world.engine.trouble());
  CHECK(world.Told() == "aaa gone bbb=172.18.0.3 ");
}

TEST_CASE("an engine that must be there is missed from the beginning") {
  World world(Engine::Need::kAlways);
  world.Run();
  CHECK(world.engine.trouble());
}

TEST_CASE("half a list, an odd one, none in time: nothing is forgotten") {
  const std::string good = "[" + Listed(kWeb, "172.18.0.2") + "]";
  for (const std::string& odd : {Answer(500, "{\"message\":\"no\"}"), Answer(200, good.substr(0, 40)), Answer(200, "[{}]"),
                                 Answer(200, "null"), std::string("HTTP/1.0 nonsense\r\n\r\n"), std::string()}) {
    CAPTURE(odd);
    World world;
    world.server.Open();
    world.Run();
    world.Told();
    world.server.answers["/v1.47/containers/json"] = odd;
    world.Pass(3s);
    world.Pass(31s);
    CHECK(world.engine.trouble());
    CHECK(world.Told().empty());
    CHECK(world.engine.known() == 1);
    world.server.answers["/v1.47/containers/json"] = Answer(200, good);
    world.Pass(6s);
    world.Pass(6s);
    CHECK(!world.engine.trouble());
    CHECK(world.Told().empty());
  }
}

TEST_CASE("a list that is refused does not end the events") {
  World world;
  world.server.answers["/v1.47/containers/json"] = Answer(500, "{}");
  world.server.Open();
  world.Run();
  CHECK(world.engine.trouble());
  CHECK(world.engine.is_settled());
  world.Happens("start", kWeb);
  CHECK(world.Told() == "aaa=172.18.0.2 ");
  world.server.answers["/v1.47/containers/json"] = Answer(200, "[]");
  world.Pass(6s);
  CHECK(!world.engine.trouble());
  CHECK(world.Told() == "aaa gone ");
}

TEST_CASE("what is no container engine") {
  for (const std::string& odd : {Answer(404, ""), std::string("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                                 std::string("HTTP/1.1 200 OK\r\nApi-Version: 1.4 HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
                                 std::string("220 smtp\r\n")}) {
    World world;
    world.server.answers["/_ping"] = odd;
    world.server.Open();
    world.Run();
    CHECK(world.engine.trouble());
    CHECK(world.server.asked.size() == 1);
  }
}

TEST_CASE("a socket that another follower uses is left alone") {
  World world;
  world.server.Open();
  world.engine = Engine::Open({.sockets = {world.server.path()}, .need = Engine::Need::kIfThere, .not_this = world.server.path()}).value();
  world.Run();
  CHECK(world.server.asked.empty());
  CHECK(!world.engine.trouble());
}

TEST_CASE("a burst of events costs one list") {
  World world;
  world.server.Open();
  world.Run();
  const std::size_t before = world.server.asked.size();
  std::string events;
  for (int i = 0; i < 500; ++i) {
    events += std::format(R"({{"Type":"container","Action":"start","Actor":{{"ID":"{:064x}"}}}})", i);
  }
  world.server.Tell(events);
  world.Run();
  CHECK(world.server.asked.size() < before + 10);
}

}  // namespace
}  // namespace egressd::discover
