#include <doctest/doctest.h>

#include "egressd/base/hash.h"
#include "egressd/state/nft.h"

namespace egressd::state {

TEST_CASE("constants have the bytes that the kernel compares") {
  CHECK(NftBytes::Of(IpAddress::Parse("192.0.2.1").value()).ToString() == "c0000201");
  CHECK(NftBytes::Of(IpAddress::Parse("2001:db8::1").value()).bytes().size() == 16);
  CHECK(NftBytes::Port(0x1234).ToString() == "1234");
  CHECK(NftBytes::Byte(6).ToString() == "06");
  CHECK(NftBytes::Mark(0xfe000001).as_mark() == 0xfe000001);
  CHECK(NftBytes::InterfaceName("eth0").ToString() == "65746830000000000000000000000000");
}

TEST_CASE("a concatenation pads every field to four bytes") {
  const NftBytes joined = NftBytes::Concat({NftBytes::Byte(6), NftBytes::Port(25)});
  CHECK(joined.ToString() == "0600000000190000");
  CHECK(joined.bytes().size() == Bytes(NftSet::Type::kProtocolPort));
}

TEST_CASE("a timeout is a multiple of the grain and never longer than what was wanted") {
  using std::chrono::milliseconds;
  CHECK(TimeoutWithin(milliseconds(15'000)) == milliseconds(15'000));
  CHECK(TimeoutWithin(milliseconds(319)) == milliseconds(300));
  CHECK(TimeoutWithin(milliseconds(320)) == milliseconds(320));
  CHECK(TimeoutWithin(milliseconds(1)) == kTimeoutGrain);
}

TEST_CASE("a seal depends on text and on every expression") {
  const NftRule rule = Seal({.text = "drop", .expressions = {NftVerdict{.code = NftVerdict::Code::kDrop}}});
  CHECK(rule.digest.size() == 16);
  CHECK(rule == Seal(rule));
  NftRule other = rule;
  other.expressions.front() = NftVerdict{.code = NftVerdict::Code::kAccept};
  CHECK_FALSE(Seal(other) == rule);
  other = rule;
  other.text = "drops";
  CHECK_FALSE(Seal(other) == rule);
  const NftRule first = Seal({.expressions = {NftLookup{.set = "a", .reg = 1}, NftMeta{.reg = 2}}});
  const NftRule second = Seal({.expressions = {NftMeta{.reg = 2}, NftLookup{.set = "a", .reg = 1}}});
  CHECK_FALSE(first == second);
}

TEST_CASE("a comment carries the digest there and back") {
  const NftRule rule = Seal({.text = "ct mark set 7"});
  const std::string comment = RuleComment(rule);
  CHECK(comment == "egressd:" + rule.digest + " ct mark set 7");
  CHECK(DigestInComment(comment) == rule.digest);
  CHECK(DigestInComment("egressd:0123456789abcdef") == "0123456789abcdef");
}

TEST_CASE("a long text is cut so that the comment fits, never inside a character") {
  const NftRule rule = Seal({.text = std::string(95, 'a') + "ä and more"});
  const std::string comment = RuleComment(rule);
  CHECK(comment.ends_with(" " + std::string(95, 'a')));
  CHECK(DigestInComment(comment) == rule.digest);
}

TEST_CASE("comments of other people have no digest") {
  for (const auto* comment : {"", "hello", "egressd:", "egressd:123", "egressd:0123456789ABCDEF x", "egressd:0123456789abcdef0 x",
                              "egress:0123456789abcdef x"}) {
    CAPTURE(comment);
    CHECK(DigestInComment(comment).empty());
  }
}

}  // namespace egressd::state
