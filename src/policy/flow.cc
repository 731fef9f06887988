// What one policy says about one flow: the slow, explaining twin of the compiled Selection.
#include <algorithm>

#include "egressd/policy/selection.h"
#include "policy/describe.h"
#include "policy/interests.h"
#include "policy/process_interests.h"

namespace egressd::policy {
namespace {

std::string List(const std::vector<Prefix>& prefixes) {
  std::string text;
  for (const Prefix& prefix : prefixes) {
    if (!text.empty()) text += ", ";
    text += prefix.is_single() ? prefix.address.ToString() : prefix.ToString();
  }
  return text;
}

std::string List(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::optional<std::string> WhyNotWorkload(const PolicySet& set, const Policy& policy, const Selector& selector,
                                          const Workload* workload) {
  if (!selector.names_workloads() && !(selector.all && policy.namespace_)) return std::nullopt;
  if (workload == nullptr) return "the source is no known workload";
  for (const std::optional<std::string>* wanted : {&policy.namespace_, &selector.namespace_}) {
    if (*wanted && **wanted != workload->namespace_) return "wants namespace " + **wanted;
  }
  for (const Requirement& requirement : selector.namespace_labels) {
    const Labels& labels = Vantage{.set = set}.LabelsOf(workload->namespace_);
    if (!Matches({requirement}, labels)) return "wants a namespace with " + ToString(requirement);
  }
  if (selector.name && !GlobMatches(*selector.name, workload->name)) return "wants name " + *selector.name;
  for (const Requirement& requirement : selector.labels) {
    if (!Matches({requirement}, workload->labels)) return "wants " + ToString(requirement);
  }
  return std::nullopt;
}

std::optional<std::string> WhyNotProcess(const Selection& selection, const Selector& selector, const std::optional<Process>& process) {
  if (!process) return "wants the host's own processes";
  if (!selector.units.empty() && !AnyUnit(selector.units, process->units)) return "wants unit " + List(selector.units);
  const auto IsUser = [&](const std::string& user) { return process->user && UserNumber(selection.processes(), user) == process->user; };
  if (!selector.users.empty() && std::ranges::none_of(selector.users, IsUser)) return "wants user " + List(selector.users);
  return std::nullopt;
}

std::optional<std::string> WhyNotSelector(const Selection& selection, const Policy& policy, const Selector& selector, const Flow& flow) {
  if (!selection.Counts(selector)) return "speaks of other nodes";
  const Workload* workload = selection.WorkloadAt(flow.source);
  if (selector.names_processes()) {
    if (std::optional<std::string> reason = WhyNotProcess(selection, selector, flow.process)) return reason;
  } else if (std::optional<std::string> reason = WhyNotWorkload(selection.set(), policy, selector, workload)) {
    return reason;
  } else if (flow.process && !SelectsWorkloads(policy, selector) && !selection.exact().contains(flow.source)) {
    return "selects what the host forwards";
  }
  const auto HoldsSource = [&](const Prefix& prefix) { return prefix.Contains(flow.source); };
  if (!selector.cidrs.empty() && std::ranges::none_of(selector.cidrs, HoldsSource)) return "wants a source in " + List(selector.cidrs);
  if (selector.interface && *selector.interface != flow.interface) return "wants interface " + *selector.interface;
  return std::nullopt;
}

std::string List(const std::vector<PortRange>& ports) {
  std::string text;
  for (const PortRange& range : ports) {
    if (!text.empty()) text += ", ";
    text += Text(range);
  }
  return text;
}

bool AnyContains(const std::vector<Prefix>& prefixes, const IpAddress& address) {
  return std::ranges::any_of(prefixes, [&](const Prefix& prefix) { return prefix.Contains(address); });
}

}  // namespace

std::optional<std::string> WhyNot(const Selection& selection, const Policy& policy, const Flow& flow) {
  std::optional<std::string> first;
  for (const Selector& selector : policy.from) {
    std::optional<std::string> reason = WhyNotSelector(selection, policy, selector, flow);
    if (!reason) return std::nullopt;
    if (!first) first = std::move(reason);
  }
  return first ? first : "selects nothing";
}

std::optional<std::string> WhyNotDestination(const PolicySet& set, const Policy& policy, const InternalNetworks& internal,
                                             const Flow& flow) {
  const std::string destination = flow.destination.ToString();
  if (policy.to == Reach::kExternal && AnyContains(internal, flow.destination)) return destination + " is internal";
  if (policy.to == Reach::kListed && !AnyContains(Resolve(set, policy.destinations), flow.destination)) {
    return destination + " is not listed in to";
  }
  if (!policy.except.empty() && AnyContains(Resolve(set, policy.except), flow.destination)) return destination + " is listed in except";
  const auto HoldsPort = [&](const PortRange& range) {
    return range.protocol == flow.protocol && range.first <= flow.port && flow.port <= range.last;
  };
  if (!policy.ports.empty() && std::ranges::none_of(policy.ports, HoldsPort)) return "wants " + List(policy.ports);
  return std::nullopt;
}

const Policy* Select(const Selection& selection, const InternalNetworks& internal, const Flow& flow) {
  if (flow.process && !selection.Knows(*flow.process)) {  // a unit that does not run: the kernel will hear of it when it does
    for (const Policy* policy : InOrder(selection.set())) {
      if (!WhyNot(selection, *policy, flow) && !WhyNotDestination(selection.set(), *policy, internal, flow)) return policy;
    }
    return nullptr;
  }
  const SourceClass* source_class = selection.ClassOf(flow);
  if (source_class == nullptr) return nullptr;
  for (const Interest& interest : source_class->interests) {
    if (!interest.interfaces.empty() && !interest.interfaces.contains(flow.interface)) continue;
    if (!WhyNotDestination(selection.set(), *interest.policy, internal, flow)) return interest.policy;
  }
  return nullptr;
}

}  // namespace egressd::policy
