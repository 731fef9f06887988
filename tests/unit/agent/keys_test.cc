// Rings, their letters, and one agreement alone with a partner made of paper.
#include <doctest/doctest.h>

#include <algorithm>

#include "agent/key_agreement.h"
#include "agent/key_letter.h"
#include "agent/key_ring.h"
#include "egressd/gossip/seal.h"

namespace egressd::agent {
namespace {

gossip::Key KeyOf(std::uint8_t byte) {
  gossip::Key key;
  key.bytes.fill(byte);
  return key;
}
gossip::Fingerprint NameOf(std::uint8_t byte) { return gossip::FingerprintOf(KeyOf(byte)); }

const Endpoint kSelf = *Endpoint::Parse("10.0.0.1:7947", 7947), kOther = *Endpoint::Parse("10.0.0.2:7947", 7947);
constexpr Time kBegin{Duration{1'000'000'000}};

// Node "a" with one member "b", whose letters the test writes.
struct Table {
  KeyAgreement a;
  KeyAgreement::Members members;
  Time now = kBegin;

  explicit Table(std::vector<gossip::Key> file = {KeyOf(1)}, std::string_view stored = "")
      : a({.name = "a", .incarnation = 5, .timing = {}, .file = file, .stored = stored, .contacts = {kOther}}) {
    gossip::Member b;
    b.record.name = "b";
    b.record.stamp = {.incarnation = 9, .sequence = 1};
    b.record.gossip = kOther;
    members["b"] = b;
    Says(KeyAnswer{.round = 0, .version = {}, .ring = {NameOf(1)}, .sealing = {NameOf(1)}, .changing = ""});
  }
  void Says(const KeyLetter& letter, std::uint8_t sealed_with = 1) {
    const gossip::Received received{.sender = "b", .incarnation = 9, .key = NameOf(sealed_with), .message = {}};
    a.Heard(now, kOther, received);
    a.Receive(now, kOther, received, letter);
    a.Advance(now, members, kSelf);
  }
  void Wait(Duration duration) {
    now += duration;
    a.Advance(now, members, kSelf);
  }
  // What "a" has to say to "b".
  std::vector<KeyLetter> Mail() {
    std::vector<KeyLetter> mail;
    for (const gossip::Outgoing& one : a.TakeOutgoing()) {
      CHECK(one.to == kOther);
      mail.push_back(DecodeKeyLetter(std::get<gossip::Letter>(one.message).bytes).value());
    }
    return mail;
  }
  template <typename T>
  std::optional<T> Last() {
    std::optional<T> last;
    for (const KeyLetter& letter : Mail()) {
      if (const T* one = std::get_if<T>(&letter)) last = *one;
    }
    return last;
  }
  void Order(KeyOrder order) {
    a.Take(std::move(order));
    a.Advance(now, members, kSelf);
  }
  KeyAnswer Answer(std::uint64_t round, const KeyRing& ring, std::vector<gossip::Fingerprint> also_seals = {}) {
    KeyAnswer answer{.round = round, .version = VersionOf(ring), .ring = FingerprintsOf(ring.keys), .sealing = {}, .changing = ""};
    answer.sealing = std::move(also_seals);
    answer.sealing.push_back(answer.ring.front());
    std::ranges::sort(answer.sealing);
    return answer;
  }
};

const KeyRing kFile{.number = 0, .keys = {KeyOf(1)}};

}  // namespace

TEST_CASE("install appends, use moves to the front, remove takes out, and each is one ring later") {
  const KeyRing ring{.number = 4, .keys = {KeyOf(1), KeyOf(2)}};
  const std::vector three{KeyOf(2), KeyOf(3)};
  CHECK(Installed(ring, three) == KeyRing{.number = 5, .keys = {KeyOf(1), KeyOf(2), KeyOf(3)}});
  CHECK(Using(ring, NameOf(2)) == KeyRing{.number = 5, .keys = {KeyOf(2), KeyOf(1)}});
  CHECK(Without(ring, std::vector{NameOf(2)}) == KeyRing{.number = 5, .keys = {KeyOf(1)}});
  CHECK(Using(ring, NameOf(9)).error().kind == ErrorKind::kNotFound);
  CHECK(Without(ring, std::vector{NameOf(9)}).error().kind == ErrorKind::kNotFound);
  CHECK(Without(ring, std::vector{NameOf(1)}).error().kind == ErrorKind::kInvalid);
  std::vector<gossip::Key> many;
  for (std::uint8_t i = 0; i < gossip::kKeyLimit; ++i) many.push_back(KeyOf(static_cast<std::uint8_t>(50 + i)));
  CHECK(Installed(ring, many).error().kind == ErrorKind::kInvalid);
}

TEST_CASE("the stored ring counts while the key file is unchanged or says the same; damage counts as loss") {
  const StoredRing stored{.ring = {.number = 7, .keys = {KeyOf(3), KeyOf(1)}}, .file = {NameOf(1)}};
  const std::string bytes = Encode(stored);
  CHECK(DecodeStoredRing(bytes) == stored);
  CHECK(RingAtStart({KeyOf(1)}, bytes) == stored.ring);
  CHECK(RingAtStart({KeyOf(3), KeyOf(1)}, bytes) == stored.ring);
  CHECK(RingAtStart({KeyOf(3)}, bytes) == KeyRing{.number = 0, .keys = {KeyOf(3)}});
  CHECK(RingAtStart({KeyOf(1)}, "") == kFile);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    CHECK(!DecodeStoredRing(damaged));
    CHECK(!DecodeStoredRing(bytes.substr(0, i)));
  }
}

TEST_CASE("every letter about keys survives its bytes, and no prefix or extension of them is accepted") {
  const std::vector<KeyLetter> letters{
      KeyQuestion{.round = 3, .purpose = KeyQuestion::Purpose::kDone, .version = {.number = 1, .digest = 2}},
      KeyAnswer{.round = 3, .version = {.number = 1, .digest = 2}, .ring = {{9}, {4}}, .sealing = {{4}, {9}}, .changing = "gw2"},
      KeyTell{.round = 0, .ring = {.number = 8, .keys = {KeyOf(2), KeyOf(1)}}}};
  for (const KeyLetter& letter : letters) {
    gossip::Bytes bytes = Encode(letter);
    CHECK(bytes[0] == 0x80);
    CHECK(DecodeKeyLetter(bytes) == letter);
    for (std::size_t length = 0; length < bytes.size(); ++length) CHECK(!DecodeKeyLetter(gossip::ByteView(bytes).first(length)));
    bytes.push_back(0);
    CHECK(!DecodeKeyLetter(bytes));
  }
}

TEST_CASE("rings that break the rules are not decoded") {
  const auto refused = [](const KeyLetter& letter) { return !DecodeKeyLetter(Encode(letter)); };
  CHECK(refused(KeyTell{.round = 1, .ring = {.number = 0, .keys = {KeyOf(1)}}}));
  CHECK(refused(KeyTell{.round = 1, .ring = {.number = 1, .keys = {}}}));
  CHECK(refused(KeyTell{.round = 1, .ring = {.number = 1, .keys = {KeyOf(1), KeyOf(1)}}}));
  CHECK(refused(KeyTell{.round = 1, .ring = {.number = kRingNumberLimit, .keys = {KeyOf(1)}}}));
  KeyTell large{.round = 1, .ring = {.number = 1, .keys = {}}};
  for (std::uint8_t i = 0; i <= gossip::kKeyLimit; ++i) large.ring.keys.push_back(KeyOf(i));
  CHECK(refused(large));
  CHECK(refused(KeyAnswer{.round = 1, .version = {}, .ring = {}, .sealing = {{1}}, .changing = ""}));
  CHECK(refused(KeyAnswer{.round = 1, .version = {}, .ring = {{1}}, .sealing = {{2}, {1}}, .changing = ""}));
}

TEST_CASE("a new key reaches a member only after it was asked, and is told again until it is acknowledged") {
  Table table;
  table.Mail();
  table.Order({.request = 1, .action = KeyOrder::Action::kInstall, .keys = {KeyOf(2)}});
  const auto question = table.Last<KeyQuestion>();
  REQUIRE(question);
  CHECK(question->purpose == KeyQuestion::Purpose::kChange);
  CHECK(table.a.ring() == kFile);
  table.Says(table.Answer(question->round, kFile));
  const auto tell = table.Last<KeyTell>();
  REQUIRE(tell);
  CHECK(tell->ring == KeyRing{.number = 1, .keys = {KeyOf(1), KeyOf(2)}});
  CHECK(table.a.ring() == tell->ring);
  CHECK(table.a.TakeChanged());
  CHECK(DecodeStoredRing(table.a.TakeStore().value_or(""))->ring == tell->ring);
  CHECK(table.a.TakeResults().empty());
  table.Wait(Duration{300'000});
  CHECK(table.Last<KeyTell>() == tell);
  table.Says(table.Answer(tell->round, tell->ring));
  const auto results = table.a.TakeResults();
  REQUIRE(results.size() == 1);
  CHECK(!results[0].error);
  CHECK(results[0].nodes[1].follows);
}

TEST_CASE("a member that never acknowledges ends the order in bounded time, and is told when it can be reached") {
  Table table;
  table.Order({.request = 1, .action = KeyOrder::Action::kInstall, .keys = {KeyOf(2)}});
  for (int i = 0; i < 120; ++i) table.Wait(Duration{100'000});
  const auto results = table.a.TakeResults();
  REQUIRE(results.size() == 1);
  CHECK(!results[0].error);
  CHECK(!results[0].nodes[1].answered);
  table.Mail();
  table.Wait(Duration{5'000'000});
  CHECK(table.Last<KeyQuestion>());
  table.Says(table.Answer(0, kFile));
  CHECK(table.Last<KeyTell>());
}

TEST_CASE("whoever seals with another key is answered with it until it is known to have the first one") {
  Table table({KeyOf(2), KeyOf(1)});
  table.a.TakeOutgoing();
  CHECK(table.a.SealFor(kOther) == NameOf(1));
  table.Wait(Duration{1'000'000});
  const auto question = table.Last<KeyQuestion>();
  REQUIRE(question);
  table.Says(table.Answer(0, {.number = 0, .keys = {KeyOf(1), KeyOf(2)}}));
  CHECK(!table.a.SealFor(kOther));
  table.Says(table.Answer(0, {.number = 0, .keys = {KeyOf(1), KeyOf(2)}}));
  CHECK(!table.a.SealFor(kOther));  // it has it and has not begun to use it
}

TEST_CASE("a key that somebody seals with, for whatever reason, is not removed") {
  const KeyRing ring{.number = 3, .keys = {KeyOf(2), KeyOf(1)}};
  Table table({KeyOf(1)}, Encode(StoredRing{.ring = ring, .file = {NameOf(1)}}));
  table.Mail();
  table.Says(table.Answer(0, ring), 2);
  table.Order({.request = 1, .action = KeyOrder::Action::kRemove, .named = {NameOf(1)}});
  auto question = table.Last<KeyQuestion>();
  REQUIRE(question);
  SUBCASE("as its first key: refused at once") {
    table.Says(table.Answer(question->round, {.number = 3, .keys = {KeyOf(1), KeyOf(2)}}), 2);
    table.Wait(Duration{5'000'000});
    CHECK(table.a.TakeResults().at(0).error);
    CHECK(table.a.ring() == ring);
  }
  SUBCASE("for the sake of a third node: asked again until the patience ends") {
    table.Says(table.Answer(question->round, ring, {NameOf(1)}), 2);
    CHECK(table.a.TakeResults().empty());
    table.Wait(Duration{5'000'000});
    CHECK(table.a.TakeResults().at(0).error->message.starts_with("b still seals with key"));
    CHECK(table.a.ring() == ring);
  }
  SUBCASE("by nobody, in two rounds two seconds apart: removed") {
    table.Says(table.Answer(question->round, ring), 2);
    table.Wait(Duration{1'900'000});
    CHECK(table.a.ring() == ring);
    table.Mail();
    table.Wait(Duration{200'000});
    question = table.Last<KeyQuestion>();
    REQUIRE(question);
    CHECK(table.a.ring() == ring);
    table.Says(table.Answer(question->round, ring), 2);
    CHECK(table.a.ring() == KeyRing{.number = 4, .keys = {KeyOf(2)}});
  }
}

TEST_CASE("while one node changes the keys, nobody else may, until it is done or its time is over") {
  Table table;
  table.Mail();
  table.Says(KeyQuestion{.round = 70, .purpose = KeyQuestion::Purpose::kChange, .version = VersionOf(kFile)});
  CHECK(table.Last<KeyAnswer>()->changing.empty());
  table.Order({.request = 1, .action = KeyOrder::Action::kInstall, .keys = {KeyOf(2)}});
  CHECK(table.a.TakeResults().at(0).error->kind == ErrorKind::kUnavailable);
  SUBCASE("an old end does not end it") {
    table.Says(KeyQuestion{.round = 69, .purpose = KeyQuestion::Purpose::kDone, .version = VersionOf(kFile)});
    table.Order({.request = 2, .action = KeyOrder::Action::kInstall, .keys = {KeyOf(2)}});
    CHECK(table.a.TakeResults().at(0).error);
  }
  SUBCASE("it ends") {
    table.Says(KeyQuestion{.round = 71, .purpose = KeyQuestion::Purpose::kDone, .version = VersionOf(kFile)});
    table.Order({.request = 2, .action = KeyOrder::Action::kInstall, .keys = {KeyOf(2)}});
    CHECK(table.a.TakeResults().empty());
  }
  SUBCASE("its time is over") {
    table.Wait(Duration{10'100'000});
    table.Order({.request = 2, .action = KeyOrder::Action::kInstall, .keys = {KeyOf(2)}});
    CHECK(table.a.TakeResults().empty());
  }
}

TEST_CASE("an order whose process stood still changes nothing") {
  const KeyRing ring{.number = 3, .keys = {KeyOf(1), KeyOf(2)}};
  Table table({KeyOf(1)}, Encode(StoredRing{.ring = ring, .file = {NameOf(1)}}));
  table.Mail();
  table.Order({.request = 1, .action = KeyOrder::Action::kUse, .named = {NameOf(2)}});
  const auto question = table.Last<KeyQuestion>();
  REQUIRE(question);
  table.now += Duration{11'000'000};
  table.Says(table.Answer(question->round, ring));
  CHECK(table.a.TakeResults().at(0).error);
  CHECK(table.a.ring() == ring);
}

TEST_CASE("a place where a node should be stops the use of a key until a member is there") {
  const std::vector file{KeyOf(1), KeyOf(2)};
  KeyAgreement lonely({.name = "a", .incarnation = 5, .timing = {}, .file = file, .stored = "", .contacts = {kSelf, kOther}});
  lonely.Take({.request = 1, .action = KeyOrder::Action::kUse, .named = {NameOf(2)}});
  lonely.Advance(kBegin, {}, kSelf);
  const auto results = lonely.TakeResults();
  REQUIRE(results.size() == 1);
  CHECK(results[0].error->kind == ErrorKind::kUnavailable);
  CHECK(results[0].unmet == std::vector{kOther});
  // It speaks, but it is no member yet: it may not have the key.
  lonely.Heard(kBegin, kOther, {.sender = "b", .incarnation = 9, .key = NameOf(2), .message = {}});
  lonely.Take({.request = 3, .action = KeyOrder::Action::kUse, .named = {NameOf(2)}});
  lonely.Advance(kBegin, {}, kSelf);
  CHECK(lonely.TakeResults().at(0).error);
  lonely.Take({.request = 2, .action = KeyOrder::Action::kUse, .named = {NameOf(2)}, .force = true});
  lonely.Advance(kBegin, {}, kSelf);
  CHECK(!lonely.TakeResults().at(0).error);
  CHECK(lonely.ring().keys.front() == KeyOf(2));
}

}  // namespace egressd::agent
