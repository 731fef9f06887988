// The key ring is changed while datagrams are lost, delayed and repeated, while nodes are killed, paused and cut off: no datagram is ever
// sealed with a key that its receiver does not have.
// EGRESSD_SIM_SEEDS=N runs more universes, EGRESSD_SIM_SEED=N one, EGRESSD_SIM_LOG=1 shows all that it said.
#include <doctest/doctest.h>

#include <cstdlib>

#include "sim/key_cluster.h"

namespace egressd::sim {
namespace {

using Action = KeyAction;
constexpr Duration kFaults{50'000'000};
constexpr Duration kBound{30'000'000};

// What an operator does at random moments on random nodes: now and then a whole rotation, step after step, as egressctl does it, now and
// then one step alone; sometimes two operators at once.
class Operator {
 public:
  explicit Operator(Cluster& cluster) : cluster_(&cluster) {}
  void Act() {
    World& world = cluster_->world;
    if (!node_.empty()) {
      const agent::KeyResult* result = cluster_->ResultOf(node_, request_);
      if (result == nullptr) {
        if (world[node_].agent && world.now() < patience_) return;
        node_.clear();  // its daemon died: this operator goes home
      } else {
        if (!result->error && action_ == Action::kInstall) ++installed;
        if (!result->error && action_ == Action::kUse) ++used;
        if (!result->error && action_ == Action::kRemove) ++removed;
        const Action done = action_;
        const bool goes_on = !result->error && done != Action::kRemove && world.random().Chance(0.8);
        if (goes_on) return Order(done == Action::kInstall ? Action::kUse : Action::kRemove);
        node_.clear();
      }
    }
    std::vector<std::string> names;
    for (auto& [name, node] : world.nodes()) {
      if (node.agent && node.agent->status().synced) names.push_back(name);
    }
    if (names.empty()) return;
    node_ = names[world.random().Below(names.size())];
    const std::uint64_t dice = world.random().Below(6);
    Order(dice < 4 ? Action::kInstall : dice == 4 ? Action::kUse : Action::kRemove);
  }
  std::size_t installed = 0, used = 0, removed = 0;

