#include <doctest/doctest.h>

#include <set>

#include "egressd/base/random.h"
#include "egressd/gossip/channel.h"
#include "egressd/gossip/claims.h"
#include "egressd/gossip/key.h"
#include "egressd/gossip/message.h"
#include "egressd/gossip/replay.h"
#include "egressd/gossip/replication.h"
#include "egressd/gossip/seal.h"
#include "egressd/gossip/sync.h"
#include "egressd/gossip/wire.h"

namespace egressd::gossip {
namespace {

Key KeyOf(std::uint8_t byte) {
  Key key;
  key.bytes.fill(byte);
  return key;
}

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }

Bytes BytesOf(std::string_view text) { return {text.begin(), text.end()}; }

Record RecordOf(const std::string& name, std::uint64_t sequence) {
  return {.name = name,
          .stamp = {.incarnation = 5, .sequence = sequence},
          .ready = true,
          .gossip = {.address = Ip("192.0.2.1"), .port = 7947},
          .underlay = Ip("2001:db8::1"),
          .tunnel_number = 77,
          .labels = {{"role", "gateway"}, {"zone", "a"}},
          .policy = {.number = 3, .digest = 0x1234},
          .claims = {{.address = Ip("203.0.113.2"), .term = 9}, {.address = Ip("2001:db8:1::2"), .term = 1}},
          .unable = {Ip("203.0.113.9")},
          .networks = {{.prefix = *Prefix::Parse("172.17.0.0/16"), .term = 1}, {.prefix = *Prefix::Parse("fd00:17::/64"), .term = 300}}};
}

std::vector<Message> Samples() {
  const Report report{.name = "d", .stamp = {.incarnation = 1, .sequence = 2}, .verdict = Verdict::kDead};
  return {Ping{.id = 1, .target = report, .own = {.incarnation = 5, .sequence = 6}, .news = {report, report}},
          Ack{.id = 1, .own = {}, .news = {report}},
          PingRequest{.id = 9, .target = report, .address = {.address = Ip("2001:db8::3"), .port = 1}},
          IndirectAck{.id = 9, .reached = true},
          Accusation{.accused = report},
          Records{.records = {RecordOf("a", 1), RecordOf("b", 2)}, .dead = {"b"}},
          Summary{.question = true, .synced = false, .hashes = {1, 2, 3}},
          Digest{.question = true,
                 .synced = true,
                 .buckets = 0x8001,
                 .entries = {{.name = "a", .stamp = {.incarnation = 1, .sequence = 1}, .verdict = Verdict::kLeft}}},
          Want{.names = {"x", "y"}},
          ChunkRequest{.version = {.number = 1, .digest = 2}, .chunks = {0, 5, 6}},
          Chunk{.version = {.number = 1, .digest = 2}, .total_bytes = 3, .number = 0, .bytes = {1, 2, 3}},
          Letter{.bytes = {4, 5}}};
}

}  // namespace

TEST_CASE("a key file gives its keys in order, without comments and empty lines") {
  const std::string text = "# first\n" + ToString(KeyOf(1)) + "\n\n  " + ToString(KeyOf(200)) + "  \r\n";
  const auto keys = ParseKeys(text);
  REQUIRE(keys);
  CHECK(*keys == std::vector{KeyOf(1), KeyOf(200)});
  CHECK(ToString(KeyOf(0)) == "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
}

TEST_CASE("a wrong key file is refused with the line, and the key is not repeated") {
  const std::string good = ToString(KeyOf(1));
  for (const std::string& second : {std::string("nonsense"), good.substr(0, 40), good.substr(0, 42) + "B=", good}) {
    const std::string text = good + "\n" + second;
    const auto keys = ParseKeys(text);
    REQUIRE(!keys);
    CHECK(keys.error().message.starts_with("line 2: "));
    CHECK(keys.error().message.find(good.substr(0, 10)) == std::string::npos);
  }
  CHECK(!ParseKeys("# nothing\n"));
}

TEST_CASE("varints have one form only") {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, UINT64_MAX}) {
    Writer writer;
    writer.Varint(value);
    Reader reader(writer.bytes());
    CHECK(reader.Varint() == value);
    CHECK(reader.done());
  }
  Bytes too_large(9, 0xff);
  too_large.push_back(0x02);
  for (const Bytes& bytes : {Bytes{0x80, 0x00}, Bytes{0x80}, Bytes(10, 0xff), too_large}) {
    Reader reader(bytes);
    reader.Varint();
    CHECK(!reader.ok());
  }
}

