// The batch: its order, its frame, and which step a byte of it came from.
#include <doctest/doctest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <utility>
#include <vector>

#include "kernel/nft_batch.h"
#include "kernel/nft_socket.h"

namespace egressd::kernel {
namespace {

using namespace egressd::state;
using Type = NftSet::Type;

NftName Name(std::string name) { return {.name = std::move(name)}; }
NftBytes Ip(std::uint32_t host_order) { return NftBytes::Of(IpAddress::Ipv4(host_order)); }
const NftTable kTable{.key = {.name = "egressd"}};
const NftSet kSource{.key = Name("src4"), .type = Type::kIpv4, .value = Type::kMark};

Step Element(Operation operation, std::uint32_t address) {
  return {.operation = operation,
          .object = NftElement{.key = {.set = kSource.key, .first = Ip(address), .last = Ip(address)},
                               .value = NftBytes::Mark(1)}};
}

std::vector<const nlmsghdr*> Messages(std::span<const std::uint8_t> datagram) {
  std::vector<const nlmsghdr*> messages;
  while (const auto* message = NextMessage(datagram)) messages.push_back(message);
  return messages;
}

std::vector<int> Types(std::span<const std::uint8_t> datagram) {
  std::vector<int> types;
  for (const auto* message : Messages(datagram)) types.push_back(message->nlmsg_type & 0xff);
  return types;
}

}  // namespace

TEST_CASE("what goes comes before what comes, and each in the order that the kernel accepts") {
  const NftChain chain{.key = Name("steer"),
                       .rules = {Seal({.text = "return", .expressions = {NftVerdict{}}})}};
  const std::vector<Step> steps{
      {.operation = Operation::kCreate, .object = kTable},
      {.operation = Operation::kRemove, .object = NftCounter{.key = Name("old")}},
      {.operation = Operation::kCreate, .object = NftCounter{.key = Name("new")}},
      {.operation = Operation::kReplace, .object = kSource},
      {.operation = Operation::kRemove, .object = NftSet{.key = Name("old"), .type = Type::kIpv4}},
      {.operation = Operation::kReplace, .object = chain},
      {.operation = Operation::kRemove, .object = NftChain{.key = Name("old")}},
      Element(Operation::kCreate, 1),
  };
  NftKnown known{.sets = {{Name("src4"), kSource}, {Name("old"), {.key = Name("old"), .type = Type::kIpv4}}},
                 .chains = {{Name("steer"), std::nullopt}, {Name("old"), std::nullopt}}};
  NftBatch batch(100, 7);
  REQUIRE(Encode(steps, known, batch).has_value());
  CHECK(Types(batch.Finish()) == std::vector<int>{NFNL_MSG_BATCH_BEGIN, NFT_MSG_DELRULE, NFT_MSG_DELRULE,
                                                  NFT_MSG_DELSET, NFT_MSG_DELSET, NFT_MSG_DELCHAIN,
                                                  NFT_MSG_DELOBJ, NFT_MSG_NEWTABLE, NFT_MSG_NEWOBJ,
                                                  NFT_MSG_NEWSET, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE,
                                                  NFT_MSG_NEWSETELEM, NFNL_MSG_BATCH_END});
  CHECK(known.sets.size() == 1);
  CHECK(known.chains.size() == 1);
}

TEST_CASE("a table that goes takes everything along in one message") {
  const std::vector<Step> steps{{.operation = Operation::kRemove, .object = kTable},
                                {.operation = Operation::kRemove, .object = kSource},
                                {.operation = Operation::kRemove, .object = NftChain{.key = Name("steer")}},
                                Element(Operation::kRemove, 1)};
  NftKnown known{.sets = {{Name("src4"), kSource}}, .chains = {{Name("steer"), std::nullopt}}};
  NftBatch batch(1, 7);
  REQUIRE(Encode(steps, known, batch).has_value());
  CHECK(Types(batch.Finish()) ==
        std::vector<int>{NFNL_MSG_BATCH_BEGIN, NFT_MSG_DELTABLE, NFNL_MSG_BATCH_END});
  CHECK(known.sets.empty());
  CHECK(known.chains.empty());
}

TEST_CASE("the batch opens with the generation that it belongs to, or with none") {
  NftBatch with(1, 0x01020304);
  Attributes attributes = Attributes::OfMessage(Messages(with.Finish()).front());
  CHECK(attributes.U32(NFNL_BATCH_GENID) == 0x01020304u);
  NftBatch without(1, 0);
  attributes = Attributes::OfMessage(Messages(without.Finish()).front());
  CHECK_FALSE(attributes.U32(NFNL_BATCH_GENID).has_value());
}

TEST_CASE("many elements share messages of less than 64 KiB, and every byte knows its step") {
  std::vector<Step> steps;
  for (std::uint32_t i = 0; i < 5000; ++i) steps.push_back(Element(Operation::kCreate, i));
  NftKnown known{.sets = {{Name("src4"), kSource}}};
  NftBatch batch(10, 7);
  REQUIRE(Encode(steps, known, batch).has_value());
  const auto messages = Messages(batch.Finish());
  CHECK(messages.size() == 2 + 3);
  std::size_t next = 0;
  for (std::size_t i = 1; i + 1 < messages.size(); ++i) {
    CHECK(messages[i]->nlmsg_len < 65536);
    CHECK(messages[i]->nlmsg_seq == 10 + i);
    const auto list = Attributes::OfMessage(messages[i]).Nested(NFTA_SET_ELEM_LIST_ELEMENTS);
    auto rest = list.bytes();
    while (const auto element = NextAttribute(rest)) {
      const auto offset =
          static_cast<std::uint32_t>(element->start - reinterpret_cast<const std::uint8_t*>(messages[i]));
      const auto origin = batch.Find(messages[i]->nlmsg_seq, offset);
      REQUIRE(origin.has_value());
      REQUIRE(origin->step == &steps[next++]);
    }
  }
  CHECK(next == steps.size());
  CHECK_FALSE(batch.Find(10, 0).has_value());                                                    // the frame
  CHECK_FALSE(batch.Find(static_cast<std::uint32_t>(10 + messages.size() - 1), 0).has_value());  // its end
  CHECK_FALSE(batch.Find(9, 0).has_value());
  CHECK_FALSE(batch.Find(5000, 0).has_value());
}

TEST_CASE("an element that does not fit its set is refused before anything is sent") {
  NftKnown known{.sets = {{Name("src4"), kSource}}};
  NftBatch batch(1, 7);
  auto element = std::get<NftElement>(Element(Operation::kCreate, 1).object);
  SUBCASE("no value in a map") { element.value = std::monostate{}; }
  SUBCASE("a value of another length") { element.value = NftBytes::Port(1); }
  SUBCASE("a key of another length") { element.key.first = element.key.last = NftBytes::Port(1); }
  SUBCASE("a range in a set without intervals") { element.key.last = Ip(2); }
  SUBCASE("a timeout in a set without") { element.timeout = std::chrono::seconds(1); }
  SUBCASE("a set that is not there") { element.key.set.name = "nowhere"; }
  const Step step{.object = element};
  const auto done = Encode({&step, 1}, known, batch);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().kind == ErrorKind::kInvalid);
}

