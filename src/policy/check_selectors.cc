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

// The last words of names that systemd gives to cgroups; with a wildcard in it, a pattern may mean any of them.
bool EndsInType(std::string_view unit) {
  const std::string_view tail = unit.substr(std::min(unit.rfind('.'), unit.size()));
  if (tail.find_first_of("*?[\\") != std::string_view::npos || unit.ends_with('*')) return true;
  constexpr std::string_view kTypes[] = {".service", ".scope", ".slice", ".socket", ".mount", ".swap"};
  return std::ranges::contains(kTypes, tail);
}

bool IsUser(std::string_view user) {
  if (user.empty() || user.size() > 64) return false;
  if (std::ranges::all_of(user, [](char c) { return '0' <= c && c <= '9'; })) {
    constexpr std::uint64_t kNobodyAtAll = 4294967295;  // (uid_t)-1
    return user.size() <= 10 && std::stoull(std::string(user)) < kNobodyAtAll;
  }
  return std::ranges::none_of(user, [](char c) { return std::string_view(":/ *").contains(c) || static_cast<unsigned char>(c) < ' '; });
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

// A process is no workload, and its traffic does not enter the host through a device.
void CheckProcesses(const std::string& path, const Selector& selector, std::vector<Finding>& findings) {
  const std::string_view speaks_of = selector.units.empty() ? "user" : "unit";
  const auto Excluded = [&](std::string_view key, std::string_view why) {
    findings.push_back(Error(rule::kNotOfProcesses, std::format("{}.{}", path, key),
                             std::format("`{}` beside `{}` selects nothing: {}", key, speaks_of, why),
                             "write two selectors: the one or the other then is enough"));
  };
  constexpr std::string_view kNoWorkload = "the host's own processes are no workloads";
  if (!selector.labels.empty()) Excluded("labels", kNoWorkload);
  if (selector.namespace_) Excluded("namespace", kNoWorkload);
  if (!selector.namespace_labels.empty()) Excluded("namespace_labels", kNoWorkload);
  if (selector.name) Excluded("name", kNoWorkload);
  if (selector.interface) Excluded("interface", "what the host's own processes send does not come in through a device");
  if (selector.all) {
    findings.push_back(Error(rule::kNoEffect, path + ".all", std::format("`all` has no effect beside `{}`", speaks_of), "remove `all`"));
  }
  for (std::size_t i = 0; i < selector.units.size(); ++i) {
    const std::string& unit = selector.units[i];
    const std::string at = std::format("{}.unit[{}]", path, i);
    if (!IsGlob(unit) || unit.contains('/')) {
      findings.push_back(
          Error(rule::kGlob, at, std::format("`{}` is not a pattern for the name of a unit", unit), "unit: \"nginx.service\""));
    } else if (!EndsInType(unit)) {
      findings.push_back(Error(rule::kUnit, at,
                               std::format("no unit with processes is called `{}`: expected a service, scope, slice, socket, mount or swap",
                                           unit),
                               std::format("unit: \"{}.service\"", unit)));
    }
  }
  for (std::size_t i = 0; i < selector.users.size(); ++i) {
    if (IsUser(selector.users[i])) continue;
    findings.push_back(Error(rule::kUser, std::format("{}.user[{}]", path, i),
                             std::format("`{}` is not a user: a name, or a number from 0 to 4294967294", selector.users[i]),
                             "user: www-data"));
  }
}

void CheckSelector(const Policy& policy, const std::string& path, const Selector& selector, std::vector<Finding>& findings) {
  if (selector == Selector{}) {
    findings.push_back(Error(rule::kEmptySelector, path, "the selector is empty; what should it select?",
                             "from: {labels: {app: postfix}}, or `from: {all: true}` for every source"));
    return;
  }
  CheckRequirements(path, selector.labels, findings);
  CheckRequirements(path + ".namespace_labels", selector.namespace_labels, findings);
  CheckRequirements(path + ".node_labels", selector.node_labels, findings);
  if (selector.names_processes()) CheckProcesses(path, selector, findings);
  for (std::size_t i = 0; i < selector.nodes.size(); ++i) {
    if (!selector.nodes[i].empty()) continue;
    findings.push_back(Error(rule::kName, std::format("{}.node[{}]", path, i), "the name of the node is empty"));
  }
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
