// Every kind of object goes into the real kernel and comes back as it was.
#include "kernel/nft_fixture.h"

namespace egressd::kernel::test {
namespace {

using Type = NftSet::Type;

State EverySetType() {
  auto state = WithTable();
  AddSet(state, "addresses4", Type::kIpv4);
  AddElement(state, "addresses4", Ip("0.0.0.0"));
  AddElement(state, "addresses4", Ip("255.255.255.255"));
  AddSet(state, "addresses6", Type::kIpv6);
  AddElement(state, "addresses6", Ip("2001:db8::1"));
  AddSet(state, "marks", Type::kMark);
  AddElement(state, "marks", NftBytes::Mark(7));
  AddElement(state, "marks", NftBytes::Mark(0x80000001));
  AddSet(state, "devices", Type::kInterface);
  AddElement(state, "devices", NftBytes::InterfaceName("eth0"));
  AddSet(state, "sources4", Type::kMarkIpv4);
  AddElement(state, "sources4", NftBytes::Concat({NftBytes::Mark(5), Ip("192.0.2.7")}));
  AddSet(state, "sources6", Type::kMarkIpv6);
  AddElement(state, "sources6", NftBytes::Concat({NftBytes::Mark(5), Ip("2001:db8::7")}));
  AddSet(state, "exact_ports", Type::kProtocolPort);
  AddElement(state, "exact_ports", NftBytes::Concat({NftBytes::Byte(6), NftBytes::Port(443)}));
  AddIntervalSet(state, "origins4", Type::kMacIpv4);
  AddIntervalSet(state, "origins6", Type::kMacIpv6);
  const NftBytes mac = NftBytes::Of(MacAddress{.bytes = {0xee, 0x67, 198, 19, 0, 1}});
  AddRange(state, "origins4", NftBytes::Concat({mac, Ip("172.17.0.0")}), NftBytes::Concat({mac, Ip("172.17.255.255")}));
  AddRange(state, "origins6", NftBytes::Concat({mac, Ip("fd00:17::")}), NftBytes::Concat({mac, Ip("fd00:17::ffff")}));
  AddSet(state, "empty", Type::kIpv4);
  return state;
}

NftBytes ProtocolPort(std::uint8_t protocol, std::uint16_t port) {
  return NftBytes::Concat({NftBytes::Byte(protocol), NftBytes::Port(port)});
}

}  // namespace

TEST_CASE("nft: sets of every type come back as they were committed") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  CheckReaches(nft, EverySetType());
}

TEST_CASE("nft: maps to marks, addresses and verdicts come back as they were committed") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  AddChain(state, "class_1", {});
  AddSet(state, "src4", Type::kIpv4, Type::kMark);
  AddElement(state, "src4", Ip("172.17.0.2"), NftBytes::Mark(0x80001234));
  AddSet(state, "nexthop", Type::kMark, Type::kMark);
  AddElement(state, "nexthop", NftBytes::Mark(1), NftBytes::Mark(0x02000001));
  AddSet(state, "snat4", Type::kMark, Type::kIpv4);
  AddElement(state, "snat4", NftBytes::Mark(1), Ip("203.0.113.9"));
  AddSet(state, "snat6", Type::kMark, Type::kIpv6);
  AddElement(state, "snat6", NftBytes::Mark(1), Ip("2001:db8::9"));
  AddSet(state, "classes", Type::kMark, Type::kVerdict);
  AddElement(state, "classes", NftBytes::Mark(1),
             NftVerdict{.code = NftVerdict::Code::kGoto, .chain = "class_1"});
  AddElement(state, "classes", NftBytes::Mark(2),
             NftVerdict{.code = NftVerdict::Code::kJump, .chain = "class_1"});
  AddElement(state, "classes", NftBytes::Mark(3), NftVerdict{.code = NftVerdict::Code::kDrop});
  AddElement(state, "classes", NftBytes::Mark(4), NftVerdict{.code = NftVerdict::Code::kAccept});
  AddElement(state, "classes", NftBytes::Mark(5), NftVerdict{.code = NftVerdict::Code::kReturn});
  AddIntervalSet(state, "net4", Type::kIpv4, Type::kMark);
  AddRange(state, "net4", Ip("10.0.0.0"), Ip("10.255.255.255"), NftBytes::Mark(1));
  AddRange(state, "net4", Ip("11.0.0.0"), Ip("11.0.0.5"), NftBytes::Mark(2));
  CheckReaches(nft, state);

  // Another value for the same key, in one batch with a chain that goes.
  AddElement(state, "classes", NftBytes::Mark(1), NftVerdict{.code = NftVerdict::Code::kDrop});
  AddElement(state, "classes", NftBytes::Mark(2), NftVerdict{.code = NftVerdict::Code::kDrop});
  AddElement(state, "src4", Ip("172.17.0.2"), NftBytes::Mark(9));
  AddRange(state, "net4", Ip("10.0.0.0"), Ip("10.255.255.255"), NftBytes::Mark(3));
  state.chains.clear();
  CheckReaches(nft, state);
}

