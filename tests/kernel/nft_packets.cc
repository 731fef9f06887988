// What the expressions do to real packets, sent over the loopback device of a fresh namespace.
#include "kernel/nft_packets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "kernel/nft_fixture.h"

namespace egressd::kernel::test {
namespace {

using Type = NftSet::Type;

const NftHook kOutput{.point = NftHook::Point::kOutput, .priority = -150};
const NftBytes kLowHalf = NftBytes::Mark(0xffff), kZero = NftBytes::Mark(0);

std::vector<NftExpression> OfFamily(Family family, std::vector<NftExpression> rest) {
  std::vector<NftExpression> all{NftMeta{.key = NftMeta::Key::kNfproto},
                                 NftCompare{.value = NftBytes::Byte(family == Family::kIpv4 ? 2 : 10)}};
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

std::vector<NftExpression> UdpTo(std::uint16_t port, std::vector<NftExpression> rest) {
  std::vector<NftExpression> all{
      NftMeta{.key = NftMeta::Key::kL4proto}, NftCompare{.value = NftBytes::Byte(IPPROTO_UDP)},
      NftPayload{.base = NftPayload::Base::kTransport, .offset_bytes = 2, .length_bytes = 2},
      NftCompare{.value = NftBytes::Port(port)}};
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

void AddCounter(State& state, const char* name) { Put(state.counters, NftCounter{.key = Name(name)}); }

// The way of egressd's own datapath in short: source address → id → chain of the class → next hop, and SNAT
// by id.
State Datapath() {
  auto state = WithTable();
  for (const auto* counter : {"class", "mark_right"}) AddCounter(state, counter);
  AddSet(state, "src4", Type::kIpv4, Type::kMark);
  AddElement(state, "src4", Ip("127.0.0.5"), NftBytes::Mark(0x70007));
  AddSet(state, "src6", Type::kIpv6, Type::kMark);
  AddElement(state, "src6", Ip("::1"), NftBytes::Mark(0x70007));
  AddSet(state, "nexthop", Type::kMark, Type::kMark);
  AddElement(state, "nexthop", NftBytes::Mark(7), NftBytes::Mark(0x02000007));
  AddSet(state, "classes", Type::kMark, Type::kVerdict);
  AddElement(state, "classes", NftBytes::Mark(0x70007),
             NftVerdict{.code = NftVerdict::Code::kGoto, .chain = "class_7"});
  AddSet(state, "snat4", Type::kMark, Type::kIpv4);
  AddElement(state, "snat4", NftBytes::Mark(7), Ip("127.0.0.77"));
  AddSet(state, "snat6", Type::kMark, Type::kIpv6);
  AddElement(state, "snat6", NftBytes::Mark(7), Ip("2001:db8::77"));
  const NftLookup src4{.set = "src4", .result = NftLookup::Result::kValue},
      src6{.set = "src6", .result = NftLookup::Result::kValue};
  const NftCt load{.key = NftCt::Key::kMark}, store{.key = NftCt::Key::kMark, .store = true};
  const NftVerdict dispatch{.code = NftVerdict::Code::kGoto, .chain = "dispatch"};
  AddBaseChain(state, "output", kOutput,
               {Rule("ct mark set ip saddr map @src4 goto dispatch",
                     OfFamily(Family::kIpv4,
                              {NftPayload{.offset_bytes = 12, .length_bytes = 4}, src4, store, dispatch})),
                Rule("ct mark set ip6 saddr map @src6 goto dispatch",
                     OfFamily(Family::kIpv6,
                              {NftPayload{.offset_bytes = 8, .length_bytes = 16}, src6, store, dispatch}))});
  AddChain(state, "dispatch",
           {Rule("ct mark vmap @classes",
                 {load, NftLookup{.set = "classes", .result = NftLookup::Result::kVerdict}})});
  AddChain(state, "class_7",
           {Rule("counter class", {NftCount{.counter = "class"}}),
            Rule("meta mark set ct mark & 0xffff map @nexthop",
                 {load, NftBitwise{.mask = kLowHalf, .xor_ = kZero},
                  NftLookup{.set = "nexthop", .result = NftLookup::Result::kValue}, NftMeta{.store = true}}),
            Rule("meta mark 0x02000007 counter mark_right",
                 {NftMeta{}, NftCompare{.value = NftBytes::Mark(0x02000007)},
                  NftCount{.counter = "mark_right"}})});
  const auto snat = [&](Family family, const char* map) {
    return OfFamily(family,
                    {load, NftBitwise{.mask = kLowHalf, .xor_ = kZero},
                     NftLookup{.set = map, .result = NftLookup::Result::kValue}, NftSnat{.family = family}});
  };
  AddBaseChain(state, "nat",
               {.type = NftHook::Type::kNat, .point = NftHook::Point::kPostrouting, .priority = 90},
               {Rule("snat ip to ct mark & 0xffff map @snat4", snat(Family::kIpv4, "snat4")),
                Rule("snat ip6 to ct mark & 0xffff map @snat6", snat(Family::kIpv6, "snat6"))});
  return state;
}

}  // namespace

TEST_CASE("nft: source maps, verdict maps, marks and SNAT by map do to packets what they say") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  CheckReaches(nft, Datapath());

  CHECK(SendUdp({"127.0.0.5", "127.0.0.1", 5000}) == "127.0.0.77");
  CHECK(nft.CounterPackets("class") == 1);
  CHECK(nft.CounterPackets("mark_right") == 1);
  CHECK(SendUdp({"127.0.0.6", "127.0.0.1", 5001}) ==
        "127.0.0.6");  // not in the map: the rule ends, nothing is translated
  CHECK(SendUdp({"::1", "::1", 5002}) == "2001:db8::77");
  CHECK(nft.CounterPackets("class") == 2);
  CHECK(nft.CounterPackets("mark_right") == 2);
  CHECK(nft.CounterPackets("nowhere") == 0);
}

TEST_CASE("nft: sets of intervals, of ports and of marks with addresses match what lies inside") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  for (const auto* counter : {"net", "port", "pair", "not_pair", "device"}) AddCounter(state, counter);
  AddIntervalSet(state, "net4", Type::kIpv4);
  AddRange(state, "net4", Ip("127.0.1.0"), Ip("127.0.1.255"));
  AddRange(state, "net4", Ip("127.0.2.0"), Ip("255.255.255.255"));
  AddIntervalSet(state, "ports", Type::kProtocolPort);
  AddRange(state, "ports", NftBytes::Concat({NftBytes::Byte(IPPROTO_UDP), NftBytes::Port(6000)}),
           NftBytes::Concat({NftBytes::Byte(IPPROTO_UDP), NftBytes::Port(6001)}));
  AddSet(state, "sources4", Type::kMarkIpv4);
  AddElement(state, "sources4", NftBytes::Concat({NftBytes::Mark(5), Ip("127.0.1.255")}));
  AddSet(state, "devices", Type::kInterface);
  AddElement(state, "devices", NftBytes::InterfaceName("lo"));
  const NftPayload source{.offset_bytes = 12, .length_bytes = 4},
      source_behind{.offset_bytes = 12, .length_bytes = 4, .reg = 9};
  const NftPayload port_behind{
      .base = NftPayload::Base::kTransport, .offset_bytes = 2, .length_bytes = 2, .reg = 9};
  AddBaseChain(
      state, "output", kOutput,
      {Rule("net", OfFamily(Family::kIpv4, {source, NftLookup{.set = "net4"}, NftCount{.counter = "net"}})),
       Rule("port", {NftMeta{.key = NftMeta::Key::kL4proto}, port_behind, NftLookup{.set = "ports"},
                     NftCount{.counter = "port"}}),
       Rule("pair", {NftImmediate{.value = NftBytes::Mark(5)}, source_behind, NftLookup{.set = "sources4"},
                     NftCount{.counter = "pair"}}),
       Rule("not pair", {NftImmediate{.value = NftBytes::Mark(5)}, source_behind,
                         NftLookup{.set = "sources4", .negate = true}, NftCount{.counter = "not_pair"}}),
       Rule("device", {NftMeta{.key = NftMeta::Key::kOifname}, NftLookup{.set = "devices"},
                       NftCount{.counter = "device"}})});
  CheckReaches(nft, state);

