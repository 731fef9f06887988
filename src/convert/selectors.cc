#include "convert/selectors.h"

#include <algorithm>
#include <format>
#include <utility>

#include "egressd/policy/selection.h"

namespace egressd::convert {
namespace {

using Operator = policy::Requirement::Operator;

// Beside its syntax: a selector in a policy file must read as it was written.
bool CanBeWritten(const policy::Requirement& requirement) {
  const auto read = policy::ParseRequirements(policy::ToString(requirement));
  return read && read->size() == 1 && read->front() == requirement;
}

std::optional<policy::Requirement> Checked(Manifest& manifest, const Node& node, policy::Requirement requirement) {
  if (CanBeWritten(requirement)) return requirement;
  manifest.Error(node, kBadValue, std::format("`{}` is not a requirement on a label", policy::ToString(requirement)),
                 "keys and values of labels are made of letters, digits, `-`, `_`, `.` and `/`");
  return std::nullopt;
}

std::optional<policy::Requirement> ExpressionOf(Manifest& manifest, const Node& node) {
  constexpr std::pair<std::string_view, Operator> kOperators[] = {
      {"In", Operator::kIn}, {"NotIn", Operator::kNotIn}, {"Exists", Operator::kExists}, {"DoesNotExist", Operator::kNotExists}};
  const Node* key = manifest.Field(node, "key");
  const Node* word = manifest.Field(node, "operator");
  if (key == nullptr || word == nullptr || !key->is_scalar() || !word->is_scalar()) {
    manifest.Error(node, kMissing, "an expression needs `key` and `operator`", "{key: app, operator: In, values: [web]}");
    return std::nullopt;
  }
  const auto* found = std::ranges::find(kOperators, std::string_view(word->text), &std::pair<std::string_view, Operator>::first);
  if (found == std::end(kOperators)) {
    manifest.Error(*word, kCannotSay, std::format("there is no {} among the requirements on labels here", yaml::Describe(*word)),
                   "In, NotIn, Exists and DoesNotExist: label the nodes or pods so that one of them says it");
    return std::nullopt;
  }
  policy::Requirement requirement{.key = key->text, .op = found->second, .values = {}};
  const Node* values = manifest.Field(node, "values");
  if (values != nullptr) {
    for (const Node::Entry& entry : values->entries) {
      if (entry.value->is_scalar()) requirement.values.push_back(entry.value->text);
    }
  }
  const bool wants_values = requirement.op == Operator::kIn || requirement.op == Operator::kNotIn;
  if (wants_values == requirement.values.empty()) {
    manifest.Error(node, kMissing, std::format("`{}` {} values", word->text, wants_values ? "needs" : "takes no"));
    return std::nullopt;
  }
  return Checked(manifest, *key, std::move(requirement));
}

}  // namespace

std::optional<Requirements> RequirementsOfPart(Manifest& manifest, const Node& part, std::string_view key) {
  Requirements requirements;
  bool is_whole = true;
  const auto add = [&](std::optional<policy::Requirement> requirement) {
    is_whole = is_whole && requirement.has_value();
    if (requirement) requirements.push_back(*std::move(requirement));
  };
  if (key == "matchExpressions") {
    if (part.kind == Node::Kind::kNull) return requirements;
    if (!part.is_list()) is_whole = false;
    for (const Node* expression : manifest.Maps(part)) add(ExpressionOf(manifest, *expression));
  } else {
    for (const Node::Entry& label : part.entries) {
      if (label.key == nullptr || !label.value->is_scalar()) {
        manifest.Error(*label.value, kBadValue, std::format("expected the value of a label, found {}", yaml::Describe(*label.value)));
        return std::nullopt;
      }
      add(Checked(manifest, *label.value, {.key = label.key->text, .op = Operator::kIn, .values = {label.value->text}}));
    }
    if (part.is_scalar()) {
      manifest.Error(part, kBadValue, std::format("expected labels, found {}", yaml::Describe(part)));
      return std::nullopt;
    }
  }
  if (!is_whole) return std::nullopt;
  return requirements;
}

std::optional<Requirements> RequirementsOf(Manifest& manifest, const Node& selector) {
  if (!selector.is_map()) {
    manifest.Error(selector, kBadValue, std::format("expected a label selector, found {}", yaml::Describe(selector)));
    return std::nullopt;
  }
  Requirements requirements;
  bool is_whole = true;
  for (const Node::Entry& entry : selector.entries) {
    const std::string& key = entry.key->text;
    if (key != "matchLabels" && key != "matchExpressions") {
      manifest.Error(*entry.value, kCannotSay,
                     std::format("`{}` of a selector is not known here, and without it the selector is another one", key));
      is_whole = false;
      continue;
    }
    const auto part = RequirementsOfPart(manifest, *entry.value, key);
    is_whole = is_whole && part.has_value();
    if (part) Append(requirements, *part);
  }
  if (!is_whole) return std::nullopt;
  // In one order, so that equal selectors look equal; and labels first, as a map.
  std::ranges::stable_sort(requirements, {}, [](const policy::Requirement& requirement) {
    const bool is_label = requirement.op == Operator::kIn && requirement.values.size() == 1;
    return std::pair(!is_label, requirement.key);
  });
  return requirements;
}

void TellPods(Manifest& manifest, const Node& selector, const Requirements& requirements) {
  // Of its controllers and networks, and those that container engines keep to themselves.
  constexpr std::string_view kMadeThere[] = {"pod-template-hash",
                                             "pod-template-generation",
                                             "controller-revision-hash",
                                             "job-name",
                                             "controller-uid",
                                             "statefulset.kubernetes.io/",
                                             "apps.kubernetes.io/",
                                             "batch.kubernetes.io/",
                                             "io.cilium.k8s.",
                                             "com.docker.",
                                             "io.docker.",
                                             "org.dockerproject."};
  for (const policy::Requirement& requirement : requirements) {
    if (std::ranges::none_of(kMadeThere, [&](std::string_view start) { return requirement.key.starts_with(start); })) continue;
    manifest.Approximated(selector, "policies.*.from",
                          std::format("the label {} is not one that people give to containers: no workload here has it, unless you give it",
                                      requirement.key));
    return;
  }
  manifest.Exact(selector, "policies.*.from");
}

policy::NodeSelector NodesWith(Requirements requirements) {
  if (requirements.empty()) requirements.push_back({.key = "egressd.gateway.never", .op = Operator::kNotExists, .values = {}});
  return {.names = {}, .labels = std::move(requirements)};
}

policy::Selector Nothing() {
  constexpr const char* kKey = "egressd.converted.nothing";
  policy::Selector selector;
  selector.labels = {{.key = kKey, .op = Operator::kExists, .values = {}}, {.key = kKey, .op = Operator::kNotExists, .values = {}}};
  return selector;
}

policy::Selector OrAll(policy::Selector selector) {
  if (selector.labels.empty() && selector.namespace_labels.empty() && !selector.namespace_ && selector.cidrs.empty()) selector.all = true;
  return selector;
}

std::vector<policy::Selector> InNamespaces(const policy::Selector& selector, Requirements namespaces) {
  // The name of a namespace is no label here, unless the policy file says so.
  std::erase_if(namespaces, [](const policy::Requirement& r) { return r.key == kNamespaceName && r.op == Operator::kExists; });
  const auto named =
      std::ranges::find_if(namespaces, [](const policy::Requirement& r) { return r.key == kNamespaceName && r.op == Operator::kIn; });
  std::vector<std::string> names;
  if (named != namespaces.end()) {
    names = named->values;
    namespaces.erase(named);
  }
  policy::Selector with = selector;
  with.namespace_labels = std::move(namespaces);
  if (names.empty()) return {OrAll(std::move(with))};
  std::vector<policy::Selector> selectors;
  for (const std::string& name : names) {
    selectors.push_back(with);
    selectors.back().namespace_ = name;
  }
  return selectors;
}

}  // namespace egressd::convert
