#include "agent/letter.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace egressd::agent {
namespace {

using state::Translation;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

Translation Tcp(std::uint32_t number) {
  const auto port = static_cast<std::uint16_t>(1024 + number % 60'000);
  return {.id = {static_cast<std::uint16_t>(1 + number % 3)}, .protocol = 6, .source = Ip("198.19.0.7"),
          .destination = IpAddress::Ipv4(0xcb007100 + number), .source_port = port, .destination_port = 443, .translated_port = port,
          .answered = true};
}

std::vector<Letter> OneOfEach() {
  return {LeaseRequest{.round = 1, .electorate = 2,
                       .claims = {{.address = Ip("192.0.2.1"), .term = 3}, {.address = Ip("2001:db8::1"), .term = 300}}},
          LeaseGrant{.round = 1, .electorate = 2, .addresses = {Ip("192.0.2.1"), Ip("2001:db8::1")}},
          Connections{.batch = 9, .part = 1, .parts = 2, .reason = Connections::Reason::kTakeover, .ids = {{1}, {2}, {65534}},
                      .translations = {Tcp(1), Tcp(2)}},
          ConnectionsTaken{.batch = 9, .part = 1},
          RemappedPorts{.translations = {Tcp(5)}},
          RemappedPortsWanted{},
          MoveOrder{.address = Ip("192.0.2.1"), .node = "gw2"},
          DrainOrder{.on = false, .seconds = 90}};
}

std::size_t Total(const std::vector<Connections>& parts) {
  std::size_t bytes = 0;
  for (const Connections& part : parts) bytes += Encode(part).size();
  return bytes;
}

}  // namespace

TEST_CASE("letter: every kind comes back as it was, and no shorter or longer one is taken for it") {
  for (const Letter& letter : OneOfEach()) {
    auto bytes = Encode(letter);
    CHECK(Decode(bytes) == letter);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto cut = Decode(gossip::ByteView(bytes).first(length));
      CHECK_FALSE(cut == letter);
      if (cut) CHECK(Encode(*cut).size() == length);
    }
    bytes.push_back(0);
    CHECK_FALSE(Decode(bytes).has_value());
  }
}

TEST_CASE("letter: its bytes are what they were, so that nodes of two versions understand each other") {
  CHECK(Encode(DrainOrder{.on = true}) == gossip::Bytes{7, 1, 0, 0, 0, 0});
  CHECK(Encode(ConnectionsTaken{.batch = 0x0102030405060708, .part = 9}) == gossip::Bytes{3, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9});
  Translation first = Tcp(0), second = first;
  second.source_port = 2;
  second.translated_port = 0x0304;
  second.answered = false;
  CHECK(Encode(RemappedPorts{.translations = {first, second}}) ==
        gossip::Bytes{4, 2,                                                                                    //
                      0x08, 0, 1, 198, 19, 0, 7, 203, 0, 113, 0, 0x04, 0x00, 0x01, 0xbb,  // TCP, answered; all of it
                      0xf0, 0, 2, 0x01, 0xbb, 3, 4});                                     // the same but for its ports
}

