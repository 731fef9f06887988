// Real packets through the rules that Build makes: what leaves a host is what policy::Select says.
#include <doctest/doctest.h>

#include <algorithm>
#include <format>

#include "egressd/base/random.h"
#include "egressd/kernel/kernel.h"
#include "egressd/plan/plan.h"
#include "plan_wire.h"
#include "rtnl_outsider.h"
#include "support/sandbox.h"
#include "support/temporary_directory.h"

namespace egressd::test {
namespace {

using plan::Carrier;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

constexpr std::uint16_t kVxlanPort = 7789;
constexpr const char* kAlways = "172.31.0.1";
constexpr const char* kOwnTunnelIpv4 = "198.19.0.1";
constexpr const char* kOwnTunnelIpv6 = "fd65:6772:6573:7300::1";

// Small enough that sources, destinations and policies meet.
struct World {
  explicit World(std::uint64_t seed) : random(seed) {
    config.node.name = "n1";
    set.pools["pool"] = {.name = "pool", .ipv4 = {AddressRange::Parse("192.0.2.100-192.0.2.200").value()}};
    if (random.Chance(0.7)) set.pools["pool"].ipv6 = {AddressRange::Parse("2001:db8:1::100-2001:db8:1::1ff").value()};
    set.gateways["g"] = {.name = "g", .is_default = true, .nodes = {.names = {"n1", "n2"}}, .pools = {"pool"}};
    if (random.Chance(0.5)) set.internal = {SomePrefix()};
    if (random.Chance(0.4)) {
      const IpAddress source = Source();
      set.guard = {Prefix::Containing(source, AddressBits(source.family()) - (random.Chance(0.5) ? 1 : 2))};
    }
    for (int i = 0; i < 6; ++i) {
      const std::string name = std::format("w{}", i);
      set.workloads[name] = {.name = name, .addresses = {Source()}, .labels = {{"app", Letter()}}};
    }
    for (std::uint64_t i = 1 + random.Below(6); i > 0; --i) AddPolicy(std::format("p{}", i));
    // The packet that always comes through, whatever else selects everything.
    set.policies["always"] = {.name = "always", .priority = 1, .from = {{.cidrs = {Prefix::Of(Ip(kAlways))}}}, .to = policy::Reach::kAny,
                              .action = policy::Action::kDirect};
    bindings = policy::Bind(set, {}).value().bindings;
    for (const policy::Binding& binding : bindings) {
      const Carrier choices[] = {{}, {.kind = Carrier::Kind::kSelf}, {.kind = Carrier::Kind::kPeer, .peer = "n2"}};
      carriers[binding.id] = choices[random.Below(3)];
    }
  }

  std::uint8_t Protocol() { return random.Chance(0.5) ? std::uint8_t{IPPROTO_UDP} : std::uint8_t{IPPROTO_TCP}; }
  std::string Letter() { return std::string(1, "abc"[random.Below(3)]); }
  IpAddress Source() { return Ip(std::format("{}{}", random.Chance(0.6) ? "10.0.0." : "2001:db8::", 1 + random.Below(12))); }
  IpAddress Destination(Family family) {
    return Ip(std::format("{}{}", family == Family::kIpv4 ? "10.7.0." : "2001:db8:7::", 1 + random.Below(12)));
  }
  Prefix SomePrefix() {
    const IpAddress address = Destination(random.Chance(0.6) ? Family::kIpv4 : Family::kIpv6);
    return Prefix::Containing(address, AddressBits(address.family()) - static_cast<int>(random.Below(4)));
  }

  void AddPolicy(const std::string& name) {
    policy::Policy policy{.name = name, .priority = static_cast<std::uint16_t>(2 + random.Below(3))};
    policy::Selector selector;
    switch (random.Below(5)) {
      case 0: selector.all = true; break;
      case 1: selector.cidrs = {Prefix::Containing(Source(), 29)}; break;
      case 2: selector.interface = random.Chance(0.7) ? "br0" : "br1"; break;
      default: selector.labels = {{.key = "app", .values = {Letter()}}};
    }
    policy.from = {selector};
    const policy::Reach reaches[] = {policy::Reach::kExternal, policy::Reach::kExternal, policy::Reach::kAny, policy::Reach::kListed};
    policy.to = reaches[random.Below(4)];
    if (policy.to == policy::Reach::kListed) policy.destinations = {SomePrefix(), SomePrefix()};
    if (random.Chance(0.3)) policy.except = {SomePrefix()};
    if (random.Chance(0.3)) policy.ports = {{.protocol = Protocol(), .first = 10, .last = 20}};
    const policy::Action actions[] = {policy::Action::kSnat, policy::Action::kSnat, policy::Action::kSnat, policy::Action::kDirect,
        policy::Action::kDrop};
    policy.action = actions[random.Below(5)];
    if (random.Chance(0.4)) policy.on_no_gateway = policy::OnNoGateway::kDirect;
    set.policies[name] = policy;
  }

