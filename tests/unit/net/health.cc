// Health checks against real sockets, in a network namespace of the test's own. Time is a value: nobody waits for it.
#include "egressd/net/health.h"

#include <format>
#include <list>

#include "net/socket.h"
#include "support/sandbox.h"
#include "unit/net/wire.h"

namespace egressd::net {
namespace {

using namespace std::chrono_literals;
using policy::HealthCheck;
using Texts = std::vector<std::string>;

const IpAddress kLoopback4 = IpAddress::Parse("127.0.0.1").value(), kLoopback6 = IpAddress::Parse("::1").value();
constexpr Time kStart{1h};
constexpr auto kEvery = 5s;  // longer than an attempt, so that NextTimer tells whether one is under way

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

std::string Received(const Fd& fd) {
  REQUIRE(test::Readable(fd.get(), 1000));
  std::string bytes(4096, '\0');
  const ssize_t got = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
  REQUIRE(got >= 0);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

void Say(const Fd& fd, std::string_view bytes) {
  REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

HealthCheck Tcp(const Endpoint& target) { return {.kind = HealthCheck::Kind::kTcp, .target = target, .every = kEvery}; }
HealthCheck Http(const Endpoint& target) {
  return {.kind = HealthCheck::Kind::kHttp, .target = target, .path = "/healthz?full", .host = target.ToString(), .every = kEvery};
}
HealthCheck Icmp(const IpAddress& address) { return {.kind = HealthCheck::Kind::kIcmp, .target = {address, 0}, .every = kEvery}; }

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

TEST_CASE("nothing to check: nothing to do, and nothing to tell") {
  World world;
  CHECK(world.checker->NextTimer() == kNever);
  world.Watch({});
  CHECK(world.checker->NextTimer() == kNever);
  CHECK(world.Told() == Texts{});
}

TEST_CASE("tcp: an accepted connection is a success, over IPv4 and IPv6") {
  World world;
  Server four, six(kLoopback6);
  world.Watch({Tcp(four.target()), Tcp(six.target())});
  for (int i = 0; i < 5; ++i) world.Round();
  CHECK(world.Told() == Texts{});
  CHECK(four.HasCaller());
  CHECK(six.HasCaller());
}

TEST_CASE("tcp: so many refusals in a row make the gateway bad, one success makes it good") {
  World world;
  Server server;
  const Endpoint target = server.target();
  world.Watch({Tcp(target)});
  world.Round();
  server.Close();
  world.Round();
  world.Round();
  CHECK(world.Told() == Texts{});
  world.Round();
  CHECK(world.Told() == Texts{std::format("edge bad: tcp {}: connection refused, 3 times in a row", target.ToString())});
  world.Round();
  CHECK(world.Told() == Texts{});  // nothing new
}

TEST_CASE("tcp: failures that are not in a row make nothing bad, and a bad one recovers at once") {
  World world;
  Server server;
  HealthCheck check = Tcp(server.target());
  check.fail = 2;
  world.Watch({check});
  world.Round();
  for (int i = 0; i < 3; ++i) {
    server.Close();
    world.Round();
    server.Open();
    world.Round();
  }
  CHECK(world.Told() == Texts{});
  server.Close();
  world.Round();
  world.Round();
  CHECK(world.Told() == Texts{std::format("edge bad: tcp {}: connection refused, 2 times in a row", check.target.ToString())});
  server.Open();
  world.Round();
  CHECK(world.Told() == Texts{"edge good"});
}

TEST_CASE("several bad checks are told together, and each of them must recover") {
  World world;
  HealthCheck one = Tcp({kLoopback4, 1}), two = Tcp({kLoopback6, 2});
  one.fail = 1;
  two.fail = 2;
  Server server;
  world.Watch({one, Tcp(server.target()), two});
  world.Round();
  CHECK(world.Told() == Texts{"edge bad: tcp 127.0.0.1:1: connection refused"});
  world.Round();
  CHECK(world.Told() == Texts{"edge bad: tcp 127.0.0.1:1: connection refused; tcp [::1]:2: connection refused, 2 times in a row"});
}

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

TEST_CASE("an attempt has no longer than until the next one") {
  World world;
  Server server;
  HealthCheck check = Http(server.target());
  check.every = 100ms;
  check.fail = 1;
  world.Watch({check});
  world.Begin();
  CHECK(world.checker->NextTimer() == world.now + 100ms);
  world.now += 100ms;
  world.checker->OnTimer(world.now);
  CHECK(world.Told() == Texts{std::format("edge bad: http http://{}/healthz?full: no answer within 100ms", server.target().ToString())});
}

TEST_CASE("an answer that came in time counts, however late this process looks") {
  World world;
  Server server;
  HealthCheck check = Http(server.target());
  check.fail = 1;
  world.Watch({check});
  world.Begin();
  const Fd connection = server.Accept();
  while (!test::Readable(connection.get(), 0)) {
    REQUIRE(test::Readable(world.checker->fd(), 1000));
    world.checker->OnReady();
  }
  Say(connection, "HTTP/1.1 200 OK\r\n\r\n");
  REQUIRE(test::Readable(world.checker->fd(), 1000));
  world.now += 1min;  // stopped, and started again: the timer comes first
  world.checker->OnTimer(world.now);
  CHECK(world.Told() == Texts{});
  // What was missed is not made up for: one attempt now, the next one an interval later.
  CHECK(world.IsRunning());
  const Fd next = server.Accept();
  CHECK_FALSE(server.HasCaller());
}

TEST_CASE("icmp: the kernel of the target answers, over IPv4 and IPv6") {
  World world;
  HealthCheck four = Icmp(kLoopback4), six = Icmp(kLoopback6);
  four.fail = six.fail = 1;
  world.Watch({four, six});
  for (int i = 0; i < 3; ++i) world.Round();
  CHECK(world.Told() == Texts{});
}

TEST_CASE("icmp: only the answer to this very request counts, and it leaves through the uplink") {
  World world;
  test::Tun uplink("up0");
  uplink.Configure();
  const IpAddress router = IpAddress::Parse("192.0.2.1").value();  // no route leads there
  HealthCheck check = Icmp(router);
  check.fail = 1;
  world.Watch({check}, "up0");
  world.Begin();
  auto request = uplink.Read(1000);
  REQUIRE(request);
  REQUIRE(request->size() == 20 + 24);
  CHECK((*request)[9] == IPPROTO_ICMP);
  CHECK((*request)[20] == 8);
  CHECK(test::Sum(std::span(*request).subspan(20)) == 0xffff);
  // What the target's kernel makes of it, with `change`d bytes behind the type.
  const auto reply = [&](std::size_t changed) {
    std::vector<std::uint8_t> packet = *request;
    std::swap_ranges(packet.begin() + 12, packet.begin() + 16, packet.begin() + 16);
    packet[20] = 0;
    if (changed != 0) packet[changed] ^= 1;
    packet[10] = packet[11] = packet[22] = packet[23] = 0;
    for (const auto& [at, from, to] : {std::tuple<std::size_t, std::size_t, std::size_t>{10, 0, 20}, {22, 20, 44}}) {
      const std::uint32_t sum = ~test::Sum(std::span(packet).subspan(from, to - from)) & 0xffff;
      packet[at] = static_cast<std::uint8_t>(sum >> 8);
      packet[at + 1] = static_cast<std::uint8_t>(sum);
    }
    return packet;
  };
  // Another sender, identifier, sequence, payload.
  for (const std::size_t changed : {std::size_t{15}, std::size_t{24}, std::size_t{27}, std::size_t{43}}) {
    uplink.Write(reply(changed));
    world.GoOn();
    CHECK(world.IsRunning());
  }
  uplink.Write(reply(0));
  world.Finish();
  CHECK(world.Told() == Texts{});
  world.Begin();
  REQUIRE(uplink.Read(1000));
  uplink.Write(reply(0));  // to the request before
  world.GoOn();
  world.Expire();
  CHECK(world.Told() == Texts{"edge bad: icmp 192.0.2.1: no answer within 2s"});
}

TEST_CASE("tcp leaves through the uplink; an uplink that is not there is a failure; the node itself is asked without it") {
  World world;
  test::Tun uplink("up0");
  uplink.Configure();
  Server own;
  HealthCheck check = Tcp({IpAddress::Parse("192.0.2.1").value(), 443});
  check.fail = 1;
  world.Watch({check}, "up0");
  world.Begin();
  const auto request = uplink.Read(1000);
  REQUIRE(request);
  CHECK((*request)[9] == IPPROTO_TCP);
  world.Watch({check}, "up1");
  world.Round();
  CHECK(world.Told() == Texts{"edge bad: tcp 192.0.2.1:443: device up1: no such device"});
  world.Watch({Tcp(own.target())}, "up0");
  world.Round();
  CHECK(world.Told() == Texts{"edge good"});
}

TEST_CASE("watching again keeps what is known; what is no longer watched is forgotten") {
  World world;
  const HealthCheck bad = Tcp({kLoopback4, 1});
  Server server;
  const auto watch = [&](std::vector<GatewayChecks> gateways) { world.checker->Watch(world.now, gateways); };
  watch({{.gateway = "a", .checks = {bad}}, {.gateway = "b", .checks = {bad}}});
  for (int i = 0; i < 2; ++i) world.Round();
  watch({{.gateway = "a", .checks = {Tcp(server.target()), bad}}, {.gateway = "b", .checks = {bad}}, {.gateway = "c", .checks = {bad}}});
  world.Round();  // the new ones, due at once
  CHECK(world.Told() == Texts{});
  world.now = kStart + 2 * kEvery;
  world.checker->OnTimer(world.now);
  world.Finish();
  CHECK(world.Told() == Texts{"a bad: tcp 127.0.0.1:1: connection refused, 3 times in a row",
                              "b bad: tcp 127.0.0.1:1: connection refused, 3 times in a row"});
  watch({{.gateway = "a", .checks = {Tcp(server.target())}}, {.gateway = "c", .checks = {bad}}});
  CHECK(world.Told() == Texts{"a good"});
  watch({{.gateway = "b", .checks = {bad}}});
  CHECK(world.Told() == Texts{});
}

TEST_CASE("so many sockets at once and no more; the others wait for their turn, without haste") {
  World world;
  Server server;
  std::vector<HealthCheck> checks;
  for (std::size_t i = 0; i < kMostAttempts + 10; ++i) {
    checks.push_back(Http(server.target()));
    checks.back().path = std::format("/{}", i);
    checks.back().fail = 1;
  }
  world.Watch(checks);
  world.Begin();
  std::list<Fd> connections;
  while (server.HasCaller()) connections.push_back(server.Accept());
  CHECK(connections.size() == kMostAttempts);
  CHECK(world.IsRunning());  // that is: nothing to do before the first deadline
  world.checker->OnTimer(world.now);
  CHECK_FALSE(server.HasCaller());
  Say(connections.front(), "HTTP/1.1 200 OK");
  while (world.IsRunning()) {
    REQUIRE(test::Readable(world.checker->fd(), 1000));
    world.checker->OnReady();
  }
  CHECK(world.checker->NextTimer() == world.now);  // a place is free
  world.checker->OnTimer(world.now);
  CHECK(server.HasCaller());
  CHECK(world.IsRunning());
}

}  // namespace egressd::net
