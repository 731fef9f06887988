// Batches: all or nothing, refused when stale, watched by others, large and small.
#include <poll.h>

#include <chrono>
#include <format>

#include "kernel/nft_fixture.h"

namespace egressd::kernel::test {
namespace {

using Type = NftSet::Type;

bool Readable(const Nft& nft) {
  pollfd waiting{.fd = nft.notification_fd(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) == 1;
}

State WithElements(std::uint32_t count) {
  auto state = WithTable();
  AddSet(state, "src4", Type::kIpv4, Type::kMark);
  for (std::uint32_t i = 0; i < count; ++i) {
    AddElement(state, "src4", NftBytes::Of(IpAddress::Ipv4(0x0a000000 + i)), NftBytes::Mark(i % 1000 + 1));
  }
  return state;
}

}  // namespace

TEST_CASE("nft: nothing there is observed as nothing, and nothing to do is no write") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  CHECK(Observe(nft) == State{});
  CHECK(nft.Commit({}).has_value());
  CHECK_FALSE(nft.TakeNotifications().ours);
}

TEST_CASE(
    "nft: a commit is refused as stale when somebody changed nftables after the observation, and works after "
    "the next") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  Stranger stranger;
  const auto steps = Diff(Observe(nft), WithTable()).cut_over;
  stranger.MakeTable("foreign");
  const auto done = nft.Commit(steps);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().kind == ErrorKind::kStale);
  CHECK_FALSE(stranger.HasTable("egressd"));
  CheckReaches(nft, WithTable());
}

TEST_CASE("nft: several commits after one observation are not stale") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithElements(10);
  CheckReaches(nft, state);
  for (std::uint32_t i = 0; i < 5; ++i) {
    const NftElement element{.key = {.set = Name("src4"),
                                     .first = NftBytes::Of(IpAddress::Ipv4(0x0b000000 + i)),
                                     .last = NftBytes::Of(IpAddress::Ipv4(0x0b000000 + i))},
                             .value = NftBytes::Mark(1)};
    const Step add{.operation = Operation::kCreate, .object = element};
    const auto done = nft.Commit({&add, 1});
    REQUIRE_MESSAGE(done.has_value(), done.error().message);
    Put(state.elements, element);
  }
  const auto gone = state.elements.begin()->second;
  const Step remove{.operation = Operation::kRemove, .object = gone};
  CHECK(nft.Commit({&remove, 1}).has_value());
  state.elements.erase(gone.key);
  CHECK(Diff(Observe(nft), state).empty());
}

TEST_CASE("nft: a refusal half-way changes nothing and names the object") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto state = WithElements(3);
  CheckReaches(nft, state);
  const auto before = Observe(nft);

  SUBCASE("a rule that looks into a set that is not there") {
    AddElement(state, "src4", Ip("10.9.9.9"), NftBytes::Mark(9));
    AddChain(state, "steer",
             {Rule("first", {NftVerdict{.code = NftVerdict::Code::kReturn}}),
              Rule("look @nowhere", {NftMeta{}, NftLookup{.set = "nowhere"}})});
    const auto done = Reach(nft, state);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::kSystem);
    CHECK_MESSAGE(done.error().message.find("chain inet steer") != std::string::npos, done.error().message);
    CHECK_MESSAGE(done.error().message.find("look @nowhere") != std::string::npos, done.error().message);
    CHECK_MESSAGE(done.error().message.find("No such file") != std::string::npos, done.error().message);
  }
  SUBCASE("the one element among many that is wrong") {
    AddSet(state, "classes", Type::kMark, Type::kVerdict);
    AddChain(state, "known", {});
    for (std::uint32_t i = 1; i < 100; ++i) {
      AddElement(state, "classes", NftBytes::Mark(i),
                 NftVerdict{.code = NftVerdict::Code::kGoto, .chain = i == 60 ? "unknown" : "known"});
    }
    const auto done = Reach(nft, state);
    REQUIRE_FALSE(done.has_value());
    CHECK_MESSAGE(done.error().message.find("element inet classes " + NftBytes::Mark(60).ToString()) !=
                      std::string::npos,
                  done.error().message);
    CHECK_MESSAGE(done.error().message.find("unknown") != std::string::npos, done.error().message);
  }
  SUBCASE("an element of a set that nobody knows") {
    const Step step{.object = NftElement{
                        .key = {.set = Name("nowhere"), .first = Ip("10.0.0.1"), .last = Ip("10.0.0.1")}}};
    const auto done = nft.Commit({&step, 1});
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::kInvalid);
    CHECK_MESSAGE(done.error().message.find("nowhere") != std::string::npos, done.error().message);
  }
  SUBCASE("a set that is in use cannot go") {
    AddChain(state, "steer",
             {Rule("ip saddr @src4", {NftPayload{.offset_bytes = 12, .length_bytes = 4},
                                      NftLookup{.set = "src4", .result = NftLookup::Result::kValue}})});
    CheckReaches(nft, state);
    const auto in_use = Observe(nft);
    const Step step{.operation = Operation::kRemove, .object = state.sets.at(Name("src4"))};
    const auto done = nft.Commit({&step, 1});
    REQUIRE_FALSE(done.has_value());
    CHECK_MESSAGE(done.error().message.find("src4") != std::string::npos, done.error().message);
    CHECK(Observe(nft) == in_use);
    return;
  }
  CHECK(Observe(nft) == before);
  // What it learned from a batch that never happened is forgotten.
  CheckReaches(nft, WithElements(5));
}

