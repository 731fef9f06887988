// A universe whose nodes change their keys: orders, and what comes of them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <format>
#include <string>
#include <vector>

#include "egressd/gossip/seal.h"
#include "sim/world.h"

namespace egressd::sim {

using KeyAction = agent::KeyOrder::Action;

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
    return Do(name, {.action = KeyAction::kInstall, .keys = {key}});
  }
  agent::KeyResult Use(const std::string& name, const gossip::Key& key) {
    return Do(name, {.action = KeyAction::kUse, .named = {gossip::FingerprintOf(key)}});
  }
  agent::KeyResult Remove(const std::string& name, const gossip::Key& key) {
    return Do(name, {.action = KeyAction::kRemove, .named = {gossip::FingerprintOf(key)}});
  }
  bool AllHave(const std::vector<gossip::Key>& ring) {
    return std::ranges::all_of(world.nodes(), [&](const auto& entry) { return !entry.second.agent || entry.second.agent->keys() == ring; });
  }
};

inline gossip::Key FirstKey() {
  gossip::Key key;
  key.bytes.fill(7);
  return key;
}

inline gossip::Key SecondKey() {
  gossip::Key key;
  key.bytes.fill(8);
  return key;
}

}  // namespace egressd::sim
