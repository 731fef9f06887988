// Random universes: faults for a while, then none; after a bounded time everything must be in order again.
// EGRESSD_SIM_SEEDS=N runs more of them, EGRESSD_SIM_SEED=N one, EGRESSD_SIM_LOG=1 shows all that it said.
#include <doctest/doctest.h>

#include <cstdlib>

#include "sim/world.h"

namespace egressd::sim {
namespace {

constexpr Duration kFaults{40'000'000};
// Dead members are asked again every 5 s, one after the other, and a suspicion that still stands needs 4.5 s.
constexpr Duration kBound{30'000'000};

std::string Policy(std::uint64_t variant) {
  std::string text = R"(version: 1
pools:
  public: {ipv4: [203.0.113.10-203.0.113.40]}
gateways:
  edge: {default: true, nodes: {labels: {role: gateway}}, pool: public, restart_grace: 5s, bfd: {min_rx: 500ms, min_tx: 500ms}}
policies:
)";
  for (std::uint64_t i = 0; i < 2 + variant % 4; ++i) {
    text += std::format("  p{}: {{from: {{cidr: 10.{}.0.0/24}}, priority: {}}}\n", i, i + 1, 10 + i + variant % 7);
  }
  text += "  here: {from: {cidr: 10.99.0.0/24}, egress_ip: node}\n";
  return text;
}

std::vector<std::string> Names(World& world) {
  std::vector<std::string> names;
  for (const auto& [name, node] : world.nodes()) names.push_back(name);
  return names;
}

// One fault of a random kind; whatever it breaks is whole again at `end`.
void Fault(World& world, Time end) {
  Random& random = world.random();
  const std::vector<std::string> names = Names(world);
  const std::string name = names[random.Below(names.size())];
  const Duration length{static_cast<std::int64_t>(100'000 + random.Below(9'000'000))};
  const Time until = std::min(world.now() + length, end);
  switch (random.Below(8)) {
    case 0:
    case 1: {
      const std::uint64_t kind = random.Below(3);
      if (kind == 0) world.Kill(name); else world.Crash(name);
      if (kind == 2) world[name].disk.clear();
      world.At(until, [&world, name] { world.Start(name); });
      break;
    }
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
    case 5:
      world.weather.loss = 0.3 * static_cast<double>(random.Below(100)) / 100;
      world.weather.duplication = 0.1;
      world.weather.longest = Duration{static_cast<std::int64_t>(1'000 + random.Below(150'000))};
      world.At(until, [&world] { world.weather = {}; });
      break;
    case 6:
      world[name].kernel_refuses = true;
      world.At(until, [&world, name] { world[name].kernel_refuses = false; });
      break;
    default:
      world.Input(name, agent::ApplyPolicy{.request = random.Next(), .text = Policy(random.Below(28)), .actor = "root"});
      break;
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
std::string RunSeed(std::uint64_t seed, std::size_t& taken) {
  World world(seed);
  std::vector<std::string> lines;
  world.log = [&](const std::string& line) { lines.push_back(line); };
  const std::uint64_t size = 2 + world.random().Below(5);
  for (std::uint64_t i = 1; i <= size; ++i) {
    const bool gateway = i <= 2 || world.random().Chance(0.4);
    const std::string name(1, static_cast<char>('a' + i - 1));
    world.Add(name, static_cast<int>(i), {{"role", gateway ? "gateway" : "worker"}}, {"10.0.0.1", "10.0.0.2"});
  }
  for (const std::string& name : Names(world)) {
    world.At(world.now() + Duration{static_cast<std::int64_t>(world.random().Below(3'000'000))}, [&world, name] { world.Start(name); });
  }
  world.Run(Seconds(9));
  world.Input("a", agent::ApplyPolicy{.request = 1, .text = Policy(seed), .actor = "root"});
  const Time end = world.now() + kFaults;
  while (world.now() < end) {
    world.Run(Duration{static_cast<std::int64_t>(50'000 + world.random().Below(4'000'000))});
    if (world.now() < end) Fault(world, end);
  }
  world.Run(Duration{2});
  world.cuts.clear();
  world.weather = {};
  for (auto& [name, node] : world.nodes()) {
    node.kernel_refuses = false;
    world.Start(name);
  }
  std::string wrong;
  if (!world.RunUntil(kBound, [&] { return Disorder(world).empty(); })) wrong = Disorder(world);
  for (const std::string& rule : world.broken) wrong += (wrong.empty() ? "" : "; ") + rule;
  if (wrong.empty()) {  // and it stays in order
    world.Run(Seconds(8));
    wrong = Disorder(world);
  }
  taken += static_cast<std::size_t>(std::ranges::count_if(lines, [](const std::string& line) { return line.contains(" ip.taken: "); }));
  if (wrong.empty()) return "";
  const std::size_t shown = std::getenv("EGRESSD_SIM_LOG") != nullptr ? lines.size() : std::min<std::size_t>(lines.size(), 40);
  std::string text = std::format("seed {}: {}\n", seed, wrong);
  for (auto line = lines.end() - static_cast<std::ptrdiff_t>(shown); line != lines.end(); ++line) text += *line + "\n";
  return text;
}

}  // namespace

TEST_CASE("whatever happens, once faults stop every egress IP is held once and everybody agrees") {
  std::uint64_t first = 1, count = 10;
  if (const char* seeds = std::getenv("EGRESSD_SIM_SEEDS")) count = std::strtoull(seeds, nullptr, 10);
  if (const char* only = std::getenv("EGRESSD_SIM_SEED")) first = std::strtoull(only, nullptr, 10), count = 1;
  std::size_t taken = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const std::string wrong = RunSeed(seed, taken);
    if (!wrong.empty()) FAIL_CHECK(wrong);
  }
  CHECK(taken >= 2 * count);  // the faults did move addresses
}

}  // namespace egressd::sim