TEST_CASE("nft: foreign tables are neither seen nor touched") {
  EnterFreshNamespace();
  Stranger stranger;
  stranger.MakeTable("foreign");
  stranger.MakeChain("foreign", "prerouting");
  stranger.AppendRule("foreign", "prerouting");
  auto nft = OpenNft();
  CHECK(Observe(nft) == State{});
  auto state = WithElements(3);
  AddChain(state, "prerouting", {});
  CheckReaches(nft, state);
  CheckReaches(nft, State{});
  CHECK(stranger.HasTable("foreign"));
  CHECK_FALSE(stranger.HasTable("egressd"));
}

TEST_CASE("nft: a foreign change elsewhere is no drift, and the next commit needs no new observation") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  Stranger stranger;
  CheckReaches(nft, WithElements(3));
  (void)nft.TakeNotifications();
  stranger.MakeTable("foreign");
  stranger.MakeChain("foreign", "egressd");
  CHECK(Readable(nft));
  CHECK_FALSE(nft.TakeNotifications().ours);
  CHECK_FALSE(Readable(nft));
  const Step step{
      .object = NftElement{.key = {.set = Name("src4"), .first = Ip("10.9.9.9"), .last = Ip("10.9.9.9")},
                           .value = NftBytes::Mark(1)}};
  const auto done = nft.Commit({&step, 1});
  CHECK_MESSAGE(done.has_value(), done.error().message);
}

TEST_CASE(
    "nft: what somebody does to our table is noticed, makes the next commit stale, and is a difference") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  Stranger stranger;
  auto state = WithElements(3);
  AddBaseChain(state, "prerouting", {.priority = -150},
               {Rule("accept", {NftVerdict{.code = NftVerdict::Code::kAccept}})});
  AddChain(state, "steer", {});
  Put(state.tables, NftTable{.key = {.family = NftFamily::kArp, .name = "egressd"}});
  Put(state.chains, NftChain{.key = {.family = NftFamily::kArp, .name = "neighbours"},
                             .hook = NftHook{.point = NftHook::Point::kOutput, .priority = -10}});
  CheckReaches(nft, state);
  CHECK_FALSE(nft.TakeNotifications().ours);

  SUBCASE("flush ruleset") { stranger.FlushRuleset(); }
  SUBCASE("the table of ARP is gone") { stranger.RemoveTable("egressd", NFPROTO_ARP); }
  SUBCASE("a rule in a chain of the table of ARP") { stranger.AppendRule("egressd", "neighbours", NFPROTO_ARP); }
  SUBCASE("a rule in a chain of ours") { stranger.AppendRule("egressd", "prerouting"); }
  SUBCASE("a chain") { stranger.MakeChain("egressd", "intruder"); }
  SUBCASE("a policy") { stranger.SetPolicyDrop("egressd", "prerouting"); }
  SUBCASE("the table is put to sleep") { stranger.SetTableFlags("egressd", NFT_TABLE_F_DORMANT); }
  SUBCASE("a set of a type that we never make") { stranger.MakeSet("egressd", "intruder", 14, 1); }
  SUBCASE("a set of a type that we do make") { stranger.MakeSet("egressd", "intruder", 7, 4); }

  CHECK(Readable(nft));
  CHECK(nft.TakeNotifications().ours);
  const Step step{
      .object = NftElement{.key = {.set = Name("src4"), .first = Ip("10.9.9.9"), .last = Ip("10.9.9.9")},
                           .value = NftBytes::Mark(1)}};
  const auto done = nft.Commit({&step, 1});
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().kind == ErrorKind::kStale);
  CHECK_FALSE(Diff(Observe(nft), state).empty());
  CheckReaches(nft, state);
  CHECK_FALSE(nft.TakeNotifications().ours);
}

