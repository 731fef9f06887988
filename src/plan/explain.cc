#include "egressd/plan/explain.h"

#include <algorithm>
#include <format>
#include <map>
#include <utility>

#include "egressd/base/bit_rate.h"
#include "plan/choice.h"
#include "plan/classes.h"
#include "plan/facts.h"

namespace egressd::plan {
namespace {

using policy::Action;
using policy::Policy;

std::string PolicyText(const Policy& policy) { return std::format("{} (priority {})", policy.name, policy.priority); }

// Where the kernel looks the source up: an exact address, a network, or the devices alone.
std::string SourceSet(const policy::Selection& selection, const policy::Flow& flow) {
  const IpAddress& source = flow.source;
  const Family family = source.family();
  if (flow.process && !selection.Knows(*flow.process)) return "the unit does not run; as soon as it does,";
  const policy::Flow of_nobody{.source = source, .destination = flow.destination, .process = policy::Process{}};
  if (flow.process && selection.ClassOf(flow) != selection.ClassOf(of_nobody)) {
    return std::format("map {}, map {}", set::kUnits, PerFamily(stem::kOwn, family));
  }
  if (selection.exact().contains(source)) return "map " + PerFamily(stem::kSource, family);
  for (const policy::Selection::Network& network : selection.networks()) {
    if (network.range.Contains(source)) return "map " + PerFamily(stem::kNetwork, family);
  }
  return "chain " + PerFamily(stem::kOther, family);
}

class Story {
 public:
  Story(const Facts& facts, const policy::Flow& flow, const std::string& self_name) : facts_(facts), flow_(flow), self_(self_name) {}

  Explanation Tell() {
    out_.action = "none";
    if (facts_.inputs.selection == nullptr) {
      Line("no policy set is in force: the packet goes out as without egressd");
      return std::move(out_);
    }
    const policy::Selection& selection = *facts_.inputs.selection;
    const policy::InternalNetworks internal = InternalOf(facts_.inputs);
    if (IsGuardedAgainst(facts_.inputs, internal, flow_)) {
      Guarded(*selection.GuardAgainst(flow_.source));
      return std::move(out_);
    }
    const Policy* chosen = policy::Select(selection, internal, flow_);
    Reject(chosen, internal);
    const policy::SourceClass* source_class = selection.ClassOf(flow_);
    if (chosen == nullptr) {
      Line(source_class == nullptr ? "no policy selects the source: the packet goes out as without egressd"
                                   : "no policy that selects the source is about this destination: the packet goes out as without egressd");
      return std::move(out_);
    }
    out_.policy = chosen->name;
    out_.action = ToString(chosen->action);
    const std::string where = SourceSet(selection, flow_);
    std::string decided = std::format("{} {} decides: {}", where, SourceText(), PolicyText(*chosen));
    if (source_class != nullptr && !SimpleMark(facts_, *source_class) && !where.starts_with("chain")) {
      decided += " in chain " + ClassChain(source_class->key);
    }
    Line(decided);
    if (chosen->action == Action::kDirect) Line("goes out directly, as without egressd");
    if (chosen->action == Action::kDrop) Line(std::format("dropped (counter {})", counter::kPolicyDrop));
    if (policy::UsesGateway(*chosen)) Translate(*chosen);
    return std::move(out_);
  }

 private:
  // "unit nginx.service, user 33, 10.0.0.1", "172.17.0.2"
  std::string SourceText() const {
    std::string text;
    if (flow_.process && !flow_.process->units.empty()) text += std::format("unit {}, ", flow_.process->units.back());
    if (flow_.process && flow_.process->user) text += std::format("user {}, ", *flow_.process->user);
    return text + flow_.source.ToString();
  }

  void Line(std::string_view text) { out_.path.push_back(std::format("{}  {}", self_, text)); }

  void Reject(const Policy* chosen, const policy::InternalNetworks& internal) {
    const policy::Selection& selection = *facts_.inputs.selection;
    bool decided = false;
    for (const Policy* policy : policy::InOrder(selection.set())) {
      if (policy == chosen) {
        decided = true;
        continue;
      }
      std::optional<std::string> reason = policy::WhyNot(selection, *policy, flow_);
      if (!reason) reason = policy::WhyNotDestination(selection.set(), *policy, internal, flow_);
      if (!reason && decided) reason = "already decided by " + PolicyText(*chosen);
      out_.rejected.push_back({.policy = policy->name, .reason = reason.value_or("not known to this node yet")});
    }
  }