TEST_CASE("nft: intervals keep their bounds, also where number spaces end and where ranges touch") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  AddIntervalSet(state, "all4", Type::kIpv4);
  AddRange(state, "all4", Ip("0.0.0.0"), Ip("255.255.255.255"));
  AddIntervalSet(state, "all6", Type::kIpv6);
  AddRange(state, "all6", Ip("::"), Ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  AddIntervalSet(state, "some4", Type::kIpv4);
  AddRange(state, "some4", Ip("0.0.0.0"), Ip("0.0.0.0"));
  AddRange(state, "some4", Ip("10.0.0.0"), Ip("10.0.0.255"));
  AddRange(state, "some4", Ip("10.0.1.0"), Ip("10.0.1.0"));
  AddRange(state, "some4", Ip("10.0.1.1"), Ip("10.0.255.255"));
  AddRange(state, "some4", Ip("192.0.2.0"), Ip("192.0.2.9"));
  AddRange(state, "some4", Ip("255.255.255.255"), Ip("255.255.255.255"));
  AddIntervalSet(state, "some6", Type::kIpv6);
  AddRange(state, "some6", Ip("2001:db8::"), Ip("2001:db8::ffff"));
  AddRange(state, "some6", Ip("2001:db8::1:0"), Ip("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
  AddRange(state, "some6", Ip("ff00::"), Ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  CheckReaches(nft, state);

  SUBCASE("a range grows, another shrinks, one between two others goes") {
    state.elements.erase({.set = Name("some4"), .first = Ip("10.0.1.0"), .last = Ip("10.0.1.0")});
    state.elements.erase({.set = Name("some4"), .first = Ip("192.0.2.0"), .last = Ip("192.0.2.9")});
    AddRange(state, "some4", Ip("192.0.2.0"), Ip("192.0.2.10"));
    state.elements.erase({.set = Name("some4"), .first = Ip("10.0.0.0"), .last = Ip("10.0.0.255")});
    AddRange(state, "some4", Ip("10.0.0.0"), Ip("10.0.0.127"));
    CheckReaches(nft, state);
  }
  SUBCASE("everything is split in two") {
    state.elements.erase({.set = Name("all4"), .first = Ip("0.0.0.0"), .last = Ip("255.255.255.255")});
    AddRange(state, "all4", Ip("0.0.0.0"), Ip("127.255.255.255"));
    AddRange(state, "all4", Ip("128.0.0.0"), Ip("255.255.255.255"));
    CheckReaches(nft, state);
  }
  SUBCASE("all elements go and the sets stay") {
    state.elements.clear();
    CheckReaches(nft, state);
  }
}

TEST_CASE("nft: ranges of ports of a protocol keep their bounds") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  AddIntervalSet(state, "ports", Type::kProtocolPort);
  AddRange(state, "ports", ProtocolPort(6, 0), ProtocolPort(6, 1023));
  AddRange(state, "ports", ProtocolPort(6, 1024), ProtocolPort(6, 1024));
  AddRange(state, "ports", ProtocolPort(17, 53), ProtocolPort(17, 53));
  AddRange(state, "ports", ProtocolPort(17, 60000), ProtocolPort(17, 65535));
  CheckReaches(nft, state);
  state.elements.erase({.set = Name("ports"), .first = ProtocolPort(6, 0), .last = ProtocolPort(6, 1023)});
  AddRange(state, "ports", ProtocolPort(6, 0), ProtocolPort(6, 1022));
  CheckReaches(nft, state);
}

TEST_CASE("nft: overlapping ranges are refused by name") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  AddIntervalSet(state, "net4", Type::kIpv4);
  AddRange(state, "net4", Ip("10.0.0.0"), Ip("10.255.255.255"));
  AddRange(state, "net4", Ip("10.1.0.0"), Ip("10.1.0.255"));
  AddRange(state, "net4", Ip("11.0.0.0"), Ip("11.0.0.255"));
  const auto done = Reach(nft, state);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().kind == ErrorKind::kSystem);
  CHECK_MESSAGE(done.error().message.find("net4 0a010000-0a0100ff") != std::string::npos,
                done.error().message);
  CHECK(Observe(nft).tables.empty());
}

