// Decoders against bytes of a real kernel, whole, cut off and damaged.
#include <doctest/doctest.h>
#include <linux/netfilter/nf_tables.h>

#include <format>
#include <string>
#include <utility>
#include <vector>

#include "kernel/conntrack_codec.h"
#include "kernel/nft_codec.h"
#include "kernel/nft_socket.h"
#include "unit/kernel/nft_captured.h"

namespace egressd::kernel {
namespace {

using namespace egressd::state;
using Type = NftSet::Type;

const NftName kNet4{.name = "net4"}, kPorts{.name = "ports"}, kClasses{.name = "classes"};
const NftSet kNet4Set{.key = kNet4, .type = Type::kIpv4, .value = Type::kMark, .intervals = true};
const NftSet kPortsSet{.key = kPorts, .type = Type::kProtocolPort, .intervals = true};
const NftSet kClassesSet{.key = kClasses, .type = Type::kMark, .value = Type::kVerdict};
const NftSet kTimedSet{.key = {.family = NftFamily::kArp, .name = "answers"}, .type = Type::kIpv4, .timeouts = true};

NftBytes Ip(const char* text) { return NftBytes::Of(IpAddress::Parse(text).value()); }

// Everything that takes bytes from the kernel, on one message.
void DecodeAsEverything(const nlmsghdr* message) {
  (void)OurFamily(message);
  (void)DecodeGeneration(message);
  (void)DecodeTable(message);
  (void)DecodeCounter(message);
  (void)DecodeSet(message);
  (void)DecodeChain(message);
  (void)DecodeRule(message);
  (void)DecodeAnswer(message);
  (void)DecodeConnection(message);
  for (const auto* set : {&kNet4Set, &kPortsSet, &kClassesSet, &kTimedSet}) {
    ElementDecoder decoder(*set);
    decoder.Take(message);
    Objects<NftElement> elements;
    decoder.Finish(elements);
  }
}

Objects<NftElement> Elements(const NftSet& set, std::string_view captured) {
  Captured bytes(captured);
  ElementDecoder decoder(set);
  decoder.Take(bytes.message());
  Objects<NftElement> elements;
  decoder.Finish(elements);
  return elements;
}

}  // namespace

TEST_CASE("a table, a counter and a generation are read from the kernel's bytes") {
  const auto table = DecodeTable(Captured(kTable).message());
  REQUIRE(table.has_value());
  CHECK(table->table.key == NftTable::Key{.family = NftFamily::kInet, .name = "egressd"});
  CHECK(table->flags == 0);
  const auto counter = DecodeCounter(Captured(kCounter).message());
  REQUIRE(counter.has_value());
  CHECK(counter->counter.key.name == "seen");
  CHECK(counter->packets == 2);
  CHECK(DecodeGeneration(Captured(kGeneration).message()) == 2);
}

TEST_CASE("sets and maps are read from the kernel's bytes") {
  CHECK(DecodeSet(Captured(kSetNet4).message()) == kNet4Set);
  CHECK(DecodeSet(Captured(kSetPorts).message()) == kPortsSet);
  CHECK(DecodeSet(Captured(kSetClasses).message()) == kClassesSet);
  CHECK(DecodeSet(Captured(kSetTimed).message()) == kTimedSet);
}

TEST_CASE("chains are read from the kernel's bytes, base chains with their hook") {
  const auto plain = DecodeChain(Captured(kChainClass).message());
  REQUIRE(plain.has_value());
  CHECK(plain->chain == NftChain{.key = {.name = "class_1"}});
  const auto base = DecodeChain(Captured(kChainOutput).message());
  REQUIRE(base.has_value());
  CHECK(base->accepts);
  CHECK(base->chain == NftChain{.key = {.name = "output"},
                                .hook = NftHook{.point = NftHook::Point::kOutput, .priority = -150}});
}

TEST_CASE("the hooks of ARP have numbers of their own") {
  const auto chain = DecodeChain(Captured(kChainArp).message());
  REQUIRE(chain.has_value());
  CHECK(chain->accepts);
  CHECK(chain->chain == NftChain{.key = {.family = NftFamily::kArp, .name = "neighbours"},
                                 .hook = NftHook{.point = NftHook::Point::kOutput, .priority = -10}});
}

TEST_CASE("a timeout for all elements of a set is none of our making") {
  const auto set = DecodeSet(Captured(kSetOneTimeout).message());
  REQUIRE(set.has_value());
  CHECK(set->type == Type::kNothing);
}

TEST_CASE("a lease is read with what it was given, not with what is left, and none where there is none") {
  const auto elements = Elements(kTimedSet, kElementsTimed);
  REQUIRE(elements.size() == 2);
  const auto of = [&](const char* address) {
    return elements.at({.set = kTimedSet.key, .first = Ip(address), .last = Ip(address)}).timeout;
  };
  CHECK(of("203.0.113.10") == std::chrono::milliseconds(300));
  CHECK(of("203.0.113.11") == std::nullopt);
}

TEST_CASE("what the kernel's ticks made of a timeout is read as what it was told") {
  // 300 ms as kernels with 100, 250, 300 and 1000 ticks a second say it, rounded down or up; and what nobody of us wrote.
  for (const auto& [told, read] : {std::pair{300, 300}, {299, 300}, {296, 300}, {303, 300}, {304, 300}, {1, 20}, {15'000, 15'000}}) {
    std::string bytes(kElementsTimed);
    const auto place = bytes.find("000000000000012c");
    REQUIRE(place != std::string::npos);
    bytes.replace(place, 16, std::format("{:016x}", told));
    CHECK(Elements(kTimedSet, bytes).begin()->second.timeout == std::chrono::milliseconds(read));
  }
}

TEST_CASE("a rule is read as the digest in its comment") {
  const auto rule = DecodeRule(Captured(kRule).message());
  REQUIRE(rule.has_value());
  CHECK(rule->chain.name == "output");
  CHECK(rule->rule.digest == "f178c288df10b41b");
  CHECK(rule->rule.text.ends_with("ct mark set 7; counter seen"));
}

TEST_CASE("ranges are put together from their two ends, the last one without an end") {
  const auto elements = Elements(kNet4Set, kElementsNet4);
  REQUIRE(elements.size() == 2);
  CHECK(elements.at({.set = kNet4, .first = Ip("10.0.0.0"), .last = Ip("10.0.0.255")}).value ==
        decltype(NftElement::value)(NftBytes::Mark(7)));
  CHECK(elements.at({.set = kNet4, .first = Ip("255.255.255.254"), .last = Ip("255.255.255.255")}).value ==
        decltype(NftElement::value)(NftBytes::Mark(8)));
}

TEST_CASE("ranges of concatenations are read with both keys") {
  const auto elements = Elements(kPortsSet, kElementsPorts);
  REQUIRE(elements.size() == 1);
  CHECK(elements.begin()->first ==
        NftElement::Key{.set = kPorts,
                        .first = NftBytes::Concat({NftBytes::Byte(6), NftBytes::Port(80)}),
                        .last = NftBytes::Concat({NftBytes::Byte(6), NftBytes::Port(90)})});
}

TEST_CASE("verdicts are read with their chain") {
  const auto elements = Elements(kClassesSet, kElementsClasses);
  REQUIRE(elements.size() == 2);
  CHECK(elements.at({.set = kClasses, .first = NftBytes::Mark(1), .last = NftBytes::Mark(1)}).value ==
        decltype(NftElement::value)(NftVerdict{.code = NftVerdict::Code::kGoto, .chain = "class_1"}));
  CHECK(elements.at({.set = kClasses, .first = NftBytes::Mark(2), .last = NftBytes::Mark(2)}).value ==
        decltype(NftElement::value)(NftVerdict{.code = NftVerdict::Code::kDrop}));
}

TEST_CASE("elements of another set are not taken") { CHECK(Elements(kPortsSet, kElementsNet4).empty()); }

TEST_CASE("a refusal is read with the kernel's text and the offset of the attribute") {
  const auto plain = DecodeAnswer(Captured(kRefusal).message());
  REQUIRE(plain.has_value());
  CHECK(plain->sequence == 77);
  CHECK(plain->error == EINVAL);
  CHECK(plain->text.empty());
  const auto with_text = DecodeAnswer(Captured(kRefusalWithText).message());
  REQUIRE(with_text.has_value());
  CHECK(with_text->sequence == 78);
  CHECK(with_text->error == ERANGE);
  CHECK(with_text->offset == 32);
  CHECK(ToString(*with_text) == "Numerical result out of range (Attribute failed policy validation)");
}

TEST_CASE("messages cut off anywhere are read without leaving their bytes") {
  for (const auto captured : kEveryMessage) {
    for (std::size_t size = sizeof(nlmsghdr); size < captured.size() / 2; ++size) {
      Captured bytes(captured, size);
      DecodeAsEverything(bytes.message());
    }
  }
}

TEST_CASE("messages with any byte damaged are read without leaving their bytes") {
  for (const auto captured : kEveryMessage) {
    for (std::size_t i = sizeof(nlmsghdr); i < captured.size() / 2; ++i) {
      for (const unsigned damage : {0x01u, 0x80u, 0xffu}) {
        Captured bytes(captured);
        bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ damage);
        DecodeAsEverything(bytes.message());
      }
    }
  }
}

TEST_CASE("a datagram ends at the first message that does not fit") {
  Captured whole(kTable);
  ByteSpan rest = whole.bytes();
  CHECK(NextMessage(rest) != nullptr);
  CHECK(NextMessage(rest) == nullptr);
  whole.message()->nlmsg_len = static_cast<std::uint32_t>(whole.size() + 1);
  rest = whole.bytes();
  CHECK(NextMessage(rest) == nullptr);
  whole.message()->nlmsg_len = 3;
  rest = whole.bytes();
  CHECK(NextMessage(rest) == nullptr);
  rest = whole.bytes().first(8);
  CHECK(NextMessage(rest) == nullptr);
}

TEST_CASE("a cut-off table or rule is not taken for a whole one") {
  CHECK_FALSE(DecodeTable(Captured(kTable, 28).message()).has_value());
  CHECK_FALSE(DecodeRule(Captured(kRule, 36).message()).has_value());
}

}  // namespace egressd::kernel
