#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "egressd/gossip/claims.h"
#include "egressd/gossip/membership.h"
#include "egressd/gossip/message.h"

namespace egressd::gossip {
namespace {

constexpr Time kNow{Duration{1'000'000'000}};

IpAddress ArbitraryAddress() {
  const std::size_t length = *rc::gen::element<std::size_t>(4, 16);
  const auto bytes = *rc::gen::container<std::vector<std::uint8_t>>(length, rc::gen::arbitrary<std::uint8_t>());
  return IpAddress::FromBytes(bytes);
}

Record ArbitraryRecord() {
  Record record;
  record.name = *rc::gen::element<std::string>("b", "c", "d");
  record.stamp = {.incarnation = *rc::gen::inRange<std::uint64_t>(1, 4), .sequence = *rc::gen::inRange<std::uint64_t>(1, 4)};
  // What a node says is a function of its name and stamp: it never says two things with one stamp.
  record.presence = record.stamp.sequence == 3 ? Presence::kLeft : Presence::kMember;
  record.ready = record.stamp.incarnation % 2 == 0;
  record.tunnel_number = static_cast<std::uint16_t>(record.stamp.incarnation * 10 + record.stamp.sequence);
  return record;
}

Record ArbitraryFullRecord() {
  Record record = ArbitraryRecord();
  record.gossip = {.address = ArbitraryAddress(), .port = *rc::gen::arbitrary<std::uint16_t>()};
  record.underlay = ArbitraryAddress();
  const auto text = rc::gen::arbitrary<std::string>();
  record.labels = *rc::gen::container<std::map<std::string, std::string>>(text, text);
  record.policy = {.number = *rc::gen::arbitrary<std::uint64_t>(), .digest = *rc::gen::arbitrary<std::uint64_t>()};
  std::map<IpAddress, std::uint64_t> claims;
  for (int n = *rc::gen::inRange(0, 6); n > 0; --n) claims[ArbitraryAddress()] = *rc::gen::arbitrary<std::uint64_t>();
  for (const auto& [address, term] : claims) record.claims.push_back({.address = address, .term = term});
  std::map<Prefix, std::uint64_t> networks;
  for (int n = *rc::gen::inRange(0, 4); n > 0; --n) {
    const IpAddress address = ArbitraryAddress();
    networks[Prefix::Containing(address, *rc::gen::inRange(0, AddressBits(address.family()) + 1))] = *rc::gen::arbitrary<std::uint64_t>();
  }
  for (const auto& [prefix, term] : networks) record.networks.push_back({.prefix = prefix, .term = term});
  return record;
}

std::map<std::string, Record> Known(const std::vector<Record>& heard) {
  Membership membership("a", 10, Timing{}, 1, {});
  membership.Begin(kNow, {});
  for (const Record& record : heard) membership.Receive(kNow, {}, "x", Records{.records = {record}});
  std::map<std::string, Record> known;
  for (const auto& [name, member] : membership.members()) known[name] = member.record;
  return known;
}

}  // namespace

TEST_CASE("decoding gives back what was encoded, and encoding what was decoded") {
  CHECK(rc::check("records", [] {
    const Message message = Records{.records = {ArbitraryFullRecord(), ArbitraryFullRecord()}};
    RC_ASSERT(Decode(Encode(message)) == message);
  }));
  CHECK(rc::check("damaged bytes", [] {
    Bytes bytes = Encode(Records{.records = {ArbitraryFullRecord()}});
    for (int n = *rc::gen::inRange(1, 4); n > 0; --n) {
      bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<std::uint8_t>();
    }
    if (const auto message = Decode(bytes)) RC_ASSERT(Encode(*message) == bytes);
  }));
}

TEST_CASE("whoever heard the same records, in whatever order and how often, knows the same") {
  CHECK(rc::check("merge", [] {
    std::vector<Record> heard;
    for (int n = *rc::gen::inRange(0, 12); n > 0; --n) heard.push_back(ArbitraryRecord());
    std::vector<Record> members = heard;  // a node that has left is not remembered by who never knew it: leave those out
    std::erase_if(members, [](const Record& record) { return record.presence == Presence::kLeft; });
    std::vector<Record> again = members;
    for (std::size_t i = again.size(); i > 1; --i) std::swap(again[i - 1], again[*rc::gen::inRange<std::size_t>(0, i)]);
    again.insert(again.end(), members.begin(), members.end());
    RC_ASSERT(Known(members) == Known(again));
  }));
}

TEST_CASE("everybody who heard the same claims names the same holder") {
  CHECK(rc::check("claims", [] {
    const IpAddress address = IpAddress::Ipv4(1);
    std::vector<std::pair<std::string, std::uint64_t>> said;
    for (int n = *rc::gen::inRange(1, 6); n > 0; --n) {
      said.emplace_back(std::string(1, static_cast<char>('a' + n)), *rc::gen::inRange<std::uint64_t>(1, 4));
    }
    const auto holder = [&] {
      Claims claims;
      for (const auto& [node, term] : said) claims.AddLiving(node, {{.address = address, .term = term}});
      RC_ASSERT(claims.NextTerm(address) > claims.HolderOf(address)->term);
      return *claims.HolderOf(address);
    };
    const Hold before = holder();
    std::ranges::reverse(said);
    RC_ASSERT(holder() == before);
  }));
}

}  // namespace egressd::gossip
