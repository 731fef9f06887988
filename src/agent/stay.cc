// Which tracked connections a change of policy ends.
#include <algorithm>
#include <utility>

#include "agent/body.h"

namespace egressd::agent {

namespace {

const policy::Binding* BindingOf(const policy::Bindings& bindings, EgressId id) {
  const auto found = std::ranges::lower_bound(bindings.bindings, id, {}, &policy::Binding::id);
  return found != bindings.bindings.end() && found->id == id ? &*found : nullptr;
}

// The kernel translates a connection once, with its first packet. After an egress IP has moved between this node and a peer, what left with
// the egress IP would have to leave with the tunnel address, or the other way round: the connection must be translated anew.
bool TranslatedForCarrier(const plan::Inputs& inputs, const policy::Policy& policy, const policy::Binding& binding, const IpAddress& source,
                          const IpAddress& translated) {
  const auto carrier = inputs.carriers.find(binding.id);
  if (carrier == inputs.carriers.end()) return true;
  if (policy.action == policy::Action::kRoute) return translated == source;
  const IpAddress& tunnel = binding.family == Family::kIpv4 ? inputs.self.ipv4 : inputs.self.ipv6;
  if (carrier->second.kind == plan::Carrier::Kind::kPeer) return translated == (policy::KeepsSource(policy) ? source : tunnel);
  return carrier->second.kind == plan::Carrier::Kind::kNobody || !binding.egress_ip || translated == *binding.egress_ip;
}

bool ComesFromPeer(const plan::Inputs& inputs, const IpAddress& source) {
  return std::ranges::any_of(inputs.peers, [&](const plan::Peer& peer) {
    return std::ranges::any_of(peer.networks, [&](const Prefix& network) { return network.Contains(source); });
  });
}

bool NamesProcesses(const policy::Selection& selection, const policy::Policy& policy) {
  return policy.enabled && std::ranges::any_of(policy.from, [&](const policy::Selector& selector) {
    return selector.names_processes() && selection.Counts(selector);
  });
}

}  // namespace

void Agent::Body::RecheckConnections(Output& output) {
  output.recheck_connections = true;
  recheck = false;
  recheck_at = kNever;
  own_in_doubt = std::exchange(policy_is_new, false);
}

const policy::InternalNetworks& Agent::Body::InternalNow() {
  if (internal_revision != revision) {
    internal = plan::InternalOf(inputs);
    internal_revision = revision;
  }
  return internal;
}

// Conntrack does not tell which process a connection is of. A policy that sends it may go on doing so, for what it is still about; one that
// has just come asks for all others to be looked at again: the next packet of each comes from its process, and the kernel decides anew, for
// most of them that nothing changes. nullopt: its address decides.
std::optional<bool> Agent::Body::OwnMayStay(const policy::Flow& original, const IpAddress& translated, std::uint16_t mark) {
  const policy::Selection& selection = *in_force->selection;
  const policy::PolicySet& set = selection.set();
  if (!selection.names_processes() || !std::ranges::contains(processes.addresses, original.source)) return std::nullopt;
  const auto IsAbout = [&](const policy::Policy& policy) {
    return NamesProcesses(selection, policy) && !policy::WhyNotDestination(set, policy, InternalNow(), original);
  };
  if (mark != 0 && mark != kDirectMark) {
    const policy::Binding& binding = *BindingOf(in_force->generation.bindings, EgressId{mark});
    const auto policy = set.policies.find(binding.policy);
    if (policy == set.policies.end() || !IsAbout(policy->second)) return std::nullopt;
    return TranslatedForCarrier(inputs, policy->second, binding, original.source, translated);
  }
  if (!own_in_doubt) return true;
  // Whatever else translated it must go on doing so.
  const bool untouched = translated == original.source;
  return !untouched || std::ranges::none_of(set.policies, [&](const auto& entry) { return IsAbout(entry.second); });
}

// A connection stays when what was decided for it is what would be decided now:
//   mark 0       never decided: it was there before a policy spoke about its source. It stays unless one would send or drop it now.
//   mark 65535   goes out directly
//   mark = id    goes through that egress id
bool Agent::MayStay(const policy::Flow& original, const IpAddress& translated, std::uint16_t mark) const {
  Body& body = *body_;
  const policy::Selection* selection = body.in_force->selection.get();
  if (selection == nullptr) return true;
  const policy::Binding* binding = BindingOf(body.in_force->generation.bindings, EgressId{mark});
  if (mark != 0 && mark != kDirectMark && binding == nullptr) return false;
  // On its gateway a workload that kept its address may look like one of this node.
  if (binding != nullptr && ComesFromPeer(body.inputs, original.source)) {
    const auto policy = selection->set().policies.find(binding->policy);
    return policy != selection->set().policies.end() && policy::KeepsSource(policy->second) &&
           (policy->second.action == policy::Action::kRoute) == (translated == original.source);
  }
  // What a workload that is gone left behind must not carry the next one with its address.
  if (plan::IsGuardedAgainst(body.inputs, body.InternalNow(), original)) return false;
  if (const std::optional<bool> stays = body.OwnMayStay(original, translated, mark)) return *stays;
  const policy::SourceClass* source = selection->ClassOf(original.source);
  if (source == nullptr) return true;
  // Conntrack does not tell the device; where it would decide, nothing is known.
  const auto names_device = [](const policy::Interest& interest) { return !interest.interfaces.empty(); };
  const bool depends_on_device = std::ranges::any_of(source->interests, names_device);
  if (depends_on_device && original.interface.empty()) return true;
  const policy::Policy* policy = policy::Select(*selection, body.InternalNow(), original);
  const bool direct = policy == nullptr || policy->action == policy::Action::kDirect;
  if (direct) return mark == 0 || mark == kDirectMark;
  if (policy->action == policy::Action::kDrop) return false;
  if (mark == 0) return false;
  if (mark == kDirectMark) return policy->on_no_gateway == policy::OnNoGateway::kDirect;
  return binding->policy == policy->name && TranslatedForCarrier(body.inputs, *policy, *binding, original.source, translated);
}

}  // namespace egressd::agent