  void Guarded(const Prefix& network) {
    out_.action = "drop";
    Line(std::format("{} is in the guarded network {} and no workload that this node knows: dropped towards everything external until "
                     "it is known (counter {})",
                     flow_.source.ToString(), network.ToString(), counter::kUnknownSource));
    for (const Policy* policy : policy::InOrder(facts_.inputs.selection->set())) {
      out_.rejected.push_back({.policy = policy->name, .reason = "the guard drops what comes from an unknown source"});
    }
  }

  void WithoutGateway(const Policy& policy, std::string_view why) {
    if (policy.on_no_gateway == policy::OnNoGateway::kDirect) {
      Line(std::format("{}: goes out directly (on_no_gateway: direct)", why));
    } else {
      Line(std::format("{}: dropped (counter {})", why, counter::kNoGateway));
    }
  }

  void Translate(const Policy& policy) {
    const policy::Gateway* gateway = policy::GatewayOf(*facts_.set, policy);
    if (gateway != nullptr) out_.gateway = gateway->name;
    if (policy::LeavesFromOwnNode(policy)) out_.gateway = policy::kSelf;
    const auto bindings = facts_.BindingsOf(policy.name, flow_.source.family());
    if (bindings.empty()) {
      WithoutGateway(policy, std::format("no {} egress IP", ToString(flow_.source.family())));
      return;
    }
    if (bindings.size() == 1) {
      Through(policy, *bindings.front());
    } else {
      Choose(policy);
    }
  }

  void Choose(const Policy& policy) {
    const std::vector<const policy::Binding*> lots = LotsOf(facts_, policy, flow_.source.family());
    const std::string map = SpreadMap(flow_.source.family(), policy.name);
    if (policy.spread == policy::Spread::kSource) {
      const std::uint32_t lot = LotOfSource(flow_.source, SpreadSeed(facts_.inputs.config->node.name));
      Line(std::format("lot {} of {}, by source, map {}", lot, lots.size(), map));
      Through(policy, *lots[lot]);
      return;
    }
    std::map<EgressId, std::pair<const policy::Binding*, std::size_t>> counts;
    for (const policy::Binding* binding : lots) {
      auto& [chosen, count] = counts[binding->id];
      chosen = binding;
      ++count;
    }
    const auto carried = [&](const auto& entry) { return facts_.NextHopMark(entry.first).has_value(); };
    if (counts.size() == 1 || std::ranges::none_of(counts, carried)) {
      Through(policy, *lots.front());
      return;
    }
    Line(std::format("new connections take {} egress IPs in turn, map {}", counts.size(), map));
    for (const auto& [id, chosen] : counts) {
      const auto& [binding, count] = chosen;
      const Carrier& carrier = facts_.inputs.carriers.at(id);
      const Choice choice{.id = id,
                          .egress_ip = binding->egress_ip,
                          .node = carrier.kind == Carrier::Kind::kSelf ? self_ : carrier.peer,
                          .share = static_cast<double>(count) / static_cast<double>(lots.size())};
      Line(std::format("{:.0f} % egress id {}, through {}", choice.share * 100, id.value, choice.node));
      out_.choices.push_back(choice);
    }
  }

  void Through(const Policy& policy, const policy::Binding& binding) {
    out_.id = binding.id;
    out_.egress_ip = binding.egress_ip;
    const std::optional<std::uint32_t> mark = facts_.NextHopMark(binding.id);
    if (!mark) {
      WithoutGateway(policy, "no gateway");
      return;
    }
    const Carrier& carrier = facts_.inputs.carriers.at(binding.id);
    if (carrier.kind == Carrier::Kind::kSelf) {
      out_.node = self_;
      const Held& held = *facts_.HeldAs(binding.id);
      out_.egress_ip = held.address;
      LeaveHere(held, *mark);
    } else {
      out_.node = carrier.peer;
      ThroughTunnel(binding, *mark);
    }
  }

  void LeaveHere(const Held& held, std::uint32_t mark) {
    const state::HostRoute* main = facts_.inputs.host->DefaultRoute(held.family);
    std::optional<IpAddress> next_hop = held.way.next_hop;
    if (held.way.slot == 0 && main != nullptr && main->device == held.way.device) next_hop = main->next_hop;
    std::string way = std::format("egress id {}, mark {:#010x}", held.id.value, mark);
    if (held.way.slot != 0) way += std::format(", rule {}, table {}", Priority(), facts_.TableOf(held.way.slot));
    way += std::format(", dev {}", held.way.device);
    if (next_hop) way += " via " + next_hop->ToString();
    Line(way);
    const bool routes = held.policy->action == Action::kRoute;
    Line(routes ? std::format("source stays {} (set {})", flow_.source.ToString(), set::kRouted)
                : std::format("source becomes {} (map {})", held.address.ToString(), PerFamily(stem::kSnat, held.family)));
    Limit(*held.policy, self_);
    Sees(routes ? flow_.source.ToString() : held.address.ToString());
  }