TEST_CASE("nft: base chains of every type and hook come back as they were committed") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  AddBaseChain(state, "raw_prerouting", {.point = NftHook::Point::kPrerouting, .priority = -300}, {});
  AddBaseChain(state, "input", {.point = NftHook::Point::kInput, .priority = -10}, {});
  AddBaseChain(state, "forward", {.point = NftHook::Point::kForward, .priority = -150}, {});
  AddBaseChain(state, "output",
               {.type = NftHook::Type::kRoute, .point = NftHook::Point::kOutput, .priority = -150}, {});
  AddBaseChain(state, "nat",
               {.type = NftHook::Type::kNat, .point = NftHook::Point::kPostrouting, .priority = 90}, {});
  AddBaseChain(state, "leave", {.point = NftHook::Point::kPostrouting, .priority = 300}, {});
  AddChain(state, "dispatch", {});
  Put(state.counters, NftCounter{.key = Name("no_gateway")});
  CheckReaches(nft, state);

  SUBCASE("a chain changes its priority") {
    AddBaseChain(state, "input", {.point = NftHook::Point::kInput, .priority = -11},
                 {Rule("accept", {NftVerdict{.code = NftVerdict::Code::kAccept}})});
    CheckReaches(nft, state);
  }
  SUBCASE("everything but the table goes") { CheckReaches(nft, WithTable()); }
  SUBCASE("the table goes with all that is in it") { CheckReaches(nft, State{}); }
}

