// `takeover: strict`, rule by rule (src/agent/votes.h): each test fails when its rule is taken away.
#include <doctest/doctest.h>

#include <chrono>

#include "agent/votes.h"
#include "sim/safety.h"

namespace egressd::sim {
namespace {

constexpr const char* kPolicy = R"(version: 1
pools:
  public: {{ipv4: [203.0.113.10-203.0.113.19]}}
gateways:
  edge: {{default: true, nodes: {{labels: {{role: gateway}}}}, pool: public, takeover: {}}}
policies:
  mailer: {{from: {{cidr: 10.1.0.0/24}}, egress_ip: 203.0.113.10}}
)";

// The address is no longer used.
constexpr const char* kPolicyWithout = R"(version: 1
pools:
  public: {ipv4: [203.0.113.10-203.0.113.19]}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: public, takeover: strict}
policies:
  mailer: {from: {cidr: 10.1.0.0/24}, action: drop}
)";

const IpAddress kAddress = Ip("203.0.113.10");
const agent::LeaseTiming kTiming;
constexpr Time kStart{Duration{1'000'000'000}};
constexpr std::uint64_t kElectorate = 7;

agent::LeaseRequest Request(std::uint64_t round, std::vector<gossip::Claim> claims) {
  return {.round = round, .electorate = kElectorate, .claims = std::move(claims)};
}
bool Grants(agent::Voter& voter, Time now, const std::string& node, std::uint64_t round = 1) {
  return !voter.Answer(now, node, Request(round, {{.address = kAddress, .term = 1}}), kElectorate).addresses.empty();
}

const char* NameOf(policy::Takeover takeover) { return takeover == policy::Takeover::kStrict ? "strict" : "immediate"; }

// Gateways and one egress IP, watched all the time.
struct Cluster {
  World world{1};
  Safety safety;
  explicit Cluster(int size, policy::Takeover takeover = policy::Takeover::kStrict) : safety{world, takeover, kTiming.lease} {
    for (int i = 1; i <= size; ++i) {
      world.Add(std::string(1, static_cast<char>('a' + i - 1)), i, {{"role", "gateway"}}, {"10.0.0.1", "10.0.0.2"});
    }
    for (auto& [name, node] : world.nodes()) world.Start(name);
    world.Run(Seconds(8));
    world.Input("a", agent::ApplyPolicy{.request = 1, .text = std::format(kPolicy, NameOf(takeover)), .actor = "root"});
    REQUIRE(world.RunUntil(Seconds(5), [&] { return !Holder().empty(); }));
    world.Run(Seconds(1));
  }
  // Whose kernel answers.
  std::string Holder() {
    std::string holder;
    for (auto& [name, node] : world.nodes()) {
      if (world.Answers(node, kAddress)) holder += name;
    }
    return holder;
  }
  void CutOff(const std::set<std::string>& some) {
    for (const std::string& inside : some) {
      for (auto& [outside, node] : world.nodes()) {
        if (!some.contains(outside)) world.cuts.insert({inside, outside}), world.cuts.insert({outside, inside});
      }
    }
  }
};

}  // namespace

TEST_CASE("strict: a promise outlives the lease that it allowed, by clocks a tenth apart") {
  agent::Voter voter(kStart - Seconds(60), kTiming);
  REQUIRE(Grants(voter, kStart, "a"));
  const Duration longest_lease = kTiming.awake + kTiming.lease;
  CHECK_FALSE(Grants(voter, kStart + longest_lease * 11 / 10, "b"));
  CHECK(Grants(voter, kStart + longest_lease * 13 / 10, "b"));
}

TEST_CASE("strict: a voter that has just started promises nothing for as long as it may have promised before") {
  agent::Voter voter(kStart, kTiming);
  CHECK_FALSE(Grants(voter, kStart + kTiming.Promise() - Duration{1}, "a"));
  CHECK(Grants(voter, kStart + kTiming.Promise(), "a"));
}

TEST_CASE("strict: consent counts only between those who see the same electorate") {
  agent::Voter voter(kStart - Seconds(60), kTiming);
  const agent::LeaseRequest request = Request(1, {{.address = kAddress, .term = 1}});
  CHECK(voter.Answer(kStart, "a", request, kElectorate + 1).addresses.empty());
  agent::Asker asker(kTiming, 0);
  const std::uint64_t round = asker.Begin(kStart, request.claims, kElectorate, 1).round;
  asker.Receive("b", {.round = round, .electorate = kElectorate + 1, .addresses = {kAddress}});
  CHECK(asker.Granted(kStart).empty());
  asker.Receive("b", {.round = round, .electorate = kElectorate, .addresses = {kAddress}});
  CHECK(asker.Granted(kStart) == std::vector{kAddress});
}

TEST_CASE("strict: a round that no longer asks gives the promise back, and an older round does not take it again") {
  agent::Voter voter(kStart - Seconds(60), kTiming);
  REQUIRE(Grants(voter, kStart, "a", 1));
  CHECK_FALSE(Grants(voter, kStart, "b", 1));
  // Whoever leaves sees another electorate than those who stay: giving back does not need the same.
  (void)voter.Answer(kStart, "a", Request(2, {}), kElectorate + 1);
  CHECK_FALSE(Grants(voter, kStart, "a", 1));
  CHECK(Grants(voter, kStart, "b", 2));
}

TEST_CASE("strict: what was granted in a round is of no use after it") {
  agent::Asker asker(kTiming, 0);
  const std::uint64_t round = asker.Begin(kStart, {{.address = kAddress, .term = 1}}, kElectorate, 3).round;
  asker.Receive("a", {.round = round, .electorate = kElectorate, .addresses = {kAddress}});
  CHECK(asker.Granted(kStart).empty());  // one of three is no majority
  asker.Receive("b", {.round = round, .electorate = kElectorate, .addresses = {kAddress}});
  CHECK(asker.Granted(kStart + kTiming.awake - Duration{1}).size() == 1);
  CHECK(asker.Granted(kStart + kTiming.awake).empty());
}

TEST_CASE("strict: a holder that is cut off from the majority stops before another one begins, within the stated time") {
  Cluster cluster(3);
  const std::string holder = cluster.Holder();
  cluster.CutOff({holder});
  const Time cut = cluster.world.now();
  REQUIRE(cluster.world.RunUntil(Seconds(3), [&] { return cluster.Holder().empty(); }));
  CHECK(cluster.world.now() - cut <= kTiming.awake + kTiming.lease);
  REQUIRE(cluster.world.RunUntil(Seconds(8), [&] { return !cluster.Holder().empty(); }));
  CHECK(cluster.Holder() != holder);
  CHECK(cluster.world.now() - cut <= Seconds(4.5) + kTiming.Promise() + 2 * kTiming.round);
  cluster.world.Run(Seconds(10));
  CHECK(cluster.world.broken.empty());
}

TEST_CASE("strict: a renewal that comes late is refused") {
  Cluster cluster(3);
  const std::string holder = cluster.Holder();
  cluster.world[holder].stall = Seconds(6);
  REQUIRE(cluster.world.RunUntil(Seconds(8), [&] { return !cluster.Holder().empty() && cluster.Holder() != holder; }));
  cluster.world.Run(Seconds(10));
  CHECK(cluster.Holder().size() == 1);
  CHECK(cluster.world.broken.empty());
}

TEST_CASE("strict: a commit that comes late is refused") {
  // Who takes over, and when: the same again goes the same way, until that node stands still between its decision and the commit.
  std::string taker;
  Time taken{};
  {
    Cluster cluster(5);
    cluster.world.Crash(cluster.Holder());
    cluster.world.log = [&](const std::string& line) {
      if (taker.empty() && line.contains(" has 203.0.113.10")) taken = cluster.world.now();
    };
    REQUIRE(cluster.world.RunUntil(Seconds(15), [&] { return !cluster.Holder().empty(); }));
    taker = cluster.Holder();
  }
  Cluster cluster(5);
  cluster.world.Crash(cluster.Holder());
  cluster.world.Run(taken - cluster.world.now() - Duration{1});
  REQUIRE(cluster.Holder().empty());
  cluster.world[taker].stall = Seconds(9);
  REQUIRE(cluster.world.RunUntil(Seconds(9), [&] { return !cluster.Holder().empty(); }));
  CHECK(cluster.Holder() != taker);
  cluster.world.Run(Seconds(10));
  CHECK(cluster.Holder().size() == 1);
  CHECK(cluster.world.broken.empty());
}

TEST_CASE("strict: nodes that start again together, cut off from the majority, hold nothing") {
  Cluster cluster(5);
  cluster.CutOff({"a", "b"});
  for (const char* name : {"a", "b"}) cluster.world.Crash(name);
  cluster.world.Run(Seconds(1));
  for (const char* name : {"a", "b"}) cluster.world.Start(name);
  cluster.world.Run(Seconds(15));
  CHECK(cluster.Holder().size() == 1);
  CHECK(std::string("cde").contains(cluster.Holder()));
  CHECK(cluster.world.broken.empty());
  cluster.world.cuts.clear();
  cluster.world.Run(Seconds(20));
  CHECK(cluster.Holder().size() == 1);
}

TEST_CASE("strict: a drained node hands over its last egress IP at once, and without two answering") {
  Cluster cluster(3);
  const std::string holder = cluster.Holder();
  cluster.world.Input(holder, agent::Drain{.on = true});
  REQUIRE(cluster.world.RunUntil(Seconds(1), [&] { return !cluster.Holder().empty() && cluster.Holder() != holder; }));
  CHECK(cluster.world.broken.empty());
}

TEST_CASE("strict: what a policy has given up is given back when the kernel has let go of it, not before") {
  Cluster cluster(3);
  const std::string holder = cluster.Holder();
  std::vector<std::string> others;
  for (const auto& [name, node] : cluster.world.nodes()) {
    if (name != holder) others.push_back(name);
  }
  // The last one does not hear of the new policy, and takes what nobody claims as soon as it hears anything.
  cluster.CutOff({others[1]});
  cluster.world.Run(Seconds(8));
  cluster.world[holder].kernel_refuses = true;
  cluster.world.Input(others[0], agent::ApplyPolicy{.request = 2, .text = kPolicyWithout, .actor = "root"});
  cluster.world.Run(Seconds(0.3));
  REQUIRE(cluster.Holder() == holder);
  cluster.world.cuts.clear();
  cluster.world.Run(Seconds(5));
  CHECK(cluster.world.broken.empty());
  CHECK(cluster.Holder().empty());
}

TEST_CASE("ten minutes of five idle nodes: how long they take") {
  for (const policy::Takeover takeover : {policy::Takeover::kImmediate, policy::Takeover::kStrict}) {
    Cluster cluster(5, takeover);
    const auto begun = std::chrono::steady_clock::now();
    const Time start = cluster.world.now();
    cluster.world.Run(std::chrono::minutes(10));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    MESSAGE(std::format("ten minutes of five idle nodes, {}: {:.2f} s, an hour: {:.2f} s", NameOf(takeover), took.count(),
                        6 * took.count()));
    CHECK(cluster.world.now() - start == std::chrono::minutes(10));
    CHECK(cluster.world.broken.empty());
    CHECK(cluster.Holder().size() == 1);
  }
}

}  // namespace egressd::sim
