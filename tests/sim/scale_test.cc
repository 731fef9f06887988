// Membership alone, with many nodes and for long. EGRESSD_SCALE_NODES (1000) and EGRESSD_SCALE_SECONDS (120) make it larger.
#include <doctest/doctest.h>

#include <cstdlib>

#include "sim/crowd.h"

namespace egressd::sim {
namespace {

using gossip::Verdict;

constexpr Duration kSecond{1'000'000};

std::size_t Setting(const char* name, std::size_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

std::set<Endpoint> PlacesOf(Crowd& crowd) {
  std::set<Endpoint> places;
  for (const Crowd::Node& node : crowd.nodes()) places.insert(node.place);
  return places;
}

Crowd Settled(std::size_t size, std::uint64_t seed, double loss = 0) {
  Crowd crowd(size, seed);
  crowd.loss = loss;
  crowd.StartAll();
  crowd.Run(4 * kSecond);
  REQUIRE(crowd.RunUntil(20 * kSecond, [&] { return crowd.Agreed(); }));
  return crowd;
}

// How long until everybody takes a node for dead that dies now.
std::optional<Duration> Death(Crowd& crowd, std::size_t victim) {
  crowd.Kill(victim);
  return crowd.RunUntil(20 * kSecond, [&] { return crowd.Dissenters(crowd[victim].name, Verdict::kDead) == 0; });
}

}  // namespace

TEST_CASE("1,000 nodes: an idle one sends less than 10 kB/s, and a death is known to all within 5 s") {
  const std::size_t size = Setting("EGRESSD_SCALE_NODES", 1000);
  for (const double loss : {0.0, 0.05}) {
    Crowd crowd(size, 1);
    crowd.loss = loss;
    crowd.StartAcquainted();
    crowd.Run(kSecond);
    crowd.ForgetTraffic();
    crowd.Run(4 * kSecond);
    const std::uint64_t worst = crowd.WorstSent() / 4;
    // With loss somebody has to refute a suspicion now and then, which takes a hundred datagrams at once.
    MESSAGE(size, " nodes, loss ", loss, ": the busiest idle node sends ", worst, " bytes/s");
    CHECK(worst < (loss > 0 ? 20'000U : 10'000U));
    for (std::size_t victim : {size / 3, size / 2}) {
      const auto known = Death(crowd, victim);
      REQUIRE(known);
      MESSAGE("a death is known to all after ", known->count() / 1000, " ms");
      CHECK(*known <= 5 * kSecond);
      crowd.Run(Duration{static_cast<std::int64_t>(crowd.random().Below(1'000'000))});
    }
    CHECK(crowd.false_deaths == 0);
  }
}

TEST_CASE("5 % of all datagrams lost: nobody who lives is ever taken for dead") {
  Crowd crowd(Setting("EGRESSD_SCALE_NODES", 50), 2);
  crowd.loss = 0.05;
  crowd.StartAcquainted();
  crowd.Run(static_cast<std::int64_t>(Setting("EGRESSD_SCALE_SECONDS", 120)) * kSecond);
  MESSAGE(crowd.suspicions, " suspicions, counted at everybody who had them");
  CHECK(crowd.false_deaths == 0);
  CHECK(crowd.RunUntil(5 * kSecond, [&] { return crowd.Agreed(); }));
}

TEST_CASE("in a small cluster a death is known within 4.5 s, whoever dies") {
  for (const std::size_t size : {2U, 3U, 5U, 8U}) {
    for (std::size_t victim = 0; victim < size; ++victim) {
      Crowd crowd = Settled(size, 10 * size + victim);
      crowd.Run(Duration{static_cast<std::int64_t>(crowd.random().Below(1'000'000))});
      const auto known = Death(crowd, victim);
      REQUIRE(known);
      CHECK(*known <= Duration{4'560'000});
      CHECK(*known >= Duration{3'500'000});
    }
  }
}

TEST_CASE("a cluster that starts knows itself, with three join addresses and loss too") {
  Crowd crowd(60, 3);
  crowd.loss = 0.05;
  crowd.StartAll();
  CHECK(crowd.RunUntil(10 * kSecond, [&] {
    return std::ranges::all_of(crowd.nodes(), [](const Crowd::Node& node) { return node.membership != nullptr; }) && crowd.Agreed();
  }));
}

TEST_CASE("halves that were cut for long find each other again") {
  for (const std::size_t size : {5U, 40U}) {
    Crowd crowd = Settled(size, 4);
    crowd.cut = true;
    crowd.Run(30 * kSecond);
    CHECK(crowd.Dissenters(crowd[0].name, Verdict::kDead) == size / 2 - 1);  // its own half knows better
    crowd.cut = false;
    const auto agreed = crowd.RunUntil(20 * kSecond, [&] { return crowd.Agreed(); });
    REQUIRE(agreed);
    MESSAGE(size, " nodes agree again after ", agreed->count() / 1000, " ms");
    CHECK(*agreed <= 5 * kSecond);
  }
}

TEST_CASE("a third of all nodes dies at once") {
  Crowd crowd = Settled(60, 5);
  for (std::size_t i = 20; i < 40; ++i) crowd.Kill(i);
  CHECK(crowd.RunUntil(10 * kSecond, [&] {
    for (std::size_t i = 20; i < 40; ++i) {
      if (crowd.Dissenters(crowd[i].name, Verdict::kDead) > 0) return false;
    }
    return true;
  }));
  CHECK(crowd.false_deaths == 0);
}

TEST_CASE("a restart: quick, after its death was known, and with a clock that went back") {
  Crowd crowd = Settled(6, 6);
  const std::string name = crowd[4].name;
  const std::set<Endpoint> places = PlacesOf(crowd);
  SUBCASE("quick") {
    crowd.Kill(4);
    crowd.Run(2 * kSecond);
    crowd.Start(4, places);
    CHECK(crowd.RunUntil(kSecond, [&] { return crowd.Agreed(); }));
    crowd.Run(5 * kSecond);
    for (const Crowd::Node& node : crowd.nodes()) CHECK(!node.dead_since.contains(name));
  }
  SUBCASE("late") {
    REQUIRE(Death(crowd, 4));
    crowd.Start(4, places);
    CHECK(crowd.RunUntil(kSecond, [&] { return crowd.Agreed(); }));
  }
  SUBCASE("an hour earlier") {
    const std::uint64_t before = crowd[4].incarnation;
    crowd.Kill(4);
    crowd.Run(kSecond);
    crowd.StartAs(4, before - 3'600'000, places);
    CHECK(crowd.RunUntil(2 * kSecond, [&] { return crowd.Agreed(); }));
    CHECK(crowd[4].membership->incarnation() > before);
  }
}

TEST_CASE("a node that stood still for long is believed only after it has said something newer") {
  Crowd crowd = Settled(6, 7);
  const std::string name = crowd[3].name;
  const gossip::Stamp before = crowd[3].membership->own()->stamp;
  crowd.Pause(3, 20 * kSecond);
  crowd.Run(15 * kSecond);
  CHECK(crowd.Dissenters(name, Verdict::kDead) == 0);
  bool believed_too_early = false;
  const auto back = crowd.RunUntil(15 * kSecond, [&] {
    for (std::size_t i = 0; i < 6; ++i) {
      if (i == 3) continue;
      const gossip::Member& member = crowd[i].membership->members().at(name);
      believed_too_early = believed_too_early || (member.lives() && member.record.stamp <= before);
    }
    return crowd.Agreed();
  });
  CHECK(back);
  CHECK(!believed_too_early);
  crowd.Run(6 * kSecond);
  for (const Crowd::Node& node : crowd.nodes()) {
    for (const auto& [other, since] : node.dead_since) CHECK(other == name);
  }
}

TEST_CASE("a node with a new name at the old address: the old name is gone at once, and later forgotten") {
  Crowd crowd = Settled(6, 8);
  const std::string old = crowd[5].name;
  crowd.Kill(5);
  crowd[5].name = "renamed";
  crowd.Run(kSecond);
  crowd.Start(5, PlacesOf(crowd));
  CHECK(crowd.RunUntil(4 * kSecond, [&] { return crowd.Dissenters(old, Verdict::kLeft) == 0; }));
  CHECK(crowd.Agreed());
}

TEST_CASE("a node with a new address keeps its name") {
  Crowd crowd = Settled(6, 9);
  crowd.Kill(5);
  crowd.Run(kSecond);
  crowd.Place(5, {.address = IpAddress::Ipv4(0x0a0000ff), .port = 7947});
  crowd.Start(5, PlacesOf(crowd));
  CHECK(crowd.RunUntil(2 * kSecond, [&] { return crowd.Agreed(); }));
  for (std::size_t i = 0; i < 5; ++i) CHECK(crowd[i].membership->members().at(crowd[5].name).record.gossip == crowd[5].place);
  CHECK(!crowd[5].membership->duplicate_seen());
}

TEST_CASE("two nodes with one name: the one that was there stays, the newcomer is silent, both report it; it may follow later") {
  Crowd crowd(6, 11);
  std::set<Endpoint> contacts{crowd[0].place, crowd[1].place};
  for (std::size_t i = 0; i < 5; ++i) crowd.Start(i, contacts);
  crowd.Run(4 * kSecond);
  REQUIRE(crowd.Agreed());
  crowd[5].name = crowd[4].name;
  crowd.Start(5, contacts);
  crowd.Run(30 * kSecond);
  CHECK(!crowd[5].membership->own());
  CHECK(crowd[5].membership->silent());
  for (const std::size_t i : {4U, 5U}) {
    REQUIRE(crowd[i].membership->duplicate_seen());
    CHECK(crowd.now() - *crowd[i].membership->duplicate_seen() < 2 * kSecond);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(crowd[i].membership->members().at(crowd[4].name).record.gossip == crowd[4].place);
    CHECK(crowd[i].dead_since.empty());
  }
  crowd.Kill(4);
  CHECK(crowd.RunUntil(8 * kSecond, [&] { return crowd.Agreed(); }));
  CHECK(crowd[0].membership->members().at(crowd[5].name).record.gossip == crowd[5].place);
}

TEST_CASE("two nodes with one name that met only when both had spoken: one of them yields, and stays silent") {
  Crowd crowd(6, 12);
  std::set<Endpoint> all = PlacesOf(crowd);
  crowd[5].name = crowd[0].name;  // one in each half
  crowd.cut = true;
  for (std::size_t i = 0; i < 6; ++i) crowd.Start(i, all);
  crowd.Run(10 * kSecond);
  REQUIRE(crowd[5].membership->own());
  crowd.cut = false;
  crowd.Run(20 * kSecond);
  CHECK(crowd[5].membership->silent());
  const gossip::Stamp stamp = crowd[0].membership->own()->stamp;
  crowd.Run(30 * kSecond);
  CHECK(crowd[5].membership->silent());
  CHECK(crowd[0].membership->own()->stamp == stamp);
  CHECK(crowd[0].membership->duplicate_seen());
  for (std::size_t i = 1; i < 5; ++i) CHECK(crowd[i].membership->members().at(crowd[0].name).record.gossip == crowd[0].place);
}

}  // namespace egressd::sim
