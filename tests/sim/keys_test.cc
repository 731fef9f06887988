// The key ring is changed while datagrams are lost, delayed and repeated, while nodes are killed, paused and cut off: no datagram is ever
// sealed with a key that its receiver does not have. And the ways of orders, one by one.
// EGRESSD_SIM_SEEDS=N runs more universes, EGRESSD_SIM_SEED=N one, EGRESSD_SIM_LOG=1 shows all that it said.
#include <doctest/doctest.h>

#include <cstdlib>

#include "egressd/gossip/seal.h"
#include "sim/world.h"

namespace egressd::sim {
namespace {

using Action = agent::KeyOrder::Action;
constexpr Duration kFaults{50'000'000};
constexpr Duration kBound{30'000'000};

struct Cluster {
  World world;
  std::vector<std::string> lines;
  std::uint64_t last_request = 0;
  std::uint32_t last_key = 100;

  Cluster(std::uint64_t seed, std::size_t size) : world(seed) {
    world.log = [this](const std::string& line) { lines.push_back(line); };
    world.on_wrong_key = [this](const std::string& from, const std::string& to) {
      world.broken.push_back(std::format("{} cannot open what {} sealed", to, from));
      world.Log(to, world.broken.back());
    };
    for (std::size_t i = 1; i <= size; ++i) {
      world.Add(std::string(1, static_cast<char>('a' + i - 1)), static_cast<int>(i), {{"role", "gateway"}}, {"10.0.0.1", "10.0.0.2"});
    }
  }
  void StartAll() {
    for (auto& [name, node] : world.nodes()) world.Start(name);
    REQUIRE(world.RunUntil(Seconds(10), [&] { return EverybodyMet(); }));
  }
  bool EverybodyMet() {
    for (auto& [name, node] : world.nodes()) {
      if (!node.agent) return false;
      const agent::Status status = node.agent->status();
      if (!status.synced || status.nodes.size() != world.nodes().size()) return false;
      if (std::ranges::any_of(status.nodes, [](const auto& other) { return other.state != agent::NodeState::kAlive; })) return false;
    }
    return true;
  }
  gossip::Key NewKey() {
    gossip::Key key;
    ++last_key;
    key.bytes.fill(static_cast<std::uint8_t>(last_key));
    key.bytes[0] = static_cast<std::uint8_t>(last_key >> 8U);  // hundreds in a long universe
    return key;
  }
  std::uint64_t Send(const std::string& name, agent::KeyOrder order) {
    order.request = ++last_request;
    world.Input(name, order);
    return last_request;
  }
  const agent::KeyResult* ResultOf(const std::string& name, std::uint64_t request) {
    const auto& results = world[name].key_results;
    const auto found = std::ranges::find(results, request, &agent::KeyResult::request);
    return found == results.end() ? nullptr : &*found;
  }
  // Carries an order out and waits for what comes of it.
  agent::KeyResult Do(const std::string& name, const agent::KeyOrder& order) {
    const std::uint64_t request = Send(name, order);
    REQUIRE(world.RunUntil(Seconds(20), [&] { return ResultOf(name, request) != nullptr; }));
    return *ResultOf(name, request);
  }
  agent::KeyResult Install(const std::string& name, const gossip::Key& key) {
    return Do(name, {.action = Action::kInstall, .keys = {key}});
  }
  agent::KeyResult Use(const std::string& name, const gossip::Key& key) {
    return Do(name, {.action = Action::kUse, .named = {gossip::FingerprintOf(key)}});
  }
  agent::KeyResult Remove(const std::string& name, const gossip::Key& key) {
    return Do(name, {.action = Action::kRemove, .named = {gossip::FingerprintOf(key)}});
  }
  bool AllHave(const std::vector<gossip::Key>& ring) {
    return std::ranges::all_of(world.nodes(), [&](const auto& entry) { return !entry.second.agent || entry.second.agent->keys() == ring; });
  }
};

gossip::Key FirstKey() {
  gossip::Key key;
  key.bytes.fill(7);
  return key;
}

gossip::Key SecondKey() {
  gossip::Key key;
  key.bytes.fill(8);
  return key;
}

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

TEST_CASE("a rotation changes the key on every node, and the old one opens nothing any more") {
  Cluster cluster(1, 3);
  cluster.StartAll();
  const gossip::Key key = cluster.NewKey();
  gossip::Seal stranger({FirstKey()}, "default", "z", 1, 1);
  CHECK(!cluster.Install("b", key).error);
  CHECK(cluster.AllHave({FirstKey(), key}));
  const agent::KeyResult used = cluster.Use("c", key);
  CHECK(!used.error);
  CHECK(std::ranges::all_of(used.nodes, &agent::KeyNode::follows));
  CHECK(cluster.AllHave({key, FirstKey()}));
  CHECK(!cluster.Remove("a", FirstKey()).error);
  CHECK(cluster.AllHave({key}));
  CHECK(cluster.EverybodyMet());
  CHECK(cluster.world.broken.empty());
  const gossip::Bytes sealed = stranger.Close(gossip::Bytes(40, 1));
  cluster.world.Input("a", agent::Datagram{.from = *Endpoint::Parse("10.0.0.9:7947", 7947), .bytes = sealed});
  CHECK(cluster.world["a"].agent->status().rejected.wrong_key == 1);
  const agent::KeyResult listed = cluster.Do("b", {.action = Action::kList});
  CHECK(listed.ring_number == 3);
  CHECK(listed.ring == std::vector{gossip::FingerprintOf(key)});
  REQUIRE(listed.nodes.size() == 3);
  CHECK(std::ranges::all_of(listed.nodes, &agent::KeyNode::answered));
}

TEST_CASE("the ring outlives a restart of every node, and an edited key file wins over it") {
  Cluster cluster(2, 3);
  cluster.StartAll();
  const gossip::Key key = cluster.NewKey();
  CHECK(!cluster.Install("a", key).error);
  CHECK(!cluster.Use("a", key).error);
  for (const char* name : {"a", "b", "c"}) cluster.world.Kill(name);
  cluster.StartAll();
  CHECK(cluster.AllHave({key, FirstKey()}));
  CHECK(!cluster.Remove("b", FirstKey()).error);
  for (const char* name : {"a", "b", "c"}) {
    cluster.world.Kill(name);
    cluster.world[name].keys = {FirstKey(), SecondKey()};
  }
  cluster.StartAll();
  CHECK(cluster.AllHave({FirstKey(), SecondKey()}));
  CHECK(cluster.world["a"].agent->status().key_ring == 0);
}

TEST_CASE("a dead node stops the use of a new key; it gets the key when it is back, and then the key is used") {
  Cluster cluster(3, 3);
  cluster.StartAll();
  const gossip::Key key = cluster.NewKey();
  cluster.world.Kill("c");
  cluster.world.Run(Seconds(8));
  CHECK(!cluster.Install("a", key).error);
  const agent::KeyResult refused = cluster.Use("a", key);
  REQUIRE(refused.error);
  CHECK(refused.error->message.starts_with("c is dead"));
  CHECK(cluster.AllHave({FirstKey(), key}));
  cluster.world.Start("c");
  REQUIRE(cluster.world.RunUntil(Seconds(20), [&] { return cluster.EverybodyMet() && cluster.AllHave({FirstKey(), key}); }));
  CHECK(!cluster.Use("a", key).error);
  CHECK(cluster.AllHave({key, FirstKey()}));
  CHECK(cluster.world.broken.empty());
}

TEST_CASE("a key is not used before everybody has it, and not removed while it seals anywhere") {
  Cluster cluster(4, 3);
  cluster.StartAll();
  const gossip::Key key = cluster.NewKey();
  CHECK(cluster.Use("a", key).error->kind == ErrorKind::kNotFound);
  CHECK(!cluster.Install("a", key).error);
  CHECK(cluster.Remove("a", FirstKey()).error->kind == ErrorKind::kInvalid);
  // A node that is cut off without being known as dead yet.
  for (const char* name : {"a", "b"}) cluster.world.cuts.insert({name, "c"}), cluster.world.cuts.insert({"c", name});
  const agent::KeyResult refused = cluster.Use("a", key);
  REQUIRE(refused.error);
  CHECK(refused.error->kind == ErrorKind::kUnavailable);
  CHECK(refused.error->message.starts_with("c "));
  CHECK(cluster.AllHave({FirstKey(), key}));
}

TEST_CASE("force goes on without a dead node, which comes back with the key file that the operator gives it") {
  Cluster cluster(5, 3);
  cluster.StartAll();
  const gossip::Key key = cluster.NewKey();
  cluster.world.Kill("c");
  cluster.world.Run(Seconds(8));
  CHECK(!cluster.Install("a", key).error);
  CHECK(!cluster.Do("a", {.action = Action::kUse, .named = {gossip::FingerprintOf(key)}, .force = true}).error);
  CHECK(!cluster.Do("a", {.action = Action::kRemove, .named = {gossip::FingerprintOf(FirstKey())}, .force = true}).error);
  CHECK(cluster.world.broken.empty());
  cluster.world.Start("c");
  cluster.world.Run(Seconds(12));
  CHECK(!cluster.EverybodyMet());
  CHECK(cluster.world["a"].agent->status().rejected.wrong_key > 0);
  cluster.world.Kill("c");
  cluster.world["c"].keys = {key};
  cluster.world.Start("c");
  CHECK(cluster.world.RunUntil(Seconds(20), [&] { return cluster.EverybodyMet() && cluster.AllHave({key}); }));
}

TEST_CASE("a node that starts with the old key file while both keys are installed is understood and gets the ring") {
  Cluster cluster(6, 3);
  cluster.StartAll();
  const gossip::Key key = cluster.NewKey();
  CHECK(!cluster.Install("a", key).error);
  CHECK(!cluster.Use("a", key).error);
  cluster.world.weather.loss = 0.3;
  for (int i = 0; i < 10; ++i) {
    cluster.world.Kill("c");
    cluster.world["c"].key_disk.clear();
    cluster.world.Start("c");
    REQUIRE(cluster.world.RunUntil(Seconds(30), [&] { return cluster.AllHave({key, FirstKey()}); }));
    cluster.world.Run(Seconds(3));
  }
  // What others sent to it before they heard it was lost; what it said never was.
  for (const std::string& rule : cluster.world.broken) CHECK(rule.starts_with("c cannot open"));
  cluster.world.weather = {};
  CHECK(cluster.world.RunUntil(Seconds(10), [&] { return cluster.EverybodyMet(); }));
}

TEST_CASE("of two operators at the same moment at most one changes the ring at a time") {
  Cluster cluster(7, 4);
  cluster.StartAll();
  const gossip::Key one = cluster.NewKey(), two = cluster.NewKey();
  cluster.Send("a", {.action = Action::kInstall, .keys = {one}});
  cluster.Send("d", {.action = Action::kInstall, .keys = {two}});
  cluster.world.Run(Seconds(12));
  const auto& from_a = cluster.world["a"].key_results;
  const auto& from_d = cluster.world["d"].key_results;
  REQUIRE(from_a.size() == 1);
  REQUIRE(from_d.size() == 1);
  std::vector<gossip::Key> expected{FirstKey()};
  if (!from_a[0].error) expected.push_back(one);
  if (!from_d[0].error) expected.push_back(two);
  CHECK(expected.size() <= 2);
  CHECK(cluster.AllHave(expected));
  // The lock does not stay.
  CHECK(!cluster.Install("b", cluster.NewKey()).error);
}

TEST_CASE("nodes whose key files differ in order come to one ring, and nobody is cut off") {
  Cluster cluster(8, 3);
  const gossip::Key other = cluster.NewKey();
  cluster.world["a"].keys = {FirstKey(), other};
  cluster.world["b"].keys = {other, FirstKey()};
  cluster.world["c"].keys = {FirstKey()};
  cluster.StartAll();
  const agent::KeyResult refused = cluster.Use("a", other);
  REQUIRE(refused.error);
  CHECK(refused.error->message.ends_with("is not installed on c"));
  CHECK(!cluster.Install("a", other).error);
  CHECK(cluster.AllHave({FirstKey(), other}));
  CHECK(!cluster.Use("b", other).error);
  CHECK(cluster.AllHave({other, FirstKey()}));
}

}  // namespace egressd::sim