TEST_CASE("a reader that failed gives nothing more") {
  const Bytes bytes{1, 2, 3};
  Reader reader(bytes);
  CHECK(reader.U32() == 0);
  CHECK(reader.U8() == 0);
  CHECK(!reader.ok());
  CHECK(!reader.done());
}

TEST_CASE("every message survives its bytes, and no prefix or extension of them is accepted") {
  const auto samples = Samples();
  REQUIRE(samples.size() == std::variant_size_v<Message>);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    CHECK(samples[i].index() == i);
    const Bytes bytes = Encode(samples[i]);
    CHECK(Decode(bytes) == samples[i]);
    if (std::holds_alternative<Letter>(samples[i])) continue;  // whatever bytes there are
    for (std::size_t length = 0; length < bytes.size(); ++length) CHECK(!Decode(ByteView(bytes).first(length)));
    Bytes longer = bytes;
    longer.push_back(0);
    CHECK(!Decode(longer));
  }
  CHECK(!Decode(Bytes{200, 1, 2}));
}

TEST_CASE("records with claims out of order or twice are refused") {
  Record record = RecordOf("a", 1);
  std::swap(record.claims[0], record.claims[1]);
  CHECK(!Decode(Encode(Records{.records = {record}})));
  record.claims[1] = record.claims[0];
  CHECK(!Decode(Encode(Records{.records = {record}})));
}

TEST_CASE("records with networks out of order, twice, with bits behind their length, or more than are taken, are refused") {
  Record record = RecordOf("a", 1);
  CHECK(Decode(Encode(Records{.records = {record}})));
  record.networks.push_back(record.networks.back());
  CHECK(!Decode(Encode(Records{.records = {record}})));
  record.networks = {{.prefix = {.address = Ip("172.17.0.1"), .length = 16}, .term = 1}};
  CHECK(!Decode(Encode(Records{.records = {record}})));
  record.networks = {{.prefix = {.address = Ip("172.17.0.0"), .length = 33}, .term = 1}};
  CHECK(!Decode(Encode(Records{.records = {record}})));
  record.networks.clear();
  for (std::uint32_t i = 0; i < kNetworkLimit; ++i) record.networks.push_back({.prefix = Prefix::Of(IpAddress::Ipv4(i)), .term = 1});
  CHECK(Decode(Encode(Records{.records = {record}})));
  record.networks.push_back({.prefix = Prefix::Of(IpAddress::Ipv4(kNetworkLimit)), .term = 1});
  CHECK(!Decode(Encode(Records{.records = {record}})));
}

TEST_CASE("a record without networks has the bytes that it had before there were any") {
  Record record = RecordOf("a", 1);
  const std::size_t with = Encode(Records{.records = {record}}).size();
  record.networks.clear();
  CHECK(Encode(Records{.records = {record}}).size() == with - (1 + 5 + 1 + 1 + 17 + 1 + 2));
}

TEST_CASE("a seal opens with any key of the ring and tells why it does not open") {
  Seal old_node({KeyOf(1)}, "prod", "a", 1, 1);
  Seal new_node({KeyOf(2), KeyOf(1)}, "prod", "b", 1, 1);
  const Bytes plain = BytesOf("hello");
  const Bytes sealed = old_node.Close(plain);
  CHECK(new_node.Open(sealed)->plain == plain);
  CHECK(old_node.Open(new_node.Close(plain)).error() == Rejection::kWrongKey);
  CHECK(Seal({KeyOf(1)}, "test", "c", 1, 1).Open(sealed).error() == Rejection::kWrongCluster);
  CHECK(old_node.Open(BytesOf("EGRD")).error() == Rejection::kMalformed);
  CHECK(old_node.Open(Bytes(200, 0)).error() == Rejection::kMalformed);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes flipped = sealed;
    flipped[i] ^= 0x10;
    CHECK(!new_node.Open(flipped));
    if (i >= kSealHeaderBytes - 24) CHECK(new_node.Open(flipped).error() == Rejection::kForged);
  }
}