  CHECK(SendUdp({"127.0.0.255", "127.0.0.1", 5999}).has_value());
  CHECK(nft.CounterPackets("net") == 0);
  CHECK(nft.CounterPackets("port") == 0);
  CHECK(SendUdp({"127.0.1.0", "127.0.0.1", 6000}).has_value());
  CHECK(SendUdp({"127.0.1.255", "127.0.0.1", 6001}).has_value());
  CHECK(SendUdp({"127.0.2.0", "127.0.0.1", 6002}).has_value());
  CHECK(nft.CounterPackets("net") == 3);
  CHECK(nft.CounterPackets("port") == 2);
  CHECK(nft.CounterPackets("pair") == 1);
  CHECK(nft.CounterPackets("not_pair") == 3);
  CHECK(nft.CounterPackets("device") == 4);
}

CountsByMark CountsOf(Nft& nft, const std::string& set) {
  CountsByMark counts;
  REQUIRE(nft.AddCounts(set, counts).has_value());
  return counts;
}

TEST_CASE("nft: the elements of a set that counts count the packets that find them, and its other changes do not disturb that") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  AddSet(state, "seen", Type::kMark);
  state.sets.at(Name("seen")).counts = true;
  AddElement(state, "seen", NftBytes::Mark(7));
  AddElement(state, "seen", NftBytes::Mark(8));
  AddBaseChain(state, "output", kOutput, {Rule("seen", {NftImmediate{.value = NftBytes::Mark(7)}, NftLookup{.set = "seen"}})});
  CheckReaches(nft, state);
  CHECK(CountsOf(nft, "seen") == CountsByMark{{7, {}}, {8, {}}});
  CHECK(SendUdp({"127.0.0.1", "127.0.0.1", 6000}).has_value());
  CHECK(SendUdp({"127.0.0.1", "127.0.0.1", 6000}).has_value());
  const auto counted = CountsOf(nft, "seen");
  CHECK(counted.at(7).packets == 2);
  CHECK(counted.at(7).bytes >= 2 * (20 + 8));
  CHECK(counted.at(8) == Count{});
  AddElement(state, "seen", NftBytes::Mark(9));
  CheckReaches(nft, state);  // what was counted is no difference
  CHECK(CountsOf(nft, "seen") == CountsByMark{{7, counted.at(7)}, {8, {}}, {9, {}}});
  CountsByMark nothing;
  CHECK(nft.AddCounts("nowhere", nothing).error().kind == ErrorKind::kNotFound);