 private:
  void Order(Action action) {
    World& world = cluster_->world;
    if (!world[node_].agent) return node_.clear();
    const std::vector<gossip::Key> ring = world[node_].agent->keys();
    agent::KeyOrder order{.action = action};
    if (action == Action::kInstall) {
      order.keys = {cluster_->NewKey()};
    } else if (action == Action::kUse) {
      order.named = {gossip::FingerprintOf(ring.back())};
    } else {
      for (std::size_t i = 1; i < ring.size(); ++i) order.named.push_back(gossip::FingerprintOf(ring[i]));
    }
    action_ = action;
    patience_ = world.now() + Seconds(30);
    request_ = cluster_->Send(node_, order);
  }
  Cluster* cluster_;
  std::string node_;
  std::uint64_t request_ = 0;
  Action action_ = Action::kList;
  Time patience_{};
};

// One fault of a random kind; whatever it breaks is whole again at `end`. Nobody loses its disk.
void Fault(World& world, Time end) {
  Random& random = world.random();
  std::vector<std::string> names;
  for (const auto& [name, node] : world.nodes()) names.push_back(name);
  const std::string name = names[random.Below(names.size())];
  const Time until = std::min(world.now() + Duration{static_cast<std::int64_t>(100'000 + random.Below(9'000'000))}, end);
  switch (random.Below(6)) {
    case 0:
      world.Kill(name);
      world.At(until, [&world, name] { world.Start(name); });
      break;
    case 1:
      world.Kill(name);
      world.At(std::min(world.now() + Seconds(0.3), end), [&world, name] { world.Start(name); });
      break;
    case 2: world.Pause(name, until - world.now()); break;
    case 3: {
      const std::string other = names[random.Below(names.size())];
      world.cuts.insert({name, other});
      if (random.Chance(0.5)) world.cuts.insert({other, name});
      world.At(until, [&world, name, other] {
        world.cuts.erase({name, other});
        world.cuts.erase({other, name});
      });
      break;
    }
    case 4:
      for (const std::string& other : names) world.cuts.insert({name, other}), world.cuts.insert({other, name});
      world.At(until, [&world] { world.cuts.clear(); });
      break;
    default:
      world.weather.loss = 0.4 * static_cast<double>(random.Below(100)) / 100;
      world.weather.duplication = 0.1;
      world.weather.longest = Duration{static_cast<std::int64_t>(1'000 + random.Below(400'000))};
      world.At(until, [&world] { world.weather = {}; });
      break;
  }
}

struct Counts {
  std::size_t installed = 0, used = 0, removed = 0;
};

// Returns what went wrong, with the log; empty = nothing.
std::string RunSeed(std::uint64_t seed, Counts& counts) {
  Cluster cluster(seed, 2 + seed % 5);
  World& world = cluster.world;
  cluster.StartAll();
  std::vector<Operator> operators(1 + seed % 2, Operator(cluster));
  const Time end = world.now() + kFaults;
  Time fault_at = world.now() + Seconds(2);
  while (world.now() < end) {
    world.Run(Duration{static_cast<std::int64_t>(20'000 + world.random().Below(400'000))});
    for (Operator& one : operators) one.Act();
    if (world.now() < fault_at || world.now() >= end) continue;
    Fault(world, end);
    fault_at = world.now() + Duration{static_cast<std::int64_t>(500'000 + world.random().Below(8'000'000))};
  }
  for (const Operator& one : operators) {
    counts.installed += one.installed;
    counts.used += one.used;
    counts.removed += one.removed;
  }
  world.Run(Duration{2});
  world.cuts.clear();
  world.weather = {};
  for (auto& [name, node] : world.nodes()) world.Start(name);
  std::string wrong;
  if (!world.RunUntil(kBound, [&] { return cluster.EverybodyMet(); })) wrong = "somebody is missing";
  world.Run(Seconds(20));  // orders that are under way end
  if (wrong.empty() && !cluster.AllHave(world["a"].agent->keys())) wrong = "not everybody has the same ring";
  if (wrong.empty()) {  // and a whole rotation works
    const std::vector<gossip::Key> old = world["a"].agent->keys();
    const gossip::Key key = cluster.NewKey();
    const auto step = [&](const agent::KeyResult& result) {
      if (wrong.empty() && result.error) wrong = "rotation at the end: " + result.error->message;
    };
    if (old.size() < gossip::kKeyLimit) {
      step(cluster.Install("a", key));
      step(cluster.Use("a", key));
      for (const gossip::Key& former : old) step(cluster.Remove("a", former));
      if (wrong.empty() && !cluster.AllHave({key})) wrong = "not everybody has the last key alone";
    }
  }
  for (const std::string& rule : world.broken) wrong += (wrong.empty() ? "" : "; ") + rule;
  if (wrong.empty()) return "";
  const std::size_t count = cluster.lines.size();
  const std::size_t shown = std::getenv("EGRESSD_SIM_LOG") != nullptr ? count : std::min<std::size_t>(count, 40);
  std::string text = std::format("seed {}: {}\n", seed, wrong);
  for (auto line = cluster.lines.end() - static_cast<std::ptrdiff_t>(shown); line != cluster.lines.end(); ++line) text += *line + "\n";
  return text;
}

}  // namespace

TEST_CASE("whatever happens while the keys change, no member ever gets a datagram that it cannot open") {
  std::uint64_t first = 1, count = 25;
  if (const char* seeds = std::getenv("EGRESSD_SIM_SEEDS")) count = std::strtoull(seeds, nullptr, 10);
  if (const char* only = std::getenv("EGRESSD_SIM_SEED")) first = std::strtoull(only, nullptr, 10), count = 1;
  Counts counts;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const std::string wrong = RunSeed(seed, counts);
    if (!wrong.empty()) FAIL_CHECK(wrong);
  }
  MESSAGE(counts.installed, " installed, ", counts.used, " used, ", counts.removed, " removed in ", count, " universes");
  if (count < 10) return;
  CHECK(counts.installed > count);  // the orders did do something
  CHECK(counts.used > count / 2);
  CHECK(counts.removed > count / 3);
}

}  // namespace egressd::sim