TEST_CASE("a ring that changes at run time seals with its first key or the one that is named, and no nonce comes twice") {
  Seal seal({KeyOf(1)}, "prod", "a", 1, 1);
  const Seal first({KeyOf(1)}, "prod", "b", 1, 1), second({KeyOf(2)}, "prod", "b", 1, 1);
  const Bytes plain = BytesOf("hello");
  std::set<Bytes> nonces;
  const auto sealed = [&](std::optional<Fingerprint> with = std::nullopt) {
    const Bytes datagram = seal.Close(plain, with);
    CHECK(nonces.insert({datagram.begin() + kSealHeaderBytes - 24, datagram.begin() + kSealHeaderBytes}).second);
    return datagram;
  };
  CHECK(first.Open(sealed()).has_value());
  seal.SetKeys({KeyOf(2), KeyOf(1)});
  CHECK(second.Open(sealed())->key == FingerprintOf(KeyOf(2)));
  CHECK(first.Open(sealed(FingerprintOf(KeyOf(1))))->key == FingerprintOf(KeyOf(1)));
  CHECK(second.Open(sealed(FingerprintOf(KeyOf(3)))).has_value());  // not in the ring: the first one
  seal.SetKeys({KeyOf(1)});  // a key that comes back goes on where it was
  CHECK(first.Open(sealed()).has_value());
}

TEST_CASE("a channel goes on with another ring: neither sequence nor half a message is lost") {
  Channel sender({KeyOf(1)}, "prod", "a", 1, 1), receiver({KeyOf(1)}, "prod", "b", 1, 2);
  const Message message = Letter{.bytes = Bytes(3000, 7)};
  const auto before = sender.Close(message);
  REQUIRE(before.size() == 3);
  REQUIRE(receiver.Open(before[0]).has_value());
  sender.SetKeys({KeyOf(2), KeyOf(1)});
  receiver.SetKeys({KeyOf(2), KeyOf(1)});
  REQUIRE(receiver.Open(before[1]).has_value());
  const auto last = receiver.Open(before[2]);
  REQUIRE(last.has_value());
  CHECK(last->message == message);
  CHECK(last->key == FingerprintOf(KeyOf(1)));
  for (const Bytes& datagram : sender.Close(message)) CHECK(receiver.Open(datagram)->key == FingerprintOf(KeyOf(2)));
  CHECK(receiver.Open(before[0]).error() == Rejection::kReplayed);
  sender.Renew(2);
  CHECK(receiver.Open(sender.Close(Ack{})[0])->key == FingerprintOf(KeyOf(2)));
}

TEST_CASE("fingerprints are 8 hexadecimal digits, and a key file has at most 8 keys") {
  CHECK(ToString(Fingerprint{0x00ab12cd}) == "00ab12cd");
  CHECK(ParseFingerprint("00AB12cd") == Fingerprint{0x00ab12cd});
  for (const char* wrong : {"", "00ab12c", "00ab12cd0", "00ab12cg", "-0ab12cd", "0x00ab12"}) CHECK(!ParseFingerprint(wrong));
  CHECK(FingerprintOf(KeyOf(1)) != FingerprintOf(KeyOf(2)));
  std::string text;
  for (std::uint8_t i = 0; i < kKeyLimit; ++i) text += ToString(KeyOf(i)) + "\n";
  CHECK(ParseKeys(text)->size() == kKeyLimit);
  CHECK(ParseKeys(text + ToString(KeyOf(99))).error().message == "line 9: more than 8 keys");
}