  // A set that only looks like it, without counters, is not ours.
  state.sets.at(Name("seen")).counts = false;
  CheckReaches(nft, state);
  CHECK(CountsOf(nft, "seen").empty());
}

TEST_CASE("nft: ct state and direction, notrack and drop do to packets what they say") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  for (const auto* counter : {"new", "reply", "untracked"}) AddCounter(state, counter);
  const NftCt load_state{.key = NftCt::Key::kState};
  const auto state_is = [&](std::uint32_t bit, const char* counter) {
    return Rule(counter, {load_state, NftBitwise{.mask = NftBytes::Mark(bit), .xor_ = kZero},
                          NftCompare{.value = kZero, .negate = true}, NftCount{.counter = counter}});
  };
  AddBaseChain(state, "raw_output", {.point = NftHook::Point::kOutput, .priority = -300},
               {Rule("udp dport 5100 notrack", UdpTo(5100, {NftNotrack{}}))});
  AddBaseChain(
      state, "output", kOutput,
      {state_is(kCtStateUntracked, "untracked"), state_is(kCtStateNew, "new"),
       Rule("ct direction reply", {NftCt{.key = NftCt::Key::kDirection},
                                   NftCompare{.value = NftBytes::Byte(1)}, NftCount{.counter = "reply"}}),
       Rule("udp dport 5102 drop", UdpTo(5102, {NftVerdict{.code = NftVerdict::Code::kDrop}}))});
  CheckReaches(nft, state);

  CHECK(SendUdp({"127.0.0.5", "127.0.0.1", 5100}).has_value());
  CHECK(nft.CounterPackets("untracked") == 1);
  CHECK(nft.CounterPackets("new") == 0);
  CHECK(ExchangeUdp({"127.0.0.5", "127.0.0.1", 5101}));
  CHECK(nft.CounterPackets("new") == 1);
  CHECK(nft.CounterPackets("reply") == 1);
  CHECK_FALSE(SendUdp({"127.0.0.5", "127.0.0.1", 5102}).has_value());
}

TEST_CASE("nft: the MSS of a TCP handshake is lowered, never raised") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithTable();
  const auto clamp = [](std::uint16_t mss_bytes) {
    return Rule(
        "clamp",
        {NftMeta{.key = NftMeta::Key::kL4proto}, NftCompare{.value = NftBytes::Byte(IPPROTO_TCP)},
         NftPayload{.base = NftPayload::Base::kTransport, .offset_bytes = 13, .length_bytes = 1},
         NftBitwise{.mask = NftBytes::Byte(2), .xor_ = NftBytes::Byte(0)},
         NftCompare{.value = NftBytes::Byte(0), .negate = true}, NftClampMss{.mss_bytes = mss_bytes}});
  };
  AddBaseChain(state, "output", kOutput, {clamp(1410)});
  CheckReaches(nft, state);
  // What the accepting side may send at once; TCP timestamps take 12 bytes of it.
  CHECK(AcceptedMss({"127.0.0.5", "127.0.0.1", 5200}) == 1410 - 12);
  AddBaseChain(state, "output", kOutput, {clamp(1410), clamp(65535)});
  CheckReaches(nft, state);
  CHECK(AcceptedMss({"127.0.0.5", "127.0.0.1", 5201}) == 1410 - 12);
}

}  // namespace egressd::kernel::test
