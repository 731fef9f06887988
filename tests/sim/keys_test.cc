// Orders about the key ring, one by one, and what comes of them on every node.
#include <doctest/doctest.h>

#include "sim/key_cluster.h"

namespace egressd::sim {
namespace {

using Action = KeyAction;

}  // namespace

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