TEST_CASE("no nonce repeats, neither within a start nor in the next one") {
  Seal first({KeyOf(1)}, "prod", "a", 1, 1), second({KeyOf(1)}, "prod", "a", 2, 1), other({KeyOf(1)}, "prod", "b", 1, 1);
  std::set<Bytes> nonces;
  for (Seal* seal : {&first, &second, &other}) {
    for (int i = 0; i < 3; ++i) {
      const Bytes sealed = seal->Close(BytesOf("x"));
      nonces.insert(Bytes(sealed.begin() + kSealHeaderBytes - 24, sealed.begin() + kSealHeaderBytes));
    }
  }
  CHECK(nonces.size() == 9);
}

TEST_CASE("a sequence number counts once, late ones inside the window too") {
  ReplayWindow window;
  CHECK(!window.Accept(0));
  CHECK(window.Accept(1));
  CHECK(!window.Accept(1));
  CHECK(window.Accept(5000));
  CHECK(!window.Accept(5000 - ReplayWindow::kBits));
  CHECK(window.Accept(5000 - ReplayWindow::kBits + 1));
  CHECK(!window.Accept(5000 - ReplayWindow::kBits + 1));
  CHECK(window.Accept(5100));
  CHECK(window.Accept(5050));
  CHECK(!window.Accept(5050));
}

TEST_CASE("a replay window agrees with a plain set of what was seen") {
  Random random(7);
  ReplayWindow window;
  std::set<std::uint64_t> seen;
  std::uint64_t highest = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t base = highest > 4200 ? highest - 4200 : 0;
    const std::uint64_t sequence = base + 1 + random.Below(random.Chance(0.01) ? 9000 : 4300);
    const bool fresh = !seen.contains(sequence) && (sequence > highest || highest - sequence < ReplayWindow::kBits);
    CHECK(window.Accept(sequence) == fresh);
    if (fresh) seen.insert(sequence);
    highest = std::max(highest, fresh ? sequence : highest);
  }
}

TEST_CASE("a later incarnation begins a new window and ends the last but one") {
  ReplayGuard guard;
  CHECK(guard.Accept("a", 5, 100));
  CHECK(guard.Accept("a", 6, 1));
  CHECK(guard.Accept("a", 5, 101));
  CHECK(!guard.Accept("a", 5, 100));
  CHECK(!guard.Accept("a", 4, 200));
  CHECK(guard.Accept("a", 7, 1));
  CHECK(!guard.Accept("a", 5, 102));
  CHECK(guard.Accept("a", 6, 2));
  CHECK(guard.Accept("b", 5, 101));
}

TEST_CASE("long messages travel in parts, in any order, and no datagram is too long") {
  Channel sender({KeyOf(1)}, "prod", "a", 1, 1), receiver({KeyOf(1)}, "prod", "b", 1, 1);
  Record record = RecordOf("a", 1);
  record.claims.clear();
  for (std::uint32_t i = 0; i < 2000; ++i) record.claims.push_back({.address = IpAddress::Ipv4(0x0a000000 + i), .term = i});
  const Message message = Records{.records = {record}};
  std::vector<Bytes> parts = sender.Close(message);
  REQUIRE(parts.size() > 5);
  std::swap(parts.front(), parts.back());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    CHECK(parts[i].size() <= kDatagramBytes);
    const auto received = receiver.Open(parts[i]);
    REQUIRE(received);
    CHECK(received->sender == "a");
    CHECK(received->message.has_value() == (i + 1 == parts.size()));
    if (received->message) CHECK(*received->message == message);
  }
  CHECK(receiver.Open(parts[0]).error() == Rejection::kReplayed);
}

TEST_CASE("the higher term holds, equal terms go to the later name, and the dead only leave their terms") {
  Claims claims;
  const IpAddress ip = Ip("203.0.113.2");
  CHECK(claims.HolderOf(ip) == nullptr);
  CHECK(claims.NextTerm(ip) == 1);
  claims.AddLiving("b", {{.address = ip, .term = 3}});
  CHECK(!claims.Contested(ip));
  claims.AddLiving("c", {{.address = ip, .term = 3}});
  claims.AddLiving("a", {{.address = ip, .term = 2}});
  claims.AddGone({{.address = ip, .term = 8}});
  CHECK(claims.HolderOf(ip)->node == "c");
  CHECK(claims.Contested(ip));
  CHECK(claims.NextTerm(ip) == 9);
}

