// Health checks in general, and TCP and ICMP ones.
#include "egressd/net/health.h"

#include <format>
#include <list>

#include "unit/net/health_world.h"

namespace egressd::net {

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