TEST_CASE("nft: rules with every expression are accepted and recognised by their digest") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  Put(state.counters, NftCounter{.key = Name("seen")});
  AddSet(state, "src4", Type::kIpv4, Type::kMark);
  AddSet(state, "nexthop", Type::kMark, Type::kMark);
  AddSet(state, "classes", Type::kMark, Type::kVerdict);
  AddSet(state, "snat4", Type::kMark, Type::kIpv4);
  AddSet(state, "snat6", Type::kMark, Type::kIpv6);
  AddSet(state, "sources4", Type::kMarkIpv4);
  AddIntervalSet(state, "ports", Type::kProtocolPort);
  AddSet(state, "devices", Type::kInterface);
  AddIntervalSet(state, "origins4", Type::kMacIpv4);
  const NftBytes low_half = NftBytes::Mark(0xffff), nothing = NftBytes::Mark(0);
  AddChain(state, "other", {});
  AddBaseChain(
      state, "prerouting", {.priority = -150},
      {
          Rule("iifname egressd0 goto other",
               {NftMeta{.key = NftMeta::Key::kIifname},
                NftCompare{.value = NftBytes::InterfaceName("egressd0")},
                NftVerdict{.code = NftVerdict::Code::kGoto, .chain = "other"}}),
          Rule("ct direction reply return",
               {NftCt{.key = NftCt::Key::kDirection}, NftCompare{.value = NftBytes::Byte(1)},
                NftVerdict{.code = NftVerdict::Code::kReturn}}),
          Rule("ct state invalid,untracked counter drop",
               {NftCt{.key = NftCt::Key::kState},
                NftBitwise{.mask = NftBytes::Mark(kCtStateInvalid | kCtStateUntracked), .xor_ = nothing},
                NftCompare{.value = nothing, .negate = true}, NftCount{.counter = "seen"},
                NftVerdict{.code = NftVerdict::Code::kDrop}}),
          // nft 1.0.6 cannot list a rule that puts the result of a map straight into another lookup; the mark
          // is loaded once more.
          Rule("two lookups in one rule: ct mark set ip saddr map @src4, meta mark set ct mark & 0xffff map "
               "@nexthop",
               {NftMeta{.key = NftMeta::Key::kNfproto}, NftCompare{.value = NftBytes::Byte(2)},
                NftPayload{.offset_bytes = 12, .length_bytes = 4},
                NftLookup{.set = "src4", .result = NftLookup::Result::kValue},
                NftCt{.key = NftCt::Key::kMark, .store = true}, NftCt{.key = NftCt::Key::kMark},
                NftBitwise{.mask = low_half, .xor_ = nothing},
                NftLookup{.set = "nexthop", .result = NftLookup::Result::kValue}, NftMeta{.store = true}}),
          Rule("ct mark vmap @classes", {NftCt{.key = NftCt::Key::kMark},
                                         NftLookup{.set = "classes", .result = NftLookup::Result::kVerdict}}),
          Rule("meta mark set 0xfe000000",
               {NftImmediate{.value = NftBytes::Mark(0xfe000000)}, NftMeta{.store = true}}),
          Rule("meta l4proto . th dport @ports",
               {NftMeta{.key = NftMeta::Key::kL4proto},
                NftPayload{
                    .base = NftPayload::Base::kTransport, .offset_bytes = 2, .length_bytes = 2, .reg = 9},
                NftLookup{.set = "ports"}}),
          Rule("ct mark . ip saddr not in @sources4",
               {NftCt{.key = NftCt::Key::kMark}, NftPayload{.offset_bytes = 12, .length_bytes = 4, .reg = 9},
                NftLookup{.set = "sources4", .negate = true}}),
          Rule("ct mark set jhash ip saddr mod 128 seed 0x1234",
               {NftPayload{.offset_bytes = 12, .length_bytes = 4},
                NftHash{.length_bytes = 4, .modulus = 128, .seed = 0x1234}, NftCt{.key = NftCt::Key::kMark, .store = true}}),
          Rule("ct mark set numgen inc mod 128", {NftTurn{.modulus = 128}, NftCt{.key = NftCt::Key::kMark, .store = true}}),
          Rule("ether saddr . ip saddr in @origins4",
               {NftMeta{.key = NftMeta::Key::kNfproto}, NftCompare{.value = NftBytes::Byte(2)},
                NftPayload{.base = NftPayload::Base::kLink, .offset_bytes = 6, .length_bytes = 6},
                NftPayload{.offset_bytes = 12, .length_bytes = 4, .reg = 10}, NftLookup{.set = "origins4"}}),
          Rule("iifname @devices jump other",
               {NftMeta{.key = NftMeta::Key::kIifname}, NftLookup{.set = "devices"},
                NftVerdict{.code = NftVerdict::Code::kJump, .chain = "other"}}),
      });
  AddBaseChain(state, "raw", {.priority = -300}, {Rule("notrack", {NftNotrack{}})});
  AddBaseChain(
      state, "forward", {.point = NftHook::Point::kForward, .priority = -150},
      {Rule("tcp flags syn / syn,rst; tcp option maxseg size set 1410",
            {NftMeta{.key = NftMeta::Key::kOifname}, NftCompare{.value = NftBytes::InterfaceName("egressd0")},
             NftMeta{.key = NftMeta::Key::kL4proto}, NftCompare{.value = NftBytes::Byte(6)},
             NftPayload{.base = NftPayload::Base::kTransport, .offset_bytes = 13, .length_bytes = 1},
             NftBitwise{.mask = NftBytes::Byte(2), .xor_ = NftBytes::Byte(0)},
             NftCompare{.value = NftBytes::Byte(0), .negate = true}, NftClampMss{.mss_bytes = 1410}})});
  AddBaseChain(
      state, "nat", {.type = NftHook::Type::kNat, .point = NftHook::Point::kPostrouting, .priority = 90},
      {Rule("snat ip to ct mark map @snat4",
            {NftMeta{.key = NftMeta::Key::kNfproto}, NftCompare{.value = NftBytes::Byte(2)},
             NftCt{.key = NftCt::Key::kMark}, NftLookup{.set = "snat4", .result = NftLookup::Result::kValue},
             NftSnat{}}),
       Rule("snat ip6 to ct mark map @snat6",
            {NftMeta{.key = NftMeta::Key::kNfproto}, NftCompare{.value = NftBytes::Byte(10)},
             NftCt{.key = NftCt::Key::kMark}, NftLookup{.set = "snat6", .result = NftLookup::Result::kValue},
             NftSnat{.family = Family::kIpv6}}),
       Rule("snat ip to 203.0.113.1", {NftImmediate{.value = Ip("203.0.113.1")}, NftSnat{}})});
  CheckReaches(nft, state);

  // What was observed carries the digests, in the order of the rules.
  const auto chains = Observe(nft).chains;
  const auto& observed = chains.at(Name("prerouting")).rules;
  const auto& desired = state.chains.at(Name("prerouting")).rules;
  REQUIRE(observed.size() == desired.size());
  for (std::size_t i = 0; i < observed.size(); ++i) CHECK(observed[i].digest == desired[i].digest);

  SUBCASE("a rule is put in front, others change: the chain is replaced as a whole") {
    auto& rules = state.chains.at(Name("prerouting")).rules;
    rules.insert(rules.begin(), Rule("accept", {NftVerdict{.code = NftVerdict::Code::kAccept}}));
    rules.pop_back();
    CheckReaches(nft, state);
  }
  SUBCASE("a chain, its rules and the sets that they look into go in one batch") {
    state.chains.erase(Name("prerouting"));
    for (const auto* set : {"src4", "nexthop", "classes", "ports", "sources4"}) state.sets.erase(Name(set));
    CheckReaches(nft, state);
  }
  SUBCASE("a set is replaced by one of another structure, with the chain that uses it") {
    AddIntervalSet(state, "src4", Type::kIpv4, Type::kMark);
    AddRange(state, "src4", Ip("10.0.0.0"), Ip("10.0.0.9"), NftBytes::Mark(1));
    state.chains.at(Name("prerouting")).rules.pop_back();
    CheckReaches(nft, state);
  }
}