  void ThroughTunnel(const policy::Binding& binding, std::uint32_t mark) {
    const Peer& peer = *std::ranges::find(facts_.inputs.peers, out_.node, &Peer::name);
    const std::uint8_t slot = facts_.inputs.slots.at(peer.name).value;
    const bool ipv4 = binding.family == Family::kIpv4;
    const std::string& device = facts_.tunnel().device;
    Line(std::format("egress id {}, map {}, mark {:#010x}, rule {}, table {}, dev {} via {}", binding.id.value, set::kNextHop, mark,
                     Priority(), facts_.TableOf(slot), device, (ipv4 ? peer.identity.ipv4 : peer.identity.ipv6).ToString()));
    const Policy& policy = *facts_.PolicyOf(binding);
    const IpAddress& own = ipv4 ? facts_.inputs.self.ipv4 : facts_.inputs.self.ipv6;
    const auto holds = [&](const Prefix& network) { return network.Contains(flow_.source); };
    if (policy::KeepsSource(policy) && std::ranges::none_of(facts_.inputs.networks, holds)) {
      Line(std::format("{} is in no network of this node that is its alone, so no reply would find it: dropped (counter {})",
                       flow_.source.ToString(), counter::kWrongSource));
      out_.action = ToString(Action::kDrop);
      return;
    }
    Line(std::format("source {} {}, {} sends it to {} ({})", policy::KeepsSource(policy) ? "stays" : "becomes",
                     policy::KeepsSource(policy) ? flow_.source.ToString() : own.ToString(), device, peer.name, peer.underlay.ToString()));
    if (policy.action == Action::kRoute) {
      out_.path.push_back(std::format("{}  source stays {} (set {})", peer.name, flow_.source.ToString(), set::kRouted));
      Limit(policy, peer.name);
      Sees(flow_.source.ToString());
      return;
    }
    const std::string address = binding.egress_ip ? binding.egress_ip->ToString() : std::string("its own address");
    out_.path.push_back(std::format("{}  source becomes {} (map {})", peer.name, address, PerFamily(stem::kSnat, binding.family)));
    Limit(policy, peer.name);
    if (const policy::Subnet* subnet = binding.egress_ip ? policy::SubnetOf(*facts_.set, *binding.egress_ip) : nullptr) {
      const std::string vlan = subnet->vlan == 0 ? "" : std::format(", vlan {}", subnet->vlan);
      if (const auto& router = subnet->router(binding.family))
        out_.path.push_back(std::format("{}  leaves via {}{}", peer.name, router->address.ToString(), vlan));
    }
    Sees(binding.egress_ip ? address : std::format("the address of {}", peer.name));
  }

  void Limit(const Policy& policy, std::string_view node) {
    const auto Say = [&](std::string_view direction, std::uint64_t rate_bits, std::string_view map) {
      if (rate_bits == 0) return;
      const std::uint64_t burst_bits = std::max(policy.bandwidth.burst_bits, rate_bits);
      out_.path.push_back(std::format("{}  {} {} bit/s for all of {} together, bursts of {} bit (map {}, counter {})", node, direction,
                                      FormatBits(rate_bits), policy.name, FormatBits(burst_bits), map, counter::kOverLimit));
    };
    Say("sends at most", policy.bandwidth.egress_bits, set::kLimitOut);
    Say("lets in at most", policy.bandwidth.ingress_bits, set::kLimitIn);
  }

  void Sees(std::string_view source) {
    std::string destination = flow_.destination.ToString();
    if (flow_.port != 0) destination = Endpoint{.address = flow_.destination, .port = flow_.port}.ToString();
    out_.path.push_back(std::format("=> {} sees {}", destination, source));
  }

  std::uint32_t Priority() const { return facts_.inputs.config->datapath.rule_priority; }

  const Facts& facts_;
  const policy::Flow& flow_;
  const std::string& self_;
  Explanation out_;
};

}  // namespace

Explanation Explain(const Inputs& inputs, const policy::Flow& flow, const std::string& self_name) {
  const Facts facts(inputs);
  return Story(facts, flow, self_name).Tell();
}

}  // namespace egressd::plan