TEST_CASE("letter: what could be written otherwise is refused") {
  const auto refused = [](gossip::Bytes bytes) { return !Decode(bytes).has_value(); };
  CHECK(refused({}));
  CHECK(refused({8}));
  CHECK(refused({7, 2}));
  CHECK(refused({6, 4, 192, 0, 2, 1, 0}));                              // no node
  CHECK(refused({3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));                 // too short
  const gossip::Bytes head{2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0};
  const auto connections = [&](gossip::Bytes rest) {
    gossip::Bytes bytes = head;
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    return bytes;
  };
  CHECK_FALSE(refused(connections({0, 0, 0, 0, 1, 0, 0, 0})));
  CHECK(refused(connections({1, 0, 0, 0, 1, 0, 0, 0})));                // part 1 of 1
  CHECK(refused(connections({0, 0, 0, 0, 0, 0, 0, 0})));                // part 0 of 0
  CHECK(refused(connections({0, 0, 0, 0, 1, 2, 0, 0})));                // reason 2
  CHECK(refused(connections({0, 0, 0, 0, 1, 0, 1, 0, 0})));             // id 0
  CHECK_FALSE(refused(connections({0, 0, 0, 0, 1, 0, 1, 0xfe, 0xff, 3, 0})));
  CHECK(refused(connections({0, 0, 0, 0, 1, 0, 1, 0xff, 0xff, 3, 0})));  // id 65535
  // A translation: TCP, IPv4, id 0, 0.0.0.0 to 0.0.0.0 is what stands before the first one, so it is left out.
  CHECK_FALSE(refused({4, 1, 0xe0, 0, 1, 0, 2}));
  CHECK(refused({4, 1, 0xc0, 0, 0, 0, 1, 0, 2}));                       // the same id, written
  CHECK(refused({4, 1, 0xa0, 0, 0, 0, 0, 0, 1, 0, 2}));                 // the same source, written
  CHECK(refused({4, 1, 0xf0, 0, 1, 0, 2, 0, 1}));                       // the same port outside, written
  CHECK(refused({4, 1, 0xe3, 6, 0, 1, 0, 2}));                          // TCP as "another protocol"
  CHECK(refused({4, 1, 0xe4, 0, 1, 0, 2}));                             // IPv6 with the addresses of IPv4
  CHECK(refused({4, 2, 0xe0, 0, 1, 0, 2}));                             // one is missing
  CHECK(refused({4, 0xff, 0xff, 0x7f}));                                // a count that nothing stands behind
  gossip::Bytes unsorted = Encode(LeaseGrant{.addresses = {Ip("192.0.2.1"), Ip("192.0.2.2")}});
  std::swap(unsorted[unsorted.size() - 1], unsorted[unsorted.size() - 6]);
  CHECK(refused(unsorted));
}

TEST_CASE("letter: ten thousand connections need less than 100 kB, and each letter fits") {
  std::vector<Translation> translations;
  for (std::uint32_t i = 0; i < 10'000; ++i) translations.push_back(Tcp(i));
  const auto parts = ToConnections(1, Connections::Reason::kHandover, {{1}, {2}, {3}}, translations);
  CHECK(parts.size() == 2);
  CHECK(Total(parts) < 100'000);
  for (const Connections& part : parts) CHECK(Decode(Encode(part)) == Letter(part));
}

TEST_CASE("letter: the longest lists fit, however little their members have in common") {
  LeaseRequest request{.round = ~std::uint64_t{0}, .electorate = ~std::uint64_t{0}};
  IpAddress address = Ip("2001:db8::");
  for (std::size_t i = 0; i < gossip::kClaimLimit; ++i) {
    request.claims.push_back({.address = address, .term = ~std::uint64_t{0}});
    address = *address.Next();
  }
  CHECK(Decode(Encode(request)) == Letter(request));

  std::vector<EgressId> ids;
  for (std::uint16_t id = 1; id < kLastEgressId.value; id = static_cast<std::uint16_t>(id + 2)) ids.push_back({id});
  std::vector<Translation> translations;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    const auto low = static_cast<std::uint8_t>(i), high = static_cast<std::uint8_t>(i >> 8);
    translations.push_back({.id = {static_cast<std::uint16_t>(i)}, .protocol = 132,
                            .source = IpAddress::FromBytes(std::vector<std::uint8_t>(16, low)),
                            .destination = IpAddress::FromBytes(std::vector<std::uint8_t>(16, static_cast<std::uint8_t>(low ^ high ^ 1))),
                            .source_port = 1, .translated_port = 2});
  }
  const auto parts = ToConnections(~std::uint64_t{0}, Connections::Reason::kTakeover, ids, translations);
  CHECK(parts.size() == 5);
  std::size_t named = 0, carried = 0;
  for (const Connections& part : parts) {
    CHECK(Decode(Encode(part)) == Letter(part));
    named += part.ids.size();
    carried += part.translations.size();
  }
  CHECK(named == ids.size());
  CHECK(carried == translations.size());
}

TEST_CASE("letter: a node without connections says so in one letter; nothing to tell about ports needs none") {
  const auto parts = ToConnections(4, Connections::Reason::kHandover, {{2}, {1}, {2}}, {});
  REQUIRE(parts.size() == 1);
  CHECK(parts[0] == Connections{.batch = 4, .part = 0, .parts = 1, .reason = Connections::Reason::kHandover, .ids = {{1}, {2}}});
  CHECK(ToRemappedPorts({}).empty());
  CHECK(ToRemappedPorts({Tcp(2), Tcp(1), Tcp(2)}) == std::vector{RemappedPorts{.translations = {Tcp(1), Tcp(2)}}});
  std::vector<Translation> many;
  for (std::uint32_t i = 0; i < 20'000; ++i) many.push_back(Tcp(i));
  std::size_t told = 0;
  for (const RemappedPorts& letter : ToRemappedPorts(many)) {
    CHECK(Decode(Encode(letter)) == Letter(letter));
    told += letter.translations.size();
  }
  CHECK(told == many.size());
}

}  // namespace egressd::agent
