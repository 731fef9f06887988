// Never two: looked at whenever a kernel may begin to answer for an egress IP, in the true time of the world, whatever the clocks of its
// nodes show. What is promised:
//
//   strict      1. At no moment the kernels of two nodes answer for an egress IP, whatever the faults are.
//   immediate   2. Two may answer while they do not know of each other. The one that has answered for longer stops within one
//                  announcement's way if it could hear that announcement and act on it: both share the uplink, its process runs and has
//                  synced, it has held the egress IP for kDefended (before that it says again that it is there), it hands nothing over
//                  and its kernel obeys.
//   both        3. A process that is dead or stands still no longer prolongs: its kernel answers for nothing when its lease has run out.
//
// Who hears neither the other's gossip nor its announcements goes on beside it under `immediate`: there is nothing to check.
#pragma once

#include <algorithm>
#include <format>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sim/world.h"

namespace egressd::sim {

class Safety {
 public:
  // Of the gateways of this universe, and the longest lease that its kernels give.
  Safety(World& world, policy::Takeover takeover, Duration lease) : world_(world), takeover_(takeover), lease_(lease) {
    world_.after_commit = [this](const World::Node& node) { Look(node.name); };
    // Who takes an address anew, while its kernel still answers, is new to it again.
    world_.on_note = [this](const World::Node& node, const agent::Note& note) {
      if (note.kind != "ip.taken") return;
      std::map<IpAddress, Time>& since = since_[node.name];
      if (const auto found = since.find(Ip(note.object)); found != since.end()) found->second = world_.now();
    };
  }
  Safety(const Safety&) = delete;
  Safety& operator=(const Safety&) = delete;

  // How often a second node began to answer.
  std::size_t overlaps() const { return overlaps_; }

  // 3, for all nodes: called now and then.
  void LookForForgotten() {
    for (auto& [name, node] : world_.nodes()) {
      const Time last = last_commit_[name];
      const Duration longest{static_cast<std::int64_t>(static_cast<double>(lease_.count()) / node.rate) + 1};
      if (node.gone || world_.now() <= last + longest) continue;
      for (const IpAddress& address : node.Held()) {
        if (world_.Answers(node, address)) Break(std::format("{} still answers for {}, unasked", name, address.ToString()));
      }
    }
  }

 private:
  static constexpr Duration kDefended{5'000'000};
  static constexpr Duration kStep{1'000};                // of an agent: nothing but its timers' grain

  void Look(const std::string& committed) {
    World::Node& node = world_[committed];
    last_commit_[committed] = world_.now();
    std::map<IpAddress, Time>& since = since_[committed];
    std::erase_if(since, [&](const auto& entry) { return !world_.Answers(node, entry.first); });
    for (const IpAddress& address : node.Held()) {
      if (!world_.Answers(node, address)) continue;
      const bool begins = since.try_emplace(address, world_.now()).second;
      if (begins || takeover_ == policy::Takeover::kStrict) LookForOthers(node, address);
    }
  }

  void LookForOthers(World::Node& node, const IpAddress& address) {
    for (auto& [name, other] : world_.nodes()) {
      if (name == node.name || !world_.Answers(other, address)) continue;
      ++overlaps_;
      world_.Log(node.name, std::format("answers for {} beside {}", address.ToString(), name));
      if (takeover_ == policy::Takeover::kStrict) {
        Break(std::format("{} and {} both answer for {}", node.name, name, address.ToString()));
      } else if (const auto since = since_[name].find(address); since != since_[name].end() && MustYield(node, other, since->second)) {
        ExpectYield(node, other, address);
      }
    }
  }

  bool MustYield(const World::Node& newcomer, const World::Node& other, Time since) const {
    const double held = static_cast<double>((world_.now() - since).count()) * other.rate;
    return held >= static_cast<double>(kDefended.count()) && CanHear(newcomer, other);
  }
  bool CanHear(const World::Node& newcomer, const World::Node& other) const {
    return world_.Runs(newcomer) && world_.Runs(other) && !other.kernel_refuses && !other.refused && !other.stall && other.agent->status().synced &&
           !other.agent->hands_over() && !world_.without_uplink.contains(newcomer.name) && !world_.without_uplink.contains(other.name);
  }

  void ExpectYield(const World::Node& newcomer, const World::Node& other, const IpAddress& address) {
    const Time by = world_.now() + world_.weather.longest + kStep;
    world_.At(by, [this, first = other.name, second = newcomer.name, life = other.incarnation,
                   since = since_[other.name][address], address] {
      World::Node &node = world_[first], &rival = world_[second];
      if (node.incarnation != life || since_[first][address] != since) return;  // it has begun anew
      if (!CanHear(rival, node)) return;
      if (world_.Answers(node, address) && world_.Answers(rival, address)) {
        Break(std::format("{} goes on to answer for {} after {} has announced it", first, address.ToString(), second));
      }
    });
  }

  void Break(const std::string& rule) {
    world_.Log("safety", rule);
    if (world_.broken.size() < 10) world_.broken.push_back(rule);
  }

  World& world_;
  policy::Takeover takeover_;
  Duration lease_;
  std::size_t overlaps_ = 0;
  std::map<std::string, Time> last_commit_;
  std::map<std::string, std::map<IpAddress, Time>> since_;  // by node: what its kernel answers for
};

}  // namespace egressd::sim
