#include <doctest/doctest.h>

#include "egressd/gossip/membership.h"

namespace egressd::gossip {
namespace {

constexpr Time kBegin{Duration{1'000'000'000}};
const Endpoint kOwnPlace{.address = IpAddress::Ipv4(1), .port = 7947};

Record RecordOf(const std::string& name, std::uint32_t address, std::uint64_t sequence) {
  return {.name = name, .stamp = {.incarnation = 10, .sequence = sequence}, .gossip = {.address = IpAddress::Ipv4(address), .port = 7947}};
}

Accusation Accused(const std::string& name, std::uint64_t sequence, Verdict verdict) {
  return {.accused = {.name = name, .stamp = {.incarnation = 10, .sequence = sequence}, .verdict = verdict}};
}

// "a", alone and published, that has heard of "b" and "c".
Membership Published() {
  Membership membership("a", 10, Timing{}, 1, {});
  membership.Begin(kBegin, kOwnPlace);
  membership.Publish(kBegin, {.gossip = kOwnPlace});
  membership.Receive(kBegin, {}, "b", Records{.records = {RecordOf("b", 2, 1), RecordOf("c", 3, 1)}});
  membership.TakeOutgoing();
  membership.TakeEvents();
  return membership;
}

template <typename T>
std::vector<T> Sent(Membership& membership) {
  std::vector<T> result;
  for (const Outgoing& outgoing : membership.TakeOutgoing()) {
    if (const T* message = std::get_if<T>(&outgoing.message)) result.push_back(*message);
  }
  return result;
}

}  // namespace

TEST_CASE("only a newer record replaces a known one") {
  Membership membership = Published();
  Record newer = RecordOf("b", 2, 5);
  newer.ready = true;
  membership.Receive(kBegin, {}, "b", Records{.records = {newer}});
  CHECK(membership.members().at("b").record.ready);
  membership.Receive(kBegin, {}, "c", Records{.records = {RecordOf("b", 2, 4)}});
  CHECK(membership.members().at("b").record == newer);
}

TEST_CASE("a silent member is suspected, then dead, within the time that timing.h promises") {
  Membership membership = Published();
  const Timing timing;
  std::optional<Time> suspected, dead;
  for (Time now = kBegin; now < kBegin + Duration{10'000'000} && !dead; now += Duration{10'000}) {
    membership.Advance(now);
    for (const Outgoing& outgoing : membership.TakeOutgoing()) {
      // c answers, b does not.
      if (const auto* ping = std::get_if<Ping>(&outgoing.message); ping != nullptr && ping->target.name == "c") {
        membership.Receive(now, outgoing.to, "c", Ack{.id = ping->id, .own = {.incarnation = 10, .sequence = 1}});
      }
    }
    for (const MemberEvent& event : membership.TakeEvents()) {
      CHECK(event.name == "b");
      if (event.verdict == Verdict::kSuspect) suspected = now;
      if (event.verdict == Verdict::kDead) dead = now;
    }
  }
  REQUIRE(suspected);
  REQUIRE(dead);
  CHECK(*suspected <= kBegin + 3 * timing.probe_interval);
  CHECK(*dead - *suspected == timing.suspicion);
  CHECK(membership.members().at("c").verdict == Verdict::kAlive);
  membership.Receive(*dead, {}, "b", Records{.records = {RecordOf("b", 2, 2)}});
  CHECK(membership.members().at("b").verdict == Verdict::kAlive);
}

TEST_CASE("an accusation about an older record than ours is answered with the record") {
  Membership membership = Published();
  membership.Receive(kBegin, {}, "c", Records{.records = {RecordOf("b", 2, 5)}});
  membership.TakeOutgoing();
  membership.Receive(kBegin, {}, "c", Accused("b", 4, Verdict::kDead));
  CHECK(membership.members().at("b").verdict == Verdict::kAlive);
  CHECK(Sent<Records>(membership) == std::vector{Records{.records = {RecordOf("b", 2, 5)}}});
}

TEST_CASE("a node that is accused says something newer to everybody") {
  Membership membership = Published();
  membership.Advance(kBegin + Timing{}.repeat_push);
  membership.TakeOutgoing();
  const Stamp before = membership.own()->stamp;
  membership.Receive(kBegin, {}, "c", Accused("a", before.sequence, Verdict::kSuspect));
  CHECK(membership.own()->stamp > before);
  CHECK(Sent<Records>(membership).size() == 3);  // b, c, and once more the accuser, who may be taken for dead here
}

TEST_CASE("a node whose clock went back lives above its former life") {
  Membership membership("a", 10, Timing{}, 1, {{.address = IpAddress::Ipv4(2), .port = 7947}});
  membership.Begin(kBegin, kOwnPlace);
  membership.Receive(kBegin, {}, "b", Ping{.id = 1, .target = {.name = "a", .stamp = {.incarnation = 500, .sequence = 1}}});
  CHECK(membership.incarnation() == 501);
}

TEST_CASE("before it publishes, a node learns its former record and stays silent about itself") {
  Membership membership("a", 20, Timing{}, 1, {{.address = IpAddress::Ipv4(2), .port = 7947}});
  membership.Begin(kBegin, kOwnPlace);
  Record former = RecordOf("a", 1, 7);
  former.claims = {{.address = IpAddress::Ipv4(99), .term = 4}};
  membership.Receive(kBegin, {}, "b", Records{.records = {former, RecordOf("b", 2, 1)}});
  REQUIRE(membership.former());
  CHECK(membership.former()->claims == former.claims);
  CHECK(Sent<Records>(membership).empty());
  CHECK(membership.incarnation() == 20);
}

TEST_CASE("after a pause of our own nobody is declared dead at once") {
  Membership membership = Published();
  membership.Advance(kBegin);
  membership.Receive(kBegin, {}, "c", Accused("b", 1, Verdict::kSuspect));
  CHECK(membership.members().at("b").verdict == Verdict::kSuspect);
  membership.Advance(kBegin + Duration{60'000'000});
  CHECK(membership.members().at("b").verdict == Verdict::kSuspect);
}

TEST_CASE("a member that left is neither probed nor brought back by hearsay") {
  Membership membership = Published();
  Record left = RecordOf("b", 2, 3);
  left.presence = Presence::kLeft;
  membership.Receive(kBegin, {}, "b", Records{.records = {left}});
  CHECK(membership.members().at("b").verdict == Verdict::kLeft);
  membership.Receive(kBegin, {}, "c", Records{.records = {RecordOf("b", 2, 2)}});
  CHECK(membership.members().at("b").verdict == Verdict::kLeft);
  membership.TakeOutgoing();
  for (Time now = kBegin; now < kBegin + Duration{1'900'000}; now += Duration{50'000}) membership.Advance(now);
  for (const Ping& ping : Sent<Ping>(membership)) CHECK(ping.target.name == "c");
}

}  // namespace egressd::gossip