TEST_CASE("nft: limits, and the maps to them, come back as they were committed") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  Put(state.limits, NftLimit{.key = Name("out_web"), .rate_bytes = 100'000'000});
  Put(state.limits, NftLimit{.key = Name("in_web"), .rate_bytes = 12'500'000'000, .extra_bytes = 4'250'000'000});
  Put(state.limits, NftLimit{.key = Name("slow"), .rate_bytes = 1000, .extra_bytes = 130'072});
  Put(state.counters, NftCounter{.key = Name("over_limit")});
  AddSet(state, "limit_out", Type::kMark, Type::kLimit);
  for (const std::uint32_t id : {1u, 2u}) AddElement(state, "limit_out", NftBytes::Mark(id), NftLimitName{.name = "out_web"});
  AddElement(state, "limit_out", NftBytes::Mark(3), NftLimitName{.name = "slow"});
  AddBaseChain(state, "leave", {.point = NftHook::Point::kPostrouting, .priority = 300},
               {Rule("limit name ct mark & 0xffff map @limit_out counter name over_limit drop",
                     {NftCt{.key = NftCt::Key::kMark}, NftBitwise{.mask = NftBytes::Mark(0xffff), .xor_ = NftBytes::Mark(0)},
                      NftLimitBy{.map = "limit_out"}, NftCount{.counter = "over_limit"},
                      NftVerdict{.code = NftVerdict::Code::kDrop}})});
  CheckReaches(nft, state);

  SUBCASE("another rate, with everything that refers to it") {
    state.limits.at(Name("out_web")).rate_bytes = 1'000'000;
    CheckReaches(nft, state);
  }
  SUBCASE("an element refers to another limit") {
    AddElement(state, "limit_out", NftBytes::Mark(2), NftLimitName{.name = "slow"});
    CheckReaches(nft, state);
  }
  SUBCASE("a limit goes with its elements") {
    for (const std::uint32_t id : {1u, 2u}) {
      state.elements.erase({.set = Name("limit_out"), .first = NftBytes::Mark(id), .last = NftBytes::Mark(id)});
    }
    state.limits.erase(Name("out_web"));
    CheckReaches(nft, state);
  }
  SUBCASE("limits, map and rule go together") {
    state.limits.clear();
    state.sets.clear();
    state.elements.clear();
    state.chains.clear();
    CheckReaches(nft, state);
  }
  SUBCASE("the table goes with all that is in it") { CheckReaches(nft, State{}); }
}

}  // namespace egressd::kernel::test
