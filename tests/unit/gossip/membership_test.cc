#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

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

// "a" among `others` more, all of them known and silent; what it said at the start is over.
Membership Among(std::uint32_t others) {
  Membership membership("a", 10, Timing{}, 1, {});
  membership.Begin(kBegin, kOwnPlace);
  Records records;
  for (std::uint32_t i = 0; i < others; ++i) records.records.push_back(RecordOf("n" + std::to_string(1000 + i), 2 + i, 1));
  membership.Receive(kBegin, {}, "n1000", records);
  membership.Publish(kBegin, {.gossip = kOwnPlace});
  membership.Advance(kBegin + Timing{}.repeat_push);
  membership.TakeOutgoing();
  membership.TakeEvents();
  return membership;
}

TEST_CASE("what matters goes to everybody at once and once more, labels go to some") {
  Membership membership = Among(100);
  Record record{.gossip = kOwnPlace, .labels = {{"zone", "a"}}};
  membership.Publish(kBegin + Duration{200'000}, record);
  CHECK(Sent<Records>(membership).size() == kDirect);
  record.claims = {{.address = IpAddress::Ipv4(99), .term = 1}};
  membership.Publish(kBegin + Duration{210'000}, record);
  CHECK(Sent<Records>(membership).size() == 100);
  membership.Advance(kBegin + Duration{210'000} + Timing{}.repeat_push);
  CHECK(Sent<Records>(membership).size() == 100);
}

TEST_CASE("who is declared dead from outside is dead for everybody, until it says something newer") {
  Membership membership = Among(100);
  membership.DeclareDead(kBegin, "n1005");
  CHECK(membership.members().at("n1005").verdict == Verdict::kDead);
  CHECK(Sent<Accusation>(membership).size() == 100);  // the accused too
  Membership other = Among(100);
  other.Receive(kBegin, {}, "a-friend", Accused("n1005", 1, Verdict::kDead));
  CHECK(other.members().at("n1005").verdict == Verdict::kDead);
  other.Receive(kBegin, {}, "n1005", Records{.records = {RecordOf("n1005", 7, 2)}});
  CHECK(other.members().at("n1005").verdict == Verdict::kAlive);
}

TEST_CASE("whom the failure detector hears is not suspected, but a death stands") {
  Membership membership = Published();
  std::set<std::string> suspected;
  for (Time now = kBegin; now < kBegin + Duration{3'000'000}; now += Duration{10'000}) {
    membership.Vouch(now, "c");
    membership.Advance(now);
    for (const MemberEvent& event : membership.TakeEvents()) suspected.insert(event.name);
  }
  CHECK(suspected == std::set<std::string>{"b"});
  membership.DeclareDead(kBegin, "c");
  membership.Vouch(kBegin + Duration{3'000'000}, "c");
  CHECK(membership.members().at("c").verdict == Verdict::kDead);
}

TEST_CASE("a ping tells its target that it is suspect, and a ping that finds somebody else ends the search") {
  Membership membership = Published();
  Record record = *membership.own();
  membership.Receive(kBegin, kOwnPlace, "c", Ping{.id = 7, .target = {.name = "a", .stamp = record.stamp, .verdict = Verdict::kSuspect}});
  CHECK(membership.own()->stamp > record.stamp);
  membership.TakeOutgoing();
  const Report gone{.name = "z", .stamp = {.incarnation = 1, .sequence = 1}, .verdict = Verdict::kAlive};
  membership.Receive(kBegin, kOwnPlace, "c", Ping{.id = 8, .target = gone});
  Report dead = gone;
  dead.verdict = Verdict::kDead;
  CHECK(Sent<Accusation>(membership) == std::vector{Accusation{.accused = dead}});
}

TEST_CASE("confirmations shorten a suspicion, a large cluster lengthens that of a lone accuser") {
  const Timing timing;
  for (std::size_t confirmations = 0; confirmations < 5; ++confirmations)
    CHECK(SuspicionWindow(timing, 8, confirmations) == timing.suspicion);
  CHECK(SuspicionWindow(timing, 1000, 0) == 3 * timing.suspicion);
  CHECK(SuspicionWindow(timing, 1000, 1) == 2 * timing.suspicion);
  CHECK(SuspicionWindow(timing, 1000, 3) == timing.suspicion);
  CHECK(SuspicionWindow(timing, 1000, 9) == timing.suspicion);
}

TEST_CASE("a node whom nobody answers, not even those who should say no, becomes slow to accuse") {
  const auto accused = [](bool helpers_answer) {
    Membership membership = Among(40);
    std::size_t count = 0;
    for (Time now = kBegin + Duration{200'000}; now < kBegin + Duration{10'000'000}; now += Duration{10'000}) {
      membership.Advance(now);
      for (const Outgoing& outgoing : membership.TakeOutgoing()) {
        const auto* request = std::get_if<PingRequest>(&outgoing.message);
        if (request == nullptr || !helpers_answer) continue;
        const std::string helper = "n" + std::to_string(1000 + outgoing.to.address.bytes()[3] - 2);
        membership.Receive(now, outgoing.to, helper, IndirectAck{.id = request->id, .reached = false});
      }
      for (const MemberEvent& event : membership.TakeEvents()) count += event.verdict == Verdict::kSuspect ? 1 : 0;
    }
    return count;
  };
  CHECK(accused(true) >= 18);
  CHECK(accused(false) <= 8);
}

TEST_CASE("a helper says yes or no, and no later than its own patience") {
  Membership membership = Published();
  const Report target{.name = "b", .stamp = {.incarnation = 10, .sequence = 1}, .verdict = Verdict::kAlive};
  const Endpoint asker{.address = IpAddress::Ipv4(9), .port = 1};
  for (const std::uint64_t id : {1U, 2U}) {
    membership.Receive(kBegin, asker, "x", PingRequest{.id = id, .target = target, .address = kOwnPlace});
  }
  const std::vector<Ping> pings = Sent<Ping>(membership);
  REQUIRE(pings.size() == 2);
  membership.Receive(kBegin, {}, "b", Ack{.id = pings[0].id, .own = target.stamp});
  CHECK(Sent<IndirectAck>(membership) == std::vector{IndirectAck{.id = 1, .reached = true}});
  membership.Advance(kBegin + Timing{}.ack_timeout);
  CHECK(Sent<IndirectAck>(membership) == std::vector{IndirectAck{.id = 2, .reached = false}});
}

TEST_CASE("two members that know the same exchange one datagram each way, others only the buckets that differ") {
  Membership one = Among(100), two = Among(100);
  const auto ask = [&] {
    two.Receive(kBegin, {}, "x", Summary{.question = true});
    const std::vector<Summary> answer = Sent<Summary>(two);
    REQUIRE(answer.size() == 1);
    one.Receive(kBegin, {}, "x", answer[0]);
    return Sent<Digest>(one);
  };
  CHECK(ask().empty());
  two.Receive(kBegin, {}, "n1007", Records{.records = {RecordOf("n1007", 9, 2)}});
  two.TakeOutgoing();
  const std::vector<Digest> digests = ask();
  REQUIRE(digests.size() == 1);
  CHECK(digests[0].buckets == 1U << BucketOf("n1007"));
  CHECK(digests[0].entries.size() < 30);
  two.Receive(kBegin, {}, "x", digests[0]);
  for (const Digest& answer : Sent<Digest>(two)) one.Receive(kBegin, {}, "x", answer);
  CHECK(Sent<Want>(one) == std::vector{Want{.names = {"n1007"}}});
}

TEST_CASE("news ride on pings until they were told often enough, and a ping remains one datagram") {
  Membership membership = Among(1000);
  std::vector<Record> changed;
  for (std::uint32_t i = 0; i < 1000; ++i) changed.push_back(RecordOf("n" + std::to_string(1000 + i), 2 + i, 2));
  membership.Receive(kBegin, {}, "n1000", Records{.records = changed});
  membership.TakeOutgoing();
  std::map<std::string, int> told;
  for (std::uint64_t id = 0; id < 2000; ++id) {
    membership.Receive(kBegin, {}, "x", Ping{.id = id, .target = {.name = "a"}});
    for (const Outgoing& outgoing : membership.TakeOutgoing()) {
      CHECK(Encode(outgoing.message).size() < 1'000);
      if (const Ack* ack = std::get_if<Ack>(&outgoing.message)) {
        for (const Report& report : ack->news) ++told[report.name];
      }
    }
  }
  CHECK(told.size() == 1000);
  for (const auto& [name, times] : told) CHECK(times == TimesToTell(1001));
}

TEST_CASE("however much is asked, what is answered in a second is bounded") {
  Membership membership = Among(1000);
  Want want;
  for (std::uint32_t i = 0; i < 1000; ++i) want.names.push_back("n" + std::to_string(1000 + i));
  const auto answered = [&](Time now) {
    membership.Advance(now);
    membership.TakeOutgoing();
    for (int i = 0; i < 200; ++i) membership.Receive(now, {}, "x", want);
    std::int64_t bytes = 0;
    for (const Outgoing& outgoing : membership.TakeOutgoing()) bytes += static_cast<std::int64_t>(Encode(outgoing.message).size());
    return bytes;
  };
  const std::int64_t first = answered(kBegin + Duration{200'000}), second = answered(kBegin + Duration{700'000});
  CHECK(first > kAnswerBytesPerSecond * 9 / 10);
  CHECK(first <= kAnswerBytesPerSecond);
  CHECK(second <= kAnswerBytesPerSecond / 2 + 2'000);
}

TEST_CASE("a restart with a thousand remembered peers asks a few at a time") {
  std::set<Endpoint> contacts;
  for (std::uint32_t i = 0; i < 1000; ++i) contacts.insert({.address = IpAddress::Ipv4(100 + i), .port = 7947});
  Membership membership("a", 10, Timing{}, 1, contacts);
  membership.Begin(kBegin, kOwnPlace);
  membership.Advance(kBegin);
  CHECK(membership.TakeOutgoing().size() <= 16);
}

TEST_CASE("reports about nobody, and about this node before it has spoken, do no harm") {
  Membership membership("a", 10, Timing{}, 1, {});
  membership.Begin(kBegin, kOwnPlace);
  for (const std::string& name : {"a", "nobody"}) {
    for (const Verdict verdict : {Verdict::kAlive, Verdict::kSuspect, Verdict::kDead, Verdict::kLeft}) {
      const Report report{.name = name, .verdict = verdict};
      membership.Receive(kBegin, {}, "x", Ping{.id = 1, .target = report, .news = {{.name = name, .verdict = verdict}}});
      membership.Receive(kBegin, {}, "x", Digest{.question = true, .buckets = 0xffff, .entries = {{.name = name, .verdict = verdict}}});
    }
    membership.Receive(kBegin, {}, "x", Accusation{.accused = {.name = name, .verdict = Verdict::kDead}});
  }
  CHECK(membership.members().empty());
  CHECK(!membership.own());
}

}  // namespace egressd::gossip