TEST_CASE("a batch with a lease begins with the end of `awake`, one without does not") {
  const NftSet set{.key = Name("lease4"), .type = Type::kIpv4, .timeouts = true};
  NftElement element{.key = {.set = set.key, .first = Ip(1), .last = Ip(1)}, .value = {}, .timeout = std::chrono::milliseconds(300)};
  const auto types = [&](Operation operation) {
    const Step step{.operation = operation, .object = element};
    NftKnown known{.sets = {{set.key, set}}};
    NftBatch batch(1, 7);
    REQUIRE(Encode({&step, 1}, known, batch).has_value());
    const auto bytes = batch.Finish();
    const auto first = Attributes::OfMessage(Messages(bytes)[1]);
    return std::pair(Types(bytes), first.Text(NFTA_SET_ELEM_LIST_SET));
  };
  using Numbers = std::vector<int>;
  const auto leased = types(Operation::kReplace);
  CHECK(leased.first == Numbers{NFNL_MSG_BATCH_BEGIN, NFT_MSG_DELSETELEM, NFT_MSG_DELSETELEM, NFT_MSG_NEWSETELEM, NFNL_MSG_BATCH_END});
  CHECK(leased.second == "awake");
  CHECK(types(Operation::kCreate).second == "awake");
  CHECK(types(Operation::kRemove).first == Numbers{NFNL_MSG_BATCH_BEGIN, NFT_MSG_DELSETELEM, NFNL_MSG_BATCH_END});
  CHECK(types(Operation::kRemove).second == "lease4");
  element.timeout.reset();
  CHECK(types(Operation::kCreate).first == Numbers{NFNL_MSG_BATCH_BEGIN, NFT_MSG_NEWSETELEM, NFNL_MSG_BATCH_END});
}

TEST_CASE("a lease is told in milliseconds") {
  const NftSet set{.key = Name("lease4"), .type = Type::kIpv4, .timeouts = true};
  const Step step{.object = NftElement{.key = {.set = set.key, .first = Ip(1), .last = Ip(1)},
                                       .value = {},
                                       .timeout = std::chrono::seconds(15)}};
  NftKnown known{.sets = {{set.key, set}}};
  NftBatch batch(1, 7);
  REQUIRE(Encode({&step, 1}, known, batch).has_value());
  const auto messages = Messages(batch.Finish());
  auto list = Attributes::OfMessage(messages[2]).Nested(NFTA_SET_ELEM_LIST_ELEMENTS).bytes();
  const auto element = NextAttribute(list);
  REQUIRE(element.has_value());
  CHECK(Attributes(element->value).U64(NFTA_SET_ELEM_TIMEOUT) == 15'000u);
}

TEST_CASE(
    "a range is encoded with the value behind its last one as end, and without one where there is none") {
  const NftSet set{.key = Name("net4"), .type = Type::kIpv4, .intervals = true};
  for (const auto& [last, count] : {std::pair{0xfffffffeu, 2}, std::pair{0xffffffffu, 1}}) {
    const Step step{.object = NftElement{.key = {.set = set.key, .first = Ip(0x0a000000), .last = Ip(last)}}};
    NftKnown known{.sets = {{set.key, set}}};
    NftBatch batch(1, 7);
    REQUIRE(Encode({&step, 1}, known, batch).has_value());
    auto rest =
        Attributes::OfMessage(Messages(batch.Finish())[1]).Nested(NFTA_SET_ELEM_LIST_ELEMENTS).bytes();
    int found = 0;
    while (NextAttribute(rest)) ++found;
    CHECK(found == count);
  }
}

}  // namespace egressd::kernel