  plan::Inputs Input(const policy::Selection& selection, const state::Host& host) const {
    plan::Inputs inputs{.config = &config, .selection = &selection, .bindings = &bindings, .host = &host, .underlay = Ip("192.0.2.1")};
    inputs.self = plan::IdentityOf(1, config.tunnel);
    inputs.peers = {{.name = "n2", .underlay = Ip("192.0.2.2"), .identity = plan::IdentityOf(2, config.tunnel)}};
    inputs.slots = {{"n2", Slot{1}}};
    inputs.carriers = carriers;
    for (const policy::Binding& binding : bindings) {
      if (carriers.at(binding.id).kind == Carrier::Kind::kSelf) inputs.holds[*binding.egress_ip] = {};
    }
    return inputs;
  }

  // What the wire must show, in words.
  std::string Expected(const policy::Flow& flow, const policy::Policy* policy, bool is_guarded) const {
    if (is_guarded) return "nothing";
    const std::string as_it_came = "direct from " + flow.source.ToString();
    if (policy == nullptr || policy->action == policy::Action::kDirect) return as_it_came;
    if (policy->action == policy::Action::kDrop) return "nothing";
    const std::string without = policy->on_no_gateway == policy::OnNoGateway::kDirect ? as_it_came : "nothing";
    const auto binding = std::ranges::find_if(bindings, [&](const policy::Binding& candidate) {
      return candidate.policy == policy->name && candidate.family == flow.source.family();
    });
    if (binding == bindings.end()) return without;
    switch (carriers.at(binding->id).kind) {
      case Carrier::Kind::kNobody: return without;
      case Carrier::Kind::kSelf: return "direct from " + binding->egress_ip->ToString();
      case Carrier::Kind::kPeer: return TunnelText(binding->id.value, Ip(flow.source.family() == Family::kIpv4 ? kOwnTunnelIpv4
          : kOwnTunnelIpv6));
    }
    return without;
  }
  static std::string TunnelText(std::uint32_t id, const IpAddress& source) { return std::format("tunnel id {} from {}", id,
      source.ToString()); }

  Random random;
  policy::NodeConfig config;
  policy::PolicySet set;
  std::vector<policy::Binding> bindings;
  std::map<EgressId, Carrier> carriers;
};

// A router in a namespace of its own: workloads behind br0, everything else behind eth0.
class Router {
 public:
  Router() {
    for (const auto& [device, peer] : {std::pair{"br0", "br0peer"}, {"eth0", "eth0peer"}}) {
      REQUIRE(outsider_.MakeVeth(device, peer) == 0);
      for (const char* end : {device, peer}) SwitchNeighboursOff(end);
      WriteSysctl(std::format("net/ipv4/conf/{}/rp_filter", device), "0");
      WriteSysctl(std::format("net/ipv4/conf/{}/forwarding", device), "1");
    }
    WriteSysctl("net/ipv4/conf/all/rp_filter", "0");
    WriteSysctl("net/ipv6/conf/all/forwarding", "1");
    WriteSysctl("net/ipv6/conf/eth0/accept_dad", "0");
    REQUIRE(outsider_.AddAddress("eth0", "192.0.2.1/24") == 0);
    REQUIRE(outsider_.AddAddress("eth0", "2001:db8:1::1/64") == 0);
    REQUIRE(outsider_.AddRoute(254, "0.0.0.0/0", "eth0", "192.0.2.254") == 0);
    REQUIRE(outsider_.AddRoute(254, "::/0", "eth0", "2001:db8:1::fe") == 0);
    kernel_.emplace(kernel::Kernel::Open({.state_directory = directory_.path()}).value());
    inside_.emplace("br0peer");
    outside_.emplace("eth0peer");
    mac_ = MacOf("br0");
  }

  kernel::Kernel& kernel() { return *kernel_; }

  // Sends the first packet of a new connection, and behind it one that always comes through: what was seen of the first.
  std::string Pass(const policy::Flow& flow) {
    const std::uint16_t port = next_port_++;
    return Pass(PacketOf(flow, port), flow, port);
  }
  std::string Pass(const Octets& first, const policy::Flow& flow, std::uint16_t port) {
    inside_->Send(first, mac_);
    const policy::Flow last{.source = Ip(kAlways), .destination = Ip("198.51.100.1"), .protocol = IPPROTO_UDP, .port = 9};
    inside_->Send(PacketOf(last, port), mac_);
    std::string seen = "nothing";
    while (const std::optional<Octets> packet = outside_->Receive()) {
      const std::optional<Seen> outer = Read(*packet);
      if (!outer) continue;
      if (outer->destination == last.destination && outer->source_port == port) return seen;
      if (outer->destination_port == kVxlanPort && outer->destination == Ip("192.0.2.2")) {
        // VXLAN: flags, reserved, 16-bit id, VNI; Ethernet
        const std::uint32_t id = ((*packet)[outer->payload] & 0x80) != 0 ? At16(*packet, outer->payload + 2) : 0;
        const Octets frame(packet->begin() + static_cast<std::ptrdiff_t>(outer->payload) + 8 + 14, packet->end());
        const std::optional<Seen> inner = Read(frame);
        if (inner && inner->destination == flow.destination && inner->source_port == port) seen = World::TunnelText(id, inner->source);
      } else if (outer->destination == flow.destination && outer->source_port == port) {
        seen = "direct from " + outer->source.ToString();
      }
    }
    return "not even the packet behind it";
  }

