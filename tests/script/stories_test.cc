// Stories, word for word: what a small cluster says while something happens to it. Each one has a transcript in golden/; with
// EGRESSD_REWRITE=1 the transcripts are written instead of compared.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "sim/world.h"

namespace egressd::sim {
namespace {

constexpr const char* kPolicy = R"(version: 1
pools:
  public: {ipv4: [203.0.113.10-203.0.113.19]}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}
policies:
  mailer: {from: {cidr: 10.1.0.0/24}, egress_ip: 203.0.113.10}
  crawler: {from: {cidr: 10.2.0.0/24}, egress_ip: 203.0.113.11}
)";

constexpr const char* kOtherPolicy = R"(version: 1
pools:
  public: {ipv4: [203.0.113.10-203.0.113.19]}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: public}
policies:
  mailer: {from: {cidr: 10.1.0.0/24}, egress_ip: 203.0.113.12}
)";

// One story: a world of two gateways and a worker, and everything that is said.
struct Story {
  World world{1};
  std::string transcript;
  Story() {
    world.log = [this](const std::string& line) { transcript += line + "\n"; };
    world.Add("gw1", 1, {{"role", "gateway"}}, {"10.0.0.1", "10.0.0.2"});
    world.Add("gw2", 2, {{"role", "gateway"}}, {"10.0.0.1", "10.0.0.2"});
    world.Add("app", 3, {}, {"10.0.0.1", "10.0.0.2"});
  }
  void Say(const std::string& text) { transcript += "\n# " + text + "\n"; }
  void StartAll() {
    Say("everybody starts");
    for (const char* name : {"gw1", "gw2", "app"}) world.Start(name);
    world.Run(Seconds(3));
  }
  void Apply(const std::string& node, std::uint64_t request, const std::string& text) {
    world.Input(node, agent::ApplyPolicy{.request = request, .text = text, .actor = "root"});
  }
  std::string HolderOf(const std::string& address) {
    std::string holder;
    for (auto& [name, node] : world.nodes()) {
      if (node.agent && node.Held().contains(Ip(address))) holder += (holder.empty() ? "" : " and ") + name;
    }
    return holder;
  }
  // The two stories that the others begin with.
  void Begin() {
    StartAll();
    Say("a policy is applied on the worker");
    Apply("app", 1, kPolicy);
    world.Run(Seconds(6));
  }
};

void Compare(const Story& story, const std::string& name) {
  CHECK(story.world.broken.empty());
  const std::string path = std::string(EGRESSD_TEST_DATA) + "/golden/" + name + ".txt";
  if (std::getenv("EGRESSD_REWRITE") != nullptr) {
    std::ofstream(path) << story.transcript;
    return;
  }
  std::ifstream file(path);
  std::stringstream expected;
  expected << file.rdbuf();
  CHECK(story.transcript == expected.str());
}

}  // namespace

TEST_CASE("a cluster starts and gets its first policy") {
  Story story;
  story.Begin();
  CHECK(story.HolderOf("203.0.113.10") != "");
  CHECK(story.HolderOf("203.0.113.10") != story.HolderOf("203.0.113.11"));
  for (auto& [name, node] : story.world.nodes()) CHECK(node.agent->status().generation == 1);
  story.Say("the same file again writes nothing");
  const std::uint64_t revision = story.world["app"].agent->revision();
  story.Apply("app", 2, kPolicy);
  CHECK(story.world["app"].agent->revision() == revision);
  Compare(story, "first_policy");
}

TEST_CASE("a holder dies and another one takes over") {
  Story story;
  story.Begin();
  const std::string holder = story.HolderOf("203.0.113.10");
  story.Say("the holder of 203.0.113.10 crashes");
  story.world.Crash(holder);
  const Time crashed = story.world.now();
  CHECK(story.world.RunUntil(Seconds(6), [&] { return story.HolderOf("203.0.113.10") != ""; }));
  CHECK(story.HolderOf("203.0.113.10") != holder);
  CHECK(story.world.now() - crashed <= Seconds(4.8));
  story.world.Run(Seconds(5));
  story.Say("it comes back: nothing moves");
  story.world.Start(holder);
  story.world.Run(Seconds(6));
  CHECK(story.HolderOf("203.0.113.10") == story.HolderOf("203.0.113.11"));
  CHECK(story.HolderOf("203.0.113.10") != holder);
  Compare(story, "takeover");
}