TEST_CASE("nft: the table of another family with our name is nobody's business of ours") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  Stranger stranger;
  CheckReaches(nft, WithElements(3));
  stranger.MakeTable("egressd", NFPROTO_IPV4);
  CHECK_FALSE(nft.TakeNotifications().ours);
  CheckReaches(nft, State{});
  CHECK(stranger.HasTable("egressd", NFPROTO_IPV4));
}

TEST_CASE("nft: what somebody does to leases is noticed, and leases are renewed whatever somebody else changed") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  Stranger stranger;
  auto state = WithTable();
  Put(state.sets, NftSet{.key = Name("lease4"), .type = Type::kIpv4, .timeouts = true});
  CheckReaches(nft, state);
  AddElement(state, "lease4", Ip("203.0.113.10"));
  state.elements.begin()->second.timeout = std::chrono::seconds(100);
  REQUIRE(nft.Wake(std::chrono::seconds(10)).has_value());
  CheckReaches(nft, state);
  const std::vector<Step> leases{{.operation = Operation::kReplace, .object = state.elements.begin()->second}};

  SUBCASE("a change of others, not heard of yet") { stranger.MakeTable("foreign"); }
  SUBCASE("a change of ours") {
    stranger.MakeChain("egressd", "intruder");
    CHECK(nft.TakeNotifications().ours);
  }
  REQUIRE(nft.Wake(std::chrono::seconds(10)).has_value());
  const auto renewed = nft.Renew(leases);
  CHECK_MESSAGE(renewed.has_value(), renewed.error().message);

  stranger.FlushRuleset();
  REQUIRE(nft.Wake(std::chrono::seconds(10)).has_value());
  const auto refused = nft.Renew(leases);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::kExpired);
  CheckReaches(nft, state);
}

TEST_CASE("nft: a set of somebody else with the name of ours that says who is awake is a difference") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  Stranger stranger;
  REQUIRE(nft.Wake(std::chrono::seconds(10)).has_value());
  CHECK(ToString(Diff(Observe(nft), WithTable())) == "");
  CheckReaches(nft, State{});
  CheckReaches(nft, WithTable());
  stranger.MakeSet("egressd", "awake", 7, 4);
  CHECK_FALSE(nft.Wake(std::chrono::seconds(10)).has_value());
  CHECK(ToString(Diff(Observe(nft), WithTable())) == "- set inet awake type ipv4_addr\n");
  CheckReaches(nft, WithTable());
  CHECK(nft.Wake(std::chrono::seconds(10)).has_value());
}

TEST_CASE("nft: 100,000 elements go in with one commit, come back, and one more is a small message") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  const auto state = WithElements(100'000);
  CheckReaches(nft, state);
  CHECK_FALSE(Readable(nft));  // our own change woke nobody
  const auto start = std::chrono::steady_clock::now();
  const Step step{
      .object = NftElement{.key = {.set = Name("src4"), .first = Ip("172.17.0.2"), .last = Ip("172.17.0.2")},
                           .value = NftBytes::Mark(1)}};
  CHECK(nft.Commit({&step, 1}).has_value());
  MESSAGE("one element into a map of 100,000: "
          << std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count()
          << " ms");
  CheckReaches(nft, State{});
}

TEST_CASE("nft: a change of another egressd is noticed as somebody else's") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto other = OpenNft();
  CheckReaches(nft, WithElements(1));
  CHECK_FALSE(nft.TakeNotifications().ours);
  CHECK(other.TakeNotifications().ours);
}

TEST_CASE("nft: lost notifications count as a change of ours") {
  EnterFreshNamespace();
  auto nft = OpenNft();
  auto other = OpenNft();
  const int small = 4096;
  REQUIRE(::setsockopt(nft.notification_fd(), SOL_SOCKET, SO_RCVBUFFORCE, &small, sizeof(small)) == 0);
  Stranger stranger;
  for (int i = 0; i < 200; ++i) stranger.MakeTable(std::format("foreign{}", i).c_str());
  CHECK(nft.TakeNotifications().ours);
  CHECK_FALSE(Readable(nft));
}

}  // namespace egressd::kernel::test
