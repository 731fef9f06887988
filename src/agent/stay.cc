// Which tracked connections a change of policy ends.
#include <algorithm>

#include "agent/body.h"

namespace egressd::agent {

// A connection stays when what was decided for it is what would be decided now:
//   mark 0       never decided: it was there before a policy spoke about its source. It stays unless one would send or drop it now.
//   mark 65535   goes out directly
//   mark = id    goes through that egress id
bool Agent::MayStay(const policy::Flow& original, std::uint16_t mark) const {
  Body& body = *body_;
  const policy::Selection* selection = body.in_force->selection.get();
  if (selection == nullptr) return true;
  const policy::SourceClass* source = selection->ClassOf(original.source);
  if (source == nullptr) return true;
  // Conntrack does not tell the device; where it would decide, nothing is known.
  const auto names_device = [](const policy::Interest& interest) { return !interest.interfaces.empty(); };
  const bool depends_on_device = std::ranges::any_of(source->interests, names_device);
  if (depends_on_device && original.interface.empty()) return true;
  if (body.internal_revision != body.revision) {
    body.internal = plan::InternalOf(body.inputs);
    body.internal_revision = body.revision;
  }
  const policy::Policy* policy = policy::Select(*selection, body.internal, original);
  const bool direct = policy == nullptr || policy->action == policy::Action::kDirect;
  if (direct) return mark == 0 || mark == kDirectMark;
  if (policy->action == policy::Action::kDrop) return false;
  if (mark == 0) return false;
  if (mark == kDirectMark) return policy->on_no_gateway == policy::OnNoGateway::kDirect;
  const auto& bindings = body.in_force->generation.bindings.bindings;
  const auto binding = std::ranges::lower_bound(bindings, EgressId{mark}, {}, &policy::Binding::id);
  return binding != bindings.end() && binding->id.value == mark && binding->policy == policy->name;
}

}  // namespace egressd::agent