 private:
  Sandbox sandbox_;
  TemporaryDirectory directory_;
  Outsider outsider_;
  std::optional<kernel::Kernel> kernel_;
  std::optional<Tap> inside_, outside_;
  std::array<std::uint8_t, 6> mac_{};
  std::uint16_t next_port_ = 1024;
};

TEST_CASE("what Build wants is what Observe finds, and a second time nothing is left to do") {
  Router router;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const World world(seed);
    const policy::Selection selection(world.set, "n1");
    const state::Host host = router.kernel().ReadHost().value();
    const state::State desired = plan::Build(world.Input(selection, host));
    const auto done = router.kernel().Reconcile(desired);
    REQUIRE_MESSAGE(done.has_value(), (done ? std::string() : done.error().message));
    CHECK(state::ToString(state::Diff(router.kernel().Observe().value(), desired)) == "");
    CHECK(router.kernel().Reconcile(desired).value().empty());
  }
}

TEST_CASE("what leaves a host is what Select says, for random policies and packets") {
  const OneProcessor one;
  Router router;
  constexpr std::uint64_t kSets = 25;
  constexpr int kPackets = 40;
  std::map<std::string, int> outcomes;
  for (std::uint64_t seed = 100; seed < 100 + kSets; ++seed) {
    World world(seed);
    const policy::Selection selection(world.set, "n1");
    const state::Host host = router.kernel().ReadHost().value();
    const plan::Inputs inputs = world.Input(selection, host);
    REQUIRE(router.kernel().Reconcile(plan::Build(inputs)));
    const policy::InternalNetworks internal = plan::InternalOf(inputs);
    for (int i = 0; i < kPackets; ++i) {
      policy::Flow flow{.source = world.Source(), .interface = "br0"};
      flow.destination = world.Destination(flow.source.family());
      flow.protocol = world.Protocol();
      flow.port = static_cast<std::uint16_t>(8 + world.random.Below(14));
      const policy::Policy* policy = policy::Select(selection, internal, flow);
      CAPTURE(seed);
      CAPTURE(flow.source.ToString());
      CAPTURE(flow.destination.ToString());
      CAPTURE(int{flow.protocol});
      CAPTURE(flow.port);
      CAPTURE((policy == nullptr ? std::string("no policy") : policy->name));
      const bool is_guarded = plan::IsGuardedAgainst(inputs, internal, flow);
      CAPTURE(is_guarded);
      const std::string seen = router.Pass(flow);
      CHECK(seen == world.Expected(flow, policy, is_guarded));
      if (is_guarded) ++outcomes["guarded"];
      const bool own = seen == "direct from " + flow.source.ToString();
      ++outcomes[own ? "untouched" : seen.substr(0, seen.find(' '))];
    }
  }
  for (const char* outcome : {"untouched", "direct", "tunnel", "nothing"}) {
    CAPTURE(outcome);
    CHECK(outcomes[outcome] > 50);  // or the policies above are no test
  }
  CHECK(outcomes["guarded"] > 10);
}

TEST_CASE("a packet that connection tracking calls invalid leaves only where no policy selects its source") {
  const OneProcessor one;
  Router router;
  World world(1);
  world.set.policies = {};
  world.set.policies["all"] = {.name = "all", .from = {{.cidrs = {Prefix::Containing(Ip("10.0.0.0"), 24)}}}};
  world.bindings = policy::Bind(world.set, {}).value().bindings;
  for (const policy::Binding& binding : world.bindings) world.carriers[binding.id] = {.kind = Carrier::Kind::kPeer, .peer = "n2"};
  const policy::Selection selection(world.set, "n1");
  const state::Host host = router.kernel().ReadHost().value();
  REQUIRE(router.kernel().Reconcile(plan::Build(world.Input(selection, host))));
  for (const auto& [source, expected] : {std::pair{"10.0.0.9", "nothing"}, {"10.9.0.9", "direct from 10.9.0.9"}}) {
    const policy::Flow flow{.source = Ip(source), .destination = Ip("10.7.0.1"), .protocol = IPPROTO_TCP, .port = 80};
    constexpr std::uint16_t kPort = 999;
    Octets packet = PacketOf(flow, kPort);
    packet.back() ^= 1;  // the checksum is wrong now
    CHECK(router.Pass(packet, flow, kPort) == expected);
  }
  const auto untracked = router.kernel().CounterPackets("untracked");
  CHECK(untracked == 1);
}

}  // namespace
}  // namespace egressd::test
