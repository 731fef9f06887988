#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

#include "agent/letter.h"

namespace egressd::agent {
namespace {

using state::Translation;

IpAddress ArbitraryAddress(std::size_t length_bytes) {
  // Few values, so that neighbours share some.
  auto bytes = *rc::gen::container<std::vector<std::uint8_t>>(length_bytes, rc::gen::inRange<std::uint8_t>(0, 2));
  bytes[0] = *rc::gen::arbitrary<std::uint8_t>();
  return IpAddress::FromBytes(bytes);
}
IpAddress ArbitraryAddress() { return ArbitraryAddress(*rc::gen::element<std::size_t>(4, 16)); }

Translation ArbitraryTranslation() {
  const std::size_t length_bytes = *rc::gen::element<std::size_t>(4, 16);
  Translation translation{.id = {*rc::gen::inRange<std::uint16_t>(0, 3)},
                          .protocol = *rc::gen::element<std::uint8_t>(6, 17, 1, 58, 0, 132),
                          .source = ArbitraryAddress(length_bytes),
                          .destination = ArbitraryAddress(length_bytes),
                          .source_port = *rc::gen::arbitrary<std::uint16_t>(),
                          .destination_port = *rc::gen::arbitrary<std::uint16_t>(),
                          .translated_port = *rc::gen::arbitrary<std::uint16_t>(),
                          .answered = *rc::gen::arbitrary<bool>()};
  if (*rc::gen::arbitrary<bool>()) translation.translated_port = translation.source_port;
  return translation;
}

std::vector<Translation> ArbitraryTranslations() {
  std::vector<Translation> translations;
  for (int n = *rc::gen::inRange(0, 12); n > 0; --n) translations.push_back(ArbitraryTranslation());
  return translations;
}

template <typename T, typename F>
std::vector<T> ArbitrarySorted(F make) {
  std::set<T> found;
  for (int n = *rc::gen::inRange(0, 8); n > 0; --n) found.insert(make());
  return {found.begin(), found.end()};
}

EgressId ArbitraryId() { return {*rc::gen::inRange<std::uint16_t>(1, kLastEgressId.value)}; }

Letter ArbitraryLetter() {
  const auto number = [] { return *rc::gen::arbitrary<std::uint64_t>(); };
  switch (*rc::gen::inRange(0, 8)) {
    case 0: {
      LeaseRequest request{.round = number(), .electorate = number()};
      for (const IpAddress& address : ArbitrarySorted<IpAddress>([] { return ArbitraryAddress(); }))
        request.claims.push_back({.address = address, .term = number()});
      return request;
    }
    case 1:
      return LeaseGrant{.round = number(), .electorate = number(),
                        .addresses = ArbitrarySorted<IpAddress>([] { return ArbitraryAddress(); })};
    case 2: {
      const auto parts = *rc::gen::inRange<std::uint32_t>(1, 1000);
      return Connections{.batch = number(), .part = *rc::gen::inRange<std::uint32_t>(0, parts), .parts = parts,
                         .reason = *rc::gen::element(Connections::Reason::kHandover, Connections::Reason::kTakeover),
                         .ids = ArbitrarySorted<EgressId>(ArbitraryId), .translations = ArbitraryTranslations()};
    }
    case 3: return ConnectionsTaken{.batch = number(), .part = *rc::gen::arbitrary<std::uint32_t>()};
    case 4: return RemappedPorts{.translations = ArbitraryTranslations()};
    case 5: return RemappedPortsWanted{};
    case 6: return MoveOrder{.address = ArbitraryAddress(), .node = *rc::gen::nonEmpty<std::string>()};
    default: return DrainOrder{.on = *rc::gen::arbitrary<bool>()};
  }
}

}  // namespace

TEST_CASE("a letter that was encoded is decoded to itself, and damaged ones only to what has exactly these bytes") {
  CHECK(rc::check("whole", [] {
    const Letter letter = ArbitraryLetter();
    RC_ASSERT(Decode(Encode(letter)) == letter);
  }));
  CHECK(rc::check("damaged", [] {
    auto bytes = Encode(ArbitraryLetter());
    for (int n = *rc::gen::inRange(1, 4); n > 0; --n) {
      bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<std::uint8_t>();
    }
    if (const auto letter = Decode(bytes)) RC_ASSERT(Encode(*letter) == bytes);
  }));
  CHECK(rc::check("cut short or too long", [] {
    auto bytes = Encode(ArbitraryLetter());
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 4));
    if (const auto letter = Decode(bytes)) RC_ASSERT(Encode(*letter) == bytes);
  }));
}

TEST_CASE("what is split over several letters is all there, once") {
  CHECK(rc::check("connections", [] {
    auto translations = ArbitraryTranslations();
    auto ids = ArbitrarySorted<EgressId>(ArbitraryId);
    const auto parts = ToConnections(7, Connections::Reason::kTakeover, ids, translations);
    std::vector<Translation> all;
    std::vector<EgressId> all_ids;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      RC_ASSERT(parts[i].part == i);
      RC_ASSERT(parts[i].parts == parts.size());
      all.insert(all.end(), parts[i].translations.begin(), parts[i].translations.end());
      all_ids.insert(all_ids.end(), parts[i].ids.begin(), parts[i].ids.end());
    }
    const std::set<Translation> wanted(translations.begin(), translations.end());
    RC_ASSERT(all == std::vector<Translation>(wanted.begin(), wanted.end()));
    RC_ASSERT(all_ids == ids);
  }));
}

}  // namespace egressd::agent