TEST_CASE("a generation is pulled from the member that has it, around a source that is silent or lies") {
  const Timing timing;
  Time now{Duration{1'000'000'000}};
  const std::string content(5000, 'x');
  const Version version = VersionOf(4, content);
  std::map<std::string, Member> members;
  for (const char* name : {"liar", "silent", "true"}) {
    Member& member = members[name];
    member.record = RecordOf(name, 1);
    member.record.gossip.address = IpAddress::Ipv4(static_cast<std::uint32_t>(members.size()));
    member.record.policy = version;
  }
  Replication source(timing), target(timing);
  source.Have({.version = version, .content = content});
  target.Consider(now, members);
  CHECK(target.fetching());
  std::optional<Generation> arrived;
  for (int i = 0; i < 100 && !arrived; ++i) {
    for (const Outgoing& outgoing : target.TakeOutgoing()) {
      std::string asked;
      for (const auto& [name, member] : members) {
        if (member.record.gossip == outgoing.to) asked = name;
      }
      if (asked == "silent") continue;
      source.Receive(now, {}, "target", std::get<ChunkRequest>(outgoing.message));
      for (Outgoing& answer : source.TakeOutgoing()) {
        Chunk chunk = std::get<Chunk>(answer.message);
        if (asked == "liar") chunk.bytes[0] = 'y';
        target.Receive(now, {}, asked, chunk);
      }
    }
    now += timing.chunk_retry;
    target.Advance(now);
    arrived = target.TakeArrived();
  }
  REQUIRE(arrived);
  CHECK(arrived->content == content);
  CHECK(!target.fetching());
  target.Have(*arrived);
  target.Consider(now, members);
  CHECK(!target.fetching());
}

TEST_CASE("a starting node waits for an answer that is complete, for silence, or for the limit") {
  const Timing timing;
  const Time begin{Duration{1'000'000'000}};
  const Endpoint one{.address = Ip("192.0.2.1"), .port = 1}, two{.address = Ip("192.0.2.2"), .port = 1};
  std::map<std::string, Stamp> known;
  const auto lookup = [&](const std::string& name) { return known[name]; };
  SUBCASE("no contacts") {
    Sync sync(timing, {});
    CHECK(!sync.Complete(begin, lookup));
    sync.Begin(begin);
    CHECK(sync.Complete(begin, lookup));
  }
  SUBCASE("an answer names what has not arrived") {
    Sync sync(timing, {one, two});
    sync.Begin(begin);
    sync.Answered(one, Summary{.synced = true}, 0x3);
    sync.Answered(one, Digest{.buckets = 0x1, .entries = {{.name = "x", .stamp = {.incarnation = 1, .sequence = 4}}}});
    CHECK(!sync.Complete(begin, lookup));
    sync.Answered(one, Digest{.buckets = 0x2, .entries = {}});
    CHECK(!sync.Complete(begin, lookup));
    known["x"] = {.incarnation = 1, .sequence = 4};
    CHECK(sync.Complete(begin, lookup));
  }
  SUBCASE("who is up to date knows no more than we do") {
    Sync sync(timing, {one, two});
    sync.Begin(begin);
    sync.Answered(one, Summary{.synced = true}, 0);
    CHECK(sync.Complete(begin, lookup));
  }
  SUBCASE("nobody answers") {
    Sync sync(timing, {one});
    sync.Begin(begin);
    CHECK(!sync.Complete(begin + timing.sync_silence - Duration{1}, lookup));
    CHECK(sync.Complete(begin + timing.sync_silence, lookup));
  }
  SUBCASE("everybody starts") {
    Sync sync(timing, {one, two});
    sync.Begin(begin);
    sync.Answered(one, Summary{.synced = false}, 0x1);
    CHECK(!sync.Complete(begin + timing.sync_silence, lookup));
    CHECK(sync.Complete(begin + timing.sync_limit, lookup));
  }
}

}  // namespace egressd::gossip
