// What somebody else does to our objects is noticed and repaired; what they do to theirs is theirs.
#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "egressd/kernel/kernel.h"
#include "kernel/sysctl.h"
#include "reconcile_world.h"
#include "rtnl_outsider.h"
#include "support/sandbox.h"
#include "support/temporary_directory.h"

namespace egressd::test {
namespace {

using state::State;

bool Waits(const kernel::Kernel& kernel) {
  pollfd poll{.fd = kernel.notification_fd(), .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, 2000) == 1;
}

struct World {
  Sandbox sandbox;
  TemporaryDirectory directory;
  Outsider outsider;

  World() {
    // No link-local addresses, no duplicate detection: what IPv6 does by itself would take seconds to come to rest.
    std::ofstream("/proc/sys/net/ipv6/conf/default/addr_gen_mode") << "1";
    std::ofstream("/proc/sys/net/ipv6/conf/default/accept_dad") << "0";
    REQUIRE(outsider.MakeVeth("eth0", "eth0peer") == 0);
    REQUIRE(outsider.MakeVeth("eth1", "eth1peer") == 0);
    for (const auto* device : {"lo", "eth0", "eth0peer", "eth1", "eth1peer"}) REQUIRE(outsider.SetUp(device) == 0);
    REQUIRE(outsider.AddAddress("eth0", "192.0.2.1/24") == 0);
    REQUIRE(outsider.AddAddress("eth0", "2001:db8::1/64") == 0);
    REQUIRE(outsider.AddRoute(254, "0.0.0.0/0", "eth0", "192.0.2.254") == 0);
    REQUIRE(outsider.ComesToRest());
  }
  kernel::Kernel Open() { return kernel::Kernel::Open({.state_directory = directory.path()}).value(); }
};

State WithUplinkRoute() {
  State state = FullState();
  state::Put(state.routes, state::Route{.key = {26200, Net("0.0.0.0/0")}, .device = "eth1"});
  return state;
}

std::string Changes(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  std::string changes;
  for (const auto& line : before) {
    if (std::ranges::find(after, line) == after.end()) changes += "- " + line + "\n";
  }
  for (const auto& line : after) {
    if (std::ranges::find(before, line) == before.end()) changes += "+ " + line + "\n";
  }
  return changes;
}

std::string Missing(kernel::Kernel& kernel, const State& desired) {
  return state::ToString(state::Diff(kernel.Observe().value(), desired));
}

}  // namespace

TEST_CASE("our own writes are no news") {
  World world;
  auto kernel = world.Open();
  kernel.TakeNotifications();
  REQUIRE(kernel.Reconcile(FullState()));
  CHECK_FALSE(kernel.TakeNotifications().ours);
  State changed = FullState();
  changed.egress_addresses.clear();
  changed.neighbours.clear();
  changed.rules.erase(changed.rules.begin());
  changed.routes.erase(changed.routes.begin());
  changed.elements.erase(changed.elements.begin());
  REQUIRE(kernel.Reconcile(changed));
  const auto dirt = kernel.TakeNotifications();
  CHECK_FALSE(dirt.ours);
  CHECK_FALSE(dirt.host);
  REQUIRE(kernel.Reconcile(FullState()));
  CHECK_FALSE(kernel.TakeNotifications().ours);
}

TEST_CASE("what is touched is all that is looked at, until somebody else changes something") {
  World world;
  auto kernel = world.Open();
  State desired = FullState();
  const state::Touched nothing{std::in_place};
  // Nothing is known before the first one, whatever is said.
  CHECK(kernel.Reconcile(desired, nothing).value().size() > 20);
  const state::NftBytes key = state::NftBytes::Mark(7);
  const state::NftElement more{.key = {{state::NftFamily::kInet, "nexthop"}, key, key}, .value = state::NftBytes::Mark(1u << 24 | 7)};
  state::Put(desired.elements, more);
  CHECK(kernel.Reconcile(desired, nothing).value().empty());  // it was not told of
  const state::Touched one{{more.key}};
  CHECK(kernel.Reconcile(desired, one).value().size() == 1);
  CHECK(Missing(kernel, desired) == "");
  REQUIRE(kernel.Reconcile(desired));
  REQUIRE(world.outsider.RemoveRoute(26001, "0.0.0.0/0") == 0);
  CHECK(Waits(kernel));
  CHECK_FALSE(kernel.Reconcile(desired, nothing).value().empty());
  CHECK(Missing(kernel, desired) == "");
}

TEST_CASE("a change of thousands of elements is no news, and what somebody does afterwards is") {
  World world;
  auto kernel = world.Open();
  State desired = FullState();
  REQUIRE(kernel.Reconcile(desired));
  for (std::uint32_t id = 10; id < 5000; ++id) {
    const state::NftBytes key = state::NftBytes::Mark(id);
    state::Put(desired.elements, {.key = {{state::NftFamily::kInet, "nexthop"}, key, key}, .value = state::NftBytes::Mark(1u << 24 | id)});
  }
  kernel.TakeNotifications();
  REQUIRE(kernel.Reconcile(desired));
  CHECK_FALSE(kernel.TakeNotifications().ours);
  CHECK(kernel.Reconcile(desired).value().empty());
  CHECK(Missing(kernel, desired) == "");
  {
    auto other = world.Open();
    REQUIRE(other.Reconcile(FullState()));
  }
  CHECK(Waits(kernel));
  CHECK(kernel.TakeNotifications().ours);
  REQUIRE(kernel.Reconcile(desired));
  CHECK(Missing(kernel, desired) == "");
}

TEST_CASE("leases that are given, renewed and run out, and wakes, are no news") {
  World world;
  auto kernel = world.Open();
  State desired = FullState();
  state::Put(desired.elements, Answers(state::NftFamily::kArp, "203.0.113.20", std::chrono::seconds(2)));
  REQUIRE(kernel.Wake(std::chrono::seconds(10)));
  CHECK_FALSE(kernel.TakeNotifications().ours);
  REQUIRE(kernel.Reconcile(desired));
  REQUIRE(kernel.Wake(std::chrono::seconds(10)));
  REQUIRE(kernel.Renew(desired));
  CHECK_FALSE(kernel.TakeNotifications().ours);
  std::this_thread::sleep_for(std::chrono::milliseconds(2020));  // as long as the lease, and a tick of the kernel
  CHECK_FALSE(kernel.TakeNotifications().ours);
  // What it believes besides the leases is still right: a commit needs no new observation.
  REQUIRE(kernel.Wake(std::chrono::seconds(10)));
  CHECK(state::ToString(kernel.Reconcile(desired).value()) == "+ element arp answers cb007114 timeout 2s\n");
}

TEST_CASE("whatever somebody takes away or puts in the place of ours is noticed and put right") {
  World world;
  auto kernel = world.Open();
  const State desired = WithUplinkRoute();
  REQUIRE(kernel.Reconcile(desired));
  Outsider& o = world.outsider;
  const std::pair<std::string, std::function<int()>> harms[] = {
      {"the device", [&] { return o.RemoveLink("egressd0"); }},
      {"the device, for a moment down", [&] { return o.SetDown("egressd0") + o.SetUp("egressd0"); }},
      {"the MTU of the device", [&] { return o.SetMtu("egressd0", 1000); }},
      {"a tunnel address", [&] { return o.RemoveAddress("egressd0", "198.19.0.1/16"); }},
      {"an IPv6 tunnel address", [&] { return o.RemoveAddress("egressd0", "fd65::1/64"); }},
      {"one tunnel address too many", [&] { return o.AddAddress("egressd0", "10.99.0.1/24"); }},
      {"an egress address", [&] { return o.RemoveAddress("eth0", "203.0.113.10/32"); }},
      {"an IPv6 egress address", [&] { return o.RemoveAddress("eth0", "2001:db8::10/128"); }},
      {"a neighbour", [&] { return o.RemoveNeighbour("egressd0", "198.19.0.2"); }},
      {"an IPv6 neighbour", [&] { return o.RemoveNeighbour("egressd0", "fd65::2"); }},
      {"an FDB entry", [&] { return o.RemoveFdbEntry("egressd0", "ee:67:c6:13:00:02"); }},
      {"a route", [&] { return o.RemoveRoute(26001, "0.0.0.0/0"); }},
      {"an IPv6 route", [&] { return o.RemoveRoute(26001, "::/0"); }},
      {"a route in the place of ours", [&] { return o.AddRoute(26001, "0.0.0.0/0", "eth0", "192.0.2.77"); }},
      {"a rule", [&] { return o.RemoveRule(Family::kIpv4, 98); }},
      {"an IPv6 rule", [&] { return o.RemoveRule(Family::kIpv6, 98); }},
      {"an uplink, for a moment down", [&] { return o.SetDown("eth1") + o.SetUp("eth1"); }},
  };
  for (const auto& [what, harm] : harms) {
    CAPTURE(what);
    kernel.TakeNotifications();
    REQUIRE(harm() == 0);
    CHECK(Waits(kernel));
    CHECK(kernel.TakeNotifications().ours);
    const auto repaired = kernel.Reconcile(desired);
    REQUIRE_MESSAGE(repaired.has_value(), (repaired ? std::string() : repaired.error().message));
    CHECK_FALSE(repaired->empty());
    CHECK(Missing(kernel, desired) == "");
  }
}

TEST_CASE("somebody else's rule is nobody's news") {
  World world;
  auto kernel = world.Open();
  REQUIRE(kernel.Reconcile(FullState()));
  kernel.TakeNotifications();
  REQUIRE(world.outsider.AddRule(Family::kIpv4, 500, 7, 100) == 0);
  CHECK(Waits(kernel));
  CHECK_FALSE(kernel.TakeNotifications().ours);
}

TEST_CASE("what happens to the host is told as the host's") {
  World world;
  auto kernel = world.Open();
  REQUIRE(kernel.Reconcile(FullState()));
  Outsider& o = world.outsider;
  const std::pair<std::string, std::function<int()>> events[] = {
      {"an address", [&] { return o.AddAddress("eth0", "192.0.2.9/24"); }},
      {"a single address", [&] { return o.AddAddress("eth1", "198.51.100.9/32"); }},
      {"a route", [&] { return o.AddRoute(254, "10.0.0.0/8", "eth0", "192.0.2.254"); }},
      {"a device", [&] { return o.MakeBridge("br0"); }},
      {"a device that goes down", [&] { return o.SetDown("eth1"); }},
  };
  for (const auto& [what, happen] : events) {
    CAPTURE(what);
    kernel.TakeNotifications();
    REQUIRE(happen() == 0);
    CHECK(Waits(kernel));
    const auto dirt = kernel.TakeNotifications();
    CHECK(dirt.host);
    CHECK_FALSE(dirt.ours);
  }
}

TEST_CASE("foreign objects are left alone, and cleaning up leaves the host as it was found") {
  World world;
  Outsider& o = world.outsider;
  REQUIRE(o.AddRule(Family::kIpv4, 99, 0x01000000, 26001) == 0);
  REQUIRE(o.AddRule(Family::kIpv6, 32000, 5, 77) == 0);
  REQUIRE(o.AddRoute(26001, "10.0.0.0/8", "eth0", "192.0.2.3") == 0);
  REQUIRE(o.AddRoute(26002, "::/0", "eth1", "") == 0);
  REQUIRE(o.AddAddress("eth0", "203.0.113.77/32") == 0);
  std::ofstream("/proc/sys/net/ipv6/conf/eth1/forwarding") << "1";
  std::ofstream("/proc/sys/net/ipv6/conf/eth0/accept_ra") << "1";
  const auto sysctls = [] {
    std::string all;
    for (const auto* path : {"net/ipv4/conf/eth0/forwarding", "net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding",
                             "net/ipv6/conf/eth0/forwarding", "net/ipv6/conf/eth1/forwarding", "net/ipv6/conf/eth0/accept_ra"}) {
      all += std::string(path) + "=" + kernel::ReadSysctl(path).value_or("?") + " ";
    }
    return all;
  };
  const auto before = o.Everything();
  const std::string before_sysctls = sysctls();
  {
    auto kernel = world.Open();
    REQUIRE(kernel.Reconcile(FullState()));
    CHECK(sysctls() != before_sysctls);
    for (const auto& line : before) {
      if (line.starts_with("18 ")) continue;  // links: their addresses' generation counters move
      const auto now = o.Everything();
      CHECK_MESSAGE(std::ranges::find(now, line) != now.end(), line);
    }
  }
  auto later = world.Open();  // another process, after a crash
  REQUIRE(later.Cleanup());
  CHECK(Changes(before, o.Everything()) == "");
  CHECK(sysctls() == before_sysctls);
}

TEST_CASE("sysctls that another process wrote are restored when they are no longer wanted") {
  World world;
  std::ofstream("/proc/sys/net/ipv4/conf/eth0/rp_filter") << "1";
  State desired;
  state::Put(desired.sysctls, Sysctl("net/ipv4/conf/eth0/rp_filter", "2"));
  REQUIRE(world.Open().Reconcile(desired));
  CHECK(kernel::ReadSysctl("net/ipv4/conf/eth0/rp_filter") == "2");
  auto later = world.Open();
  CHECK(later.Observe().value().sysctls.size() == 1);
  REQUIRE(later.Reconcile({}));
  CHECK(kernel::ReadSysctl("net/ipv4/conf/eth0/rp_filter") == "1");
  CHECK(later.Observe().value().sysctls.empty());
}

TEST_CASE("a sysctl somebody changed is put right with the next reconcile") {
  World world;
  auto kernel = world.Open();
  State desired;
  state::Put(desired.sysctls, Sysctl("net/ipv4/conf/eth0/rp_filter", "2"));
  REQUIRE(kernel.Reconcile(desired));
  std::ofstream("/proc/sys/net/ipv4/conf/eth0/rp_filter") << "0";
  CHECK(kernel.Reconcile(desired).value().size() == 1);
  CHECK(kernel::ReadSysctl("net/ipv4/conf/eth0/rp_filter") == "2");
}

TEST_CASE("a device of another kind with the tunnel's name is an error and stays") {
  World world;
  REQUIRE(world.outsider.MakeBridge("egressd0") == 0);
  const auto before = world.outsider.Everything();
  auto kernel = world.Open();
  const auto refused = kernel.Reconcile(FullState());
  REQUIRE(!refused);
  CHECK(refused.error().message.contains("not egressd's"));
  REQUIRE(kernel.Cleanup());
  CHECK(Changes(before, world.outsider.Everything()) == "");
}

TEST_CASE("a tunnel device that a crash left half made is finished") {
  World world;
  REQUIRE(world.outsider.MakeVxlan("egressd0", 100) == 0);
  auto kernel = world.Open();
  REQUIRE(kernel.Reconcile(FullState()));
  CHECK(Missing(kernel, FullState()) == "");
}

TEST_CASE("a refused object is named, with the kernel's words, and the next good state is reached") {
  World world;
  auto kernel = world.Open();
  State desired = FullState();
  state::Put(desired.routes, state::Route{.key = {26003, Net("0.0.0.0/0")}, .device = "eth0", .next_hop = Ip("8.8.8.8")});
  const auto refused = kernel.Reconcile(desired);
  REQUIRE(!refused);
  CHECK(refused.error().message.contains("route 0.0.0.0/0 table 26003 via 8.8.8.8 dev eth0"));
  CHECK(refused.error().message.contains("Nexthop has invalid gateway"));
  CHECK(Missing(kernel, {}) == "");
  REQUIRE(kernel.Reconcile(FullState()));
  CHECK(Missing(kernel, FullState()) == "");
}

TEST_CASE("the host is read without what is ours") {
  World world;
  auto kernel = world.Open();
  const auto before = kernel.ReadHost();
  REQUIRE(before);
  REQUIRE(kernel.Reconcile(FullState()));
  const auto host = kernel.ReadHost();
  REQUIRE(host);
  CHECK(host->Device("egressd0") == nullptr);
  CHECK(host->routes == before->routes);
  REQUIRE(host->Device("eth0") != nullptr);
  CHECK(host->Device("eth0")->running);
  CHECK(host->Device("eth0")->accept_ra == 2);
  CHECK(host->AddressOn("eth0", Family::kIpv4) == Ip("192.0.2.1"));
  CHECK(host->AddressOn("eth0", Family::kIpv6) == Ip("2001:db8::1"));
  CHECK(host->DefaultRoute(Family::kIpv4)->next_hop == Ip("192.0.2.254"));
  CHECK(host->Device("lo")->loopback);
  for (const auto& prefix : host->Device("eth0")->addresses) CHECK(prefix.address != Ip("203.0.113.10"));
}

}  // namespace egressd::test
