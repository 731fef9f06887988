#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "egressd/policy/selection.h"
#include "law/policy_generate.h"

namespace egressd::policy {
namespace {

using namespace law;

// What a selection says, without pointers.
struct Answers {
  std::map<std::string, std::string> exact;
  std::vector<std::string> networks;
  std::vector<std::uint32_t> keys;
  std::map<std::string, std::size_t> counts;
  bool operator==(const Answers&) const = default;
};

Answers AnswersOf(const Selection& selection) {
  Answers answers;
  for (const auto& [address, source_class] : selection.exact()) answers.exact[address.ToString()] = source_class->ToString();
  for (const auto& network : selection.networks()) answers.networks.push_back(network.range.ToString() + network.source_class->ToString());
  for (const SourceClass* source_class : selection.Classes()) answers.keys.push_back(source_class->key);
  for (const auto& [name, policy] : selection.set().policies) answers.counts[name] = selection.WorkloadCount(name);
  return answers;
}

// Every address that the generator knows, and some beside them.
std::vector<IpAddress> Probes() {
  std::vector<IpAddress> probes;
  for (const char* stem : {"10.0.0.", "2001:db8::"}) {
    for (int i = 0; i < 40; ++i) probes.push_back(IpAddress::Parse(stem + std::to_string(i)).value());
  }
  for (const char* far : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "ffff::"}) probes.push_back(IpAddress::Parse(far).value());
  return probes;
}

const Policy* NaiveSelect(const Selection& selection, const InternalNetworks& internal, const Flow& flow) {
  for (const Policy* policy : InOrder(selection.set())) {
    if (WhyNot(selection, *policy, flow)) continue;
    if (!WhyNotDestination(selection.set(), *policy, internal, flow)) return policy;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("changing workloads step by step ends where building from scratch does") {
  CHECK(rc::check("SetWorkloads is incremental", [] {
    const PolicySet set = ArbitrarySet();
    Selection grown(set, "n1");
    std::map<std::string, std::vector<Workload>> now;
    for (int step = *rc::gen::inRange(0, 8); step > 0; --step) {
      const std::string source = OneOf<std::string>({"a", "b", "c"});
      now[source] = ArbitraryWorkloads();
      std::map<IpAddress, std::string> before;
      for (const auto& [address, source_class] : grown.exact()) before[address] = source_class->ToString();
      const std::set<IpAddress> known_before = grown.known_in_guard();
      const std::vector<IpAddress> told = grown.SetWorkloads(source, now[source]);
      std::map<IpAddress, std::string> after;
      for (const auto& [address, source_class] : grown.exact()) after[address] = source_class->ToString();
      std::vector<IpAddress> changed;
      for (const IpAddress& probe : Probes()) {
        const auto old = before.find(probe);
        const auto fresh = after.find(probe);
        const bool other_class = (old == before.end() ? "" : old->second) != (fresh == after.end() ? "" : fresh->second);
        const bool other_guard = known_before.contains(probe) != grown.known_in_guard().contains(probe);
        if (other_class || other_guard) changed.push_back(probe);
      }
      std::ranges::sort(changed);
      RC_ASSERT(told == changed);
    }
    Selection built(set, "n1");
    for (const auto& [source, workloads] : now) built.SetWorkloads(source, workloads);
    RC_ASSERT(AnswersOf(grown) == AnswersOf(built));
  }));
}

TEST_CASE("networks are disjoint and in order, and neighbours differ") {
  CHECK(rc::check("networks are cut well", [] {
    const Selection selection(ArbitrarySet(), "n1");
    const auto& networks = selection.networks();
    for (std::size_t i = 0; i < networks.size(); ++i) {
      RC_ASSERT(networks[i].range.first <= networks[i].range.last);
      RC_ASSERT(networks[i].source_class->family == networks[i].range.family());
      if (i == 0) continue;
      RC_ASSERT(networks[i - 1].range.last < networks[i].range.first);
      const bool adjacent = networks[i - 1].range.last.Next() == networks[i].range.first;
      if (adjacent) RC_ASSERT(networks[i - 1].source_class != networks[i].source_class);
    }
  }));
}

TEST_CASE("the class of every source holds exactly the policies that select it, for exactly the devices") {
  CHECK(rc::check("ClassOf agrees with asking every policy", [] {
    Selection selection(ArbitrarySet(), "n1");
    selection.SetWorkloads("a", ArbitraryWorkloads());
    const std::vector<const Policy*> order = InOrder(selection.set());
    for (const IpAddress& source : Probes()) {
      const SourceClass* source_class = selection.ClassOf(source);
      for (const std::string interface : {"br0", "br1", "other"}) {
        std::vector<const Policy*> expected;
        for (const Policy* policy : order) {
          if (!WhyNot(selection, *policy, {.source = source, .interface = interface, .destination = {}})) expected.push_back(policy);
        }
        std::vector<const Policy*> found;
        for (const Interest& interest : source_class == nullptr ? std::vector<Interest>() : source_class->interests) {
          if (interest.interfaces.empty() || interest.interfaces.contains(interface)) found.push_back(interest.policy);
        }
        RC_ASSERT(found == expected);
      }
    }
  }));
}

TEST_CASE("the class of every process holds exactly the policies that select it") {
  CHECK(rc::check("ClassOf a process agrees with asking every policy", [] {
    const PolicySet set = ArbitrarySet();
    Selection selection(set, "n1", {{"app", "a"}});
    selection.SetWorkloads("a", ArbitraryWorkloads());
    for (int round = 0; round < 2; ++round) selection.SetProcesses(ArbitraryProcesses());
    Processes processes = selection.processes();
    processes.cgroups.push_back({.id = 1, .path = "/none"});
    for (const Cgroup& cgroup : processes.cgroups) {
      for (const std::uint32_t user : {0U, 1U, 2U, 3U, 4294967294U}) {
        // Addresses that the host does not have are told apart only from the host's.
        std::vector<IpAddress> sources = processes.addresses;
        sources.push_back(IpAddress::Parse("192.0.2.1").value());
        for (const IpAddress& source : sources) {
          const Flow flow{.source = source, .destination = {}, .process = Process{.units = UnitsOf(cgroup.path), .user = user}};
          RC_ASSERT(selection.Knows(*flow.process));
          const SourceClass* source_class = selection.ClassOf(flow);
          std::vector<const Policy*> expected, found;
          for (const Policy* policy : InOrder(selection.set())) {
            if (!WhyNot(selection, *policy, flow)) expected.push_back(policy);
          }
          for (const Interest& interest : source_class == nullptr ? std::vector<Interest>() : source_class->interests) {
            if (interest.interfaces.empty()) found.push_back(interest.policy);
          }
          RC_ASSERT(found == expected);
        }
      }
    }
  }));
}

TEST_CASE("boxes of processes are disjoint and in order, and units come out the same from scratch") {
  CHECK(rc::check("SetProcesses is incremental", [] {
    const PolicySet set = ArbitrarySet();
    Selection grown(set, "n1");
    for (int step = *rc::gen::inRange(0, 4); step > 0; --step) grown.SetProcesses(ArbitraryProcesses());
    const Processes last = ArbitraryProcesses();
    grown.SetProcesses(last);
    Selection built(set, "n1");
    built.SetProcesses(last);
    RC_ASSERT(grown.units() == built.units());
    RC_ASSERT(grown.nursery() == built.nursery());
    // What was seen once stays known.
    for (const Selection::OwnSource& wanted : built.own_sources()) {
      RC_ASSERT(std::ranges::any_of(grown.own_sources(), [&](const Selection::OwnSource& own) {
        return own.source_class->key == wanted.source_class->key && own.unit_class == wanted.unit_class &&
               own.first_user == wanted.first_user && own.last_user == wanted.last_user && own.source == wanted.source;
      }));
    }
    for (std::size_t i = 1; i < grown.own_sources().size(); ++i) {
      const Selection::OwnSource& a = grown.own_sources()[i];
      const Selection::OwnSource& before = grown.own_sources()[i - 1];
      const auto Stem = [](const Selection::OwnSource& own) { return std::tuple(own.unit_class, own.first_user, own.last_user); };
      const bool follows = std::tie(before.unit_class, before.last_user) < std::tie(a.unit_class, a.first_user) ||
                           (Stem(before) == Stem(a) && before.source.last < a.source.first);
      RC_ASSERT(follows);
    }
  }));
}

TEST_CASE("Select finds what trying every policy in order finds") {
  CHECK(rc::check("Select is first match", [] {
    const Selection selection(ArbitrarySet(), "n1");
    const InternalNetworks internal{ArbitraryPrefix()};
    for (const IpAddress& source : Probes()) {
      const Flow flow{.source = source,
                      .interface = OneOf<std::string>({"br0", "br1", ""}),
                      .destination = ArbitraryAddress(),
                      .protocol = OneOf<std::uint8_t>({1, 6, 17}),
                      .port = OneOf<std::uint16_t>({0, 9, 10, 15, 20, 21})};
      RC_ASSERT(Select(selection, internal, flow) == NaiveSelect(selection, internal, flow));
    }
  }));
}

}  // namespace egressd::policy
