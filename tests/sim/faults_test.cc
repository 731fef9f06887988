// Random universes: faults for a while, then none; after a bounded time everything must be in order again.
// EGRESSD_SIM_SEEDS=N runs more of them, EGRESSD_SIM_SEED=N one, EGRESSD_SIM_LOG=1 shows all that it says, as it says it.
// EGRESSD_SIM_SECONDS=N is the soak: seeds that nobody has seen, for so long.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "sim/safety.h"
#include "sim/world.h"

namespace egressd::sim {
namespace {

constexpr Duration kFaults{40'000'000};
// Dead members are asked again every 5 s, one after the other, and a suspicion that still stands needs 4.5 s.
constexpr Duration kBound{30'000'000};

// Of the leases that the kernels give: restart_grace, and what `strict` has on a LAN.
constexpr Duration LeaseOf(policy::Takeover takeover) {
  return takeover == policy::Takeover::kStrict ? Duration{800'000} : Duration{5'000'000};
}

std::string Policy(policy::Takeover takeover, std::uint64_t variant) {
  std::string text = std::format(R"(version: 1
pools:
  public: {{ipv4: [203.0.113.10-203.0.113.40]}}
gateways:
  edge: {{default: true, nodes: {{labels: {{role: gateway}}}}, pool: public, {}, bfd: {{min_rx: 500ms, min_tx: 500ms}}}}
policies:
)", takeover == policy::Takeover::kStrict ? "takeover: strict" : "restart_grace: 5s");
  for (std::uint64_t i = 0; i < 2 + variant % 4; ++i) {
    text += std::format("  p{}: {{from: {{cidr: 10.{}.0.0/24}}, priority: {}}}\n", i, i + 1, 10 + i + variant % 7);
  }
  text += "  here: {from: {cidr: 10.99.0.0/24}, egress_ip: node}\n";
  return text;
}

// One life of a few nodes, and everything that happens to them.
struct Universe {
  World world;
  policy::Takeover takeover;
  Safety safety;
  bool may_forget = true;   // may a node lose its state directory?
  Universe(std::uint64_t seed, policy::Takeover the_takeover)
      : world(seed), takeover(the_takeover), safety(world, the_takeover, LeaseOf(the_takeover)) {}

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& [name, node] : world.nodes()) names.push_back(name);
    return names;
  }
  std::string Any() {
    const std::vector<std::string> names = Names();
    return names[world.random().Below(names.size())];
  }
  Duration Between(std::int64_t shortest, std::int64_t longest) {
    return Duration{shortest + static_cast<std::int64_t>(world.random().Below(static_cast<std::uint64_t>(longest - shortest)))};
  }
  void Cut(const std::set<std::string>& some, const std::set<std::string>& others, Time until) {
    for (const std::string& from : some) {
      for (const std::string& to : others) world.cuts.insert({from, to});
    }
    world.At(until, [this, some, others] {
      for (const std::string& from : some) {
        for (const std::string& to : others) world.cuts.erase({from, to});
      }
    });
  }
  void Restart(const std::string& name, Time until) {
    const std::uint64_t kind = world.random().Below(3);
    if (kind == 0) world.Kill(name); else world.Crash(name);
    if (kind == 2 && may_forget) world[name].disk.clear();
    world.At(until, [this, name] { world.Start(name); });
  }
  void Fault(Time end);
  void Order();
  void Mend();
};

// What an operator may say at any time.
void Universe::Order() {
  Random& random = world.random();
  const std::string name = Any();
  switch (random.Below(4)) {
    case 0: return world.Input(name, agent::Drain{.on = true});
    case 1: return world.Input(name, agent::Drain{.on = false});
    case 2: {
      const IpAddress address = IpAddress::Ipv4(0xcb00710aU + static_cast<std::uint32_t>(random.Below(5)));
      return world.Input(name, agent::Move{.request = random.Next(), .address = address, .node = Any()});
    }
    default:
      return world.Input(name, agent::ApplyPolicy{.request = random.Next(), .text = Policy(takeover, random.Below(28)), .actor = "root"});
  }
}

// One fault of a random kind; whatever it breaks is whole again at `end`.
void Universe::Fault(Time end) {
  Random& random = world.random();
  const std::string name = Any();
  const Time until = std::min(world.now() + Between(100'000, 9'100'000), end);
  switch (random.Below(12)) {
    case 0:
    case 1: return Restart(name, until);
    case 2: return world.Pause(name, until - world.now());
    case 3: {
      const std::string other = Any();
      Cut({name}, {other}, until);
      if (random.Chance(0.5)) Cut({other}, {name}, until);
      return;
    }
    case 4: {  // halves, one of which may hear the other
      std::set<std::string> some, others;
      for (const std::string& each : Names()) (random.Chance(0.5) ? some : others).insert(each);
      Cut(some, others, until);
      if (random.Chance(0.8)) Cut(others, some, until);
      if (random.Chance(0.3)) {
        for (const std::string& each : some) Restart(each, std::min(world.now() + Between(100'000, 3'000'000), end));
      }
      return;
    }
    case 5:
      world.weather.loss = 0.3 * static_cast<double>(random.Below(100)) / 100;
      world.weather.duplication = 0.1;
      world.weather.longest = Between(1'000, 151'000);
      return world.At(until, [this] { world.weather = {}; });
    case 6:
      world[name].kernel_refuses = true;
      return world.At(until, [this, name] { world[name].kernel_refuses = false; });
    case 7:
    case 8: world[name].stall = Between(1'000, random.Chance(0.5) ? 1'000'000 : 9'000'000); return;
    case 9:
      if (random.Chance(0.5)) {
        world.without_uplink.insert(name);
        return world.At(until, [this, name] { world.without_uplink.erase(name); });
      }
      world.SetCarrier(name, false);
      return world.At(until, [this, name] { world.SetCarrier(name, true); });
    default: return Order();
  }
}

// No fault from now on, and nobody is drained.
void Universe::Mend() {
  world.Run(Duration{2});
  for (const std::string& name : Names()) world.Run(std::max(Duration{0}, world[name].paused_until - world.now()));
  world.cuts.clear();
  world.weather = {};
  for (const std::string& name : Names()) {
    World::Node& node = world[name];
    node.kernel_refuses = false;
    node.stall.reset();
    world.Start(name);
    world.SetCarrier(name, true);
    world.Input(name, agent::Drain{.on = false});
  }
}

// What is not in order; empty = all is well.
std::string Disorder(World& world) {
  std::map<IpAddress, std::vector<std::string>> holders;
  std::uint64_t generation = 0;
  for (auto& [name, node] : world.nodes()) {
    if (!node.agent) return name + " is not running";
    const agent::Status status = node.agent->status();
    if (!status.synced) return name + " is not synced";
    if (node.kernel.state != node.agent->desired()) return name + ": the kernel is not what it shall be";
    if (status.nodes.size() != world.nodes().size()) return name + " does not know every node";
    for (const agent::NodeStatus& other : status.nodes) {
      if (other.state != agent::NodeState::kAlive) {
        return std::format("{} takes {} for {}", name, other.name, agent::ToString(other.state));
      }
    }
    if (generation != 0 && status.generation != generation) {
      return std::format("{} has generation {}, not {}", name, status.generation, generation);
    }
    generation = status.generation;
    for (const IpAddress& address : node.Held()) holders[address].push_back(name);
  }
  const agent::Status reference = world.nodes().begin()->second.agent->status();
  for (auto& [name, node] : world.nodes()) {
    const agent::Status status = node.agent->status();
    if (status.digest != reference.digest) return name + " has another policy";
    std::size_t bound = 0;
    for (const agent::EgressIpStatus& ip : status.egress_ips) {
      if (ip.state != agent::EgressIpState::kHeld) {
        return std::format("{} says {} is {}", name, ip.address.ToString(), agent::ToString(ip.state));
      }
      if (holders[ip.address] != std::vector{ip.node}) {
        return std::format("{} says {} is held by {}, but {} kernels have it", name, ip.address.ToString(), ip.node,
                           holders[ip.address].size());
      }
      ++bound;
    }
    if (bound != holders.size()) return name + ": something is held that no policy uses";
  }
  return "";
}

// Returns what went wrong, with the log; empty = nothing. Counts how often an egress IP was given to a node.
std::string RunSeed(std::uint64_t seed, policy::Takeover takeover, std::size_t& taken) {
  Universe universe(seed, takeover);
  World& world = universe.world;
  std::vector<std::string> lines;
  const bool live = std::getenv("EGRESSD_SIM_LOG") != nullptr;
  world.log = [&](const std::string& line) {
    if (live) std::fprintf(stderr, "%s\n", line.c_str());
    lines.push_back(line);
  };
  const std::uint64_t fewest = takeover == policy::Takeover::kStrict ? 3 : 2;
  const std::uint64_t size = fewest + world.random().Below(7 - fewest);
  // Who forgets everything knows how many nodes there are from its join addresses alone.
  std::vector<std::string> join{"10.0.0.1", "10.0.0.2"};
  universe.may_forget = takeover == policy::Takeover::kImmediate || world.random().Chance(0.5);
  for (std::uint64_t i = 3; i <= size && takeover == policy::Takeover::kStrict && universe.may_forget; ++i) {
    join.push_back(std::format("10.0.0.{}", i));
  }
  for (std::uint64_t i = 1; i <= size; ++i) {
    const bool gateway = i <= 2 || world.random().Chance(0.4);
    const std::string name(1, static_cast<char>('a' + i - 1));
    world.Add(name, static_cast<int>(i), {{"role", gateway ? "gateway" : "worker"}}, join);
    world[name].rate = 0.95 + 0.001 * static_cast<double>(world.random().Below(101));
  }
  for (const std::string& name : universe.Names()) {
    world.At(world.now() + universe.Between(0, 3'000'000), [&world, name] { world.Start(name); });
  }
  world.Run(Seconds(9));
  world.Input("a", agent::ApplyPolicy{.request = 1, .text = Policy(takeover, seed), .actor = "root"});
  const Time end = world.now() + kFaults;
  while (world.now() < end) {
    world.Run(universe.Between(50'000, 4'050'000));
    universe.safety.LookForForgotten();
    if (world.now() < end) universe.Fault(end);
  }
  universe.Mend();
  std::string wrong;
  if (!world.RunUntil(kBound, [&] { return Disorder(world).empty(); })) wrong = Disorder(world);
  for (const std::string& rule : world.broken) wrong += (wrong.empty() ? "" : "; ") + rule;
  if (wrong.empty()) {  // and it stays in order
    world.Run(Seconds(8));
    wrong = Disorder(world);
  }
  taken += static_cast<std::size_t>(std::ranges::count_if(lines, [](const std::string& line) { return line.contains(" ip.taken: "); }));
  if (wrong.empty()) return "";
  const std::size_t shown = live ? 0 : std::min<std::size_t>(lines.size(), 40);
  std::string text = std::format("seed {}: {}\n", seed, wrong);
  for (auto line = lines.end() - static_cast<std::ptrdiff_t>(shown); line != lines.end(); ++line) text += *line + "\n";
  return text;
}

void RunSeeds(policy::Takeover takeover) {
  std::uint64_t first = 1, count = 10;
  if (const char* seeds = std::getenv("EGRESSD_SIM_SEEDS")) count = std::strtoull(seeds, nullptr, 10);
  if (const char* only = std::getenv("EGRESSD_SIM_SEED")) first = std::strtoull(only, nullptr, 10), count = 1;
  std::size_t taken = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const std::string wrong = RunSeed(seed, takeover, taken);
    if (!wrong.empty()) FAIL_CHECK(wrong);
  }
  CHECK(taken >= 2 * count);  // the faults did move addresses
}

}  // namespace

TEST_CASE("whatever happens, once faults stop every egress IP is held once and everybody agrees") {
  RunSeeds(policy::Takeover::kImmediate);
}

TEST_CASE("takeover strict: whatever happens, no two nodes answer for an egress IP, and once faults stop one does") {
  RunSeeds(policy::Takeover::kStrict);
}

TEST_CASE("the soak: fresh seeds, immediate and strict in turn, for as long as it is told") {
  const char* seconds = std::getenv("EGRESSD_SIM_SECONDS");
  if (seconds == nullptr) return;
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::seconds(std::strtoll(seconds, nullptr, 10));
  const std::uint64_t first = std::random_device{}();
  std::uint64_t seed = first;
  std::size_t taken = 0;
  for (; Clock::now() < end; ++seed) {
    for (const policy::Takeover takeover : {policy::Takeover::kImmediate, policy::Takeover::kStrict}) {
      const std::string wrong = RunSeed(seed, takeover, taken);
      const std::string universe = takeover == policy::Takeover::kStrict ? "strict" : "immediate";
      if (!wrong.empty()) FAIL_CHECK(universe << ", " << wrong);
    }
  }
  std::printf("soak: seeds %llu to %llu, each immediate and strict, %zu takeovers\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(seed - 1), taken);
  CHECK(taken >= 2 * (seed - first));
}

}  // namespace egressd::sim
