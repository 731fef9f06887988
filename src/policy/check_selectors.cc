// `from:` of one policy: every selector by itself and with the policy's namespace.
#include <algorithm>
#include <format>

#include "egressd/policy/selection.h"
#include "policy/checks.h"
#include "policy/interests.h"
#include "policy/rules.h"

namespace egressd::policy {
namespace {

// An opening bracket that never closes, or a backslash with nothing behind it.
bool IsGlob(std::string_view glob) {
  for (std::size_t i = 0; i < glob.size(); ++i) {
    if (glob[i] == '\\') {
      if (++i == glob.size()) return false;
      continue;
    }
    if (glob[i] != '[') continue;
    std::size_t close = i + 1;
    if (close < glob.size() && (glob[close] == '!' || glob[close] == '^')) ++close;
    close = glob.find(']', close + 1);
    if (close == std::string_view::npos) return false;
    i = close;
  }
  return !glob.empty();
}

void CheckRequirements(const std::string& path, const std::vector<Requirement>& requirements, std::vector<Finding>& findings) {
  for (const Requirement& requirement : requirements) {
    const bool wants_values = requirement.op == Requirement::Operator::kIn || requirement.op == Requirement::Operator::kNotIn;
    if (requirement.key.empty()) {
      findings.push_back(Error(rule::kRequirement, path, "a requirement on a label without a key", "labels: {app: postfix}"));
    } else if (wants_values && requirement.values.empty()) {
      findings.push_back(Error(rule::kRequirement, path, std::format("the requirement on label `{}` has no value", requirement.key),
                               std::format("select: \"{} in (a,b)\"", requirement.key)));
    }
  }
}

void CheckSelector(const Policy& policy, const std::string& path, const Selector& selector, std::vector<Finding>& findings) {
  if (selector == Selector{}) {
    findings.push_back(Error(rule::kEmptySelector, path, "the selector is empty; what should it select?",
                             "from: {labels: {app: postfix}}, or `from: {all: true}` for every source"));
    return;
  }
  CheckRequirements(path, selector.labels, findings);
  if (selector.name && !IsGlob(*selector.name)) {
    findings.push_back(Error(rule::kGlob, path + ".name",
                             std::format("`{}` is not a pattern: empty, or a `[` or `\\` without its end", *selector.name),
                             "name: \"web-*\""));
  }
  if (selector.interface && !IsDeviceName(*selector.interface)) {
    findings.push_back(Error(rule::kInterface, path + ".interface",
                             std::format("`{}` is not the name of a network device", *selector.interface), "interface: docker0"));
  }
  if (selector.namespace_ && selector.namespace_->empty())
    findings.push_back(Error(rule::kName, path + ".namespace", "the namespace is empty"));
  if (policy.namespace_ && selector.namespace_ && *policy.namespace_ != *selector.namespace_) {
    findings.push_back(Error(rule::kTwoNamespaces, path + ".namespace",
                             std::format("the policy is restricted to namespace {}, so this selector for namespace {} selects nothing",
                                         *policy.namespace_, *selector.namespace_),
                             "remove `namespace:` from the policy or from the selector"));
  }
}

}  // namespace

void CheckSelectors(const Policy& policy, std::vector<Finding>& findings) {
  const std::string path = std::format("policies.{}.from", policy.name);
  if (policy.from.empty()) {
    findings.push_back(Error(rule::kNoFrom, path, "the policy selects no source",
                             "from: {labels: {app: postfix}}, or `from: {all: true}` for every source"));
    return;
  }
  for (std::size_t i = 0; i < policy.from.size(); ++i) CheckSelector(policy, std::format("{}[{}]", path, i), policy.from[i], findings);
  const auto Restricted = [&](const Selector& selector) { return SelectsWorkloads(policy, selector); };
  if (policy.namespace_ && std::ranges::none_of(policy.from, Restricted)) {
    findings.push_back(Error(rule::kNoEffect, std::format("policies.{}.namespace", policy.name),
                             "`namespace` has no effect: it restricts selectors of workloads, and there is none",
                             "remove it, or add `all: true` to the selector: workloads of the namespace with these addresses"));
  }
}

}  // namespace egressd::policy