TEST_CASE("a daemon that is back within two seconds keeps what it holds") {
  Story story;
  story.Begin();
  const std::string holder = story.HolderOf("203.0.113.10");
  story.Say("the daemon of the holder of 203.0.113.10 is killed");
  story.world.Kill(holder);
  story.world.Run(Seconds(2));
  story.Say("and started again");
  story.world.Start(holder);
  story.world.Run(Seconds(8));
  CHECK(story.HolderOf("203.0.113.10") == holder);
  CHECK(story.transcript.find("no longer has") == std::string::npos);
  CHECK(story.transcript.find("member.dead") == std::string::npos);
  Compare(story, "restart");
}

TEST_CASE("a daemon that lost its memory keeps what it holds as well: the others remember") {
  Story story;
  story.Begin();
  const std::string holder = story.HolderOf("203.0.113.10");
  story.Say("the daemon of the holder of 203.0.113.10 is killed and its state directory lost");
  story.world.Kill(holder);
  story.world[holder].disk.clear();
  story.world.Run(Seconds(1));
  story.world.Start(holder);
  story.world.Run(Seconds(6));
  CHECK(story.HolderOf("203.0.113.10") == holder);
  CHECK(story.world[holder].agent->status().generation == 1);
  Compare(story, "restart_without_memory");
}

TEST_CASE("a node that leaves hands over at once") {
  Story story;
  story.Begin();
  const std::string holder = story.HolderOf("203.0.113.10");
  story.Say("the holder of 203.0.113.10 leaves");
  story.world.Input(holder, agent::Leave{});
  CHECK(story.world.RunUntil(Seconds(0.1), [&] { return story.HolderOf("203.0.113.10") != ""; }));
  CHECK(story.HolderOf("203.0.113.10") != holder);
  story.world.Kill(holder);
  story.world.Run(Seconds(6));
  CHECK(story.transcript.find("member.dead") == std::string::npos);
  Compare(story, "leave");
}

TEST_CASE("two applies at once on two nodes end in one policy everywhere") {
  Story story;
  story.Begin();
  story.Say("two different policies are applied at the same time");
  story.Apply("app", 2, kOtherPolicy);
  story.Apply("gw1", 3, std::string(kOtherPolicy) + "  crawler: {from: {cidr: 10.2.0.0/24}, action: direct}\n");
  story.world.Run(Seconds(4));
  std::set<std::string> digests;
  for (auto& [name, node] : story.world.nodes()) {
    digests.insert(node.agent->status().digest);
    CHECK(node.agent->status().generation == 2);
  }
  CHECK(digests.size() == 1);
  CHECK(story.HolderOf("203.0.113.10") == "");
  CHECK(story.HolderOf("203.0.113.12") != "");
  Compare(story, "two_applies");
}

TEST_CASE("a policy that the kernel refuses leaves the former one in force") {
  Story story;
  story.Begin();
  const state::State before = story.world["app"].kernel.state;
  story.Say("the kernel of the worker refuses everything");
  story.world["app"].kernel_refuses = true;
  story.Apply("app", 2, kOtherPolicy);
  REQUIRE(story.world["app"].results.back().error);
  CHECK(story.world["app"].results.back().error->message == "no buffer space available");
  story.world["app"].kernel_refuses = false;
  story.world.Run(Seconds(6));
  CHECK(story.world["app"].kernel.state == before);
  for (auto& [name, node] : story.world.nodes()) CHECK(node.agent->status().generation == 1);
  Compare(story, "refused");
}

}  // namespace egressd::sim
