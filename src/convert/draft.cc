#include "convert/draft.h"

#include <algorithm>
#include <format>
#include <utility>

#include "egressd/policy/selection.h"

namespace egressd::convert {
namespace {

constexpr std::size_t kLongestName = 63;

// Names here are [a-z0-9][a-z0-9._-]*; those of Kubernetes nearly always are.
std::string Cleaned(std::string_view wanted) {
  std::string name;
  for (const char c : wanted) {
    const bool is_lower = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (c >= 'A' && c <= 'Z') {
      name += static_cast<char>(c - 'A' + 'a');
    } else if (is_lower || (!name.empty() && std::string_view("._-").contains(c))) {
      name += c;
    } else if (!name.empty()) {
      name += '-';
    }
    if (name.size() == kLongestName) break;
  }
  return name.empty() ? "unnamed" : name;
}

}  // namespace

std::string OriginText(const Object& object) { return std::format("{} ({}:{})", object.Title(), object.file, object.line); }

Draft::Draft(std::deque<Manifest>& manifests) {
  for (Manifest& manifest : manifests) {
    kinds_[{manifest.group(), manifest.kind()}].push_back(&manifest);
    named_.try_emplace({manifest.group(), manifest.kind(), manifest.name()}, &manifest);
  }
}

const std::vector<Manifest*>& Draft::OfKind(const std::string& group, const std::string& kind) const {
  static const std::vector<Manifest*> kNone;
  const auto found = kinds_.find({group, kind});
  return found == kinds_.end() ? kNone : found->second;
}

Manifest* Draft::Find(const std::string& group, const std::string& kind, const std::string& name) const {
  const auto found = named_.find({group, kind, name});
  return found == named_.end() ? nullptr : found->second;
}

Manifest* Draft::Named(Manifest& by, const Node& node, const std::string& group, const std::string& kind) const {
  Manifest* found = Find(group, kind, node.text);
  if (found == nullptr) {
    std::string lower(kind);
    std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    by.Error(node, kUnknownReference, std::format("there is no {} {} among the files", kind, yaml::Describe(node)),
             std::format("kubectl get {} {} -o yaml, as one more -f", lower, node.text));
  }
  return found;
}

template <typename Objects>
std::string Draft::Free(const Objects& objects, std::string_view wanted) const {
  const std::string name = Cleaned(wanted);
  // `gateway: self` means the workload's own node.
  if (name != policy::kSelf && !objects.contains(name)) return name;
  for (std::size_t number = 2;; ++number) {
    const std::string suffix = std::format("-{}", number);
    const std::string other = name.substr(0, kLongestName - suffix.size()) + suffix;
    if (!objects.contains(other)) return other;
  }
}

void Draft::Remember(Manifest& origin, const std::string& path) {
  origins_[path] = &origin;
  comments[path] = "from: " + OriginText(origin.object());
  origin.Creates(path);
}

std::string Draft::AddPool(Manifest& origin, const std::string& wanted, policy::Pool pool) {
  pool.name = Free(set.pools, wanted);
  Remember(origin, "pools." + pool.name);
  return "pools." + set.pools.emplace(pool.name, std::move(pool)).first->first;
}

std::string Draft::AddGateway(Manifest& origin, const std::string& wanted, policy::Gateway gateway) {
  gateway.name = Free(set.gateways, wanted);
  Remember(origin, "gateways." + gateway.name);
  return "gateways." + set.gateways.emplace(gateway.name, std::move(gateway)).first->first;
}

std::string Draft::AddPolicy(Manifest& origin, const std::string& wanted, policy::Policy policy) {
  policy.name = Free(set.policies, wanted);
  policy.description = origin.Description();
  Remember(origin, "policies." + policy.name);
  return "policies." + set.policies.emplace(policy.name, std::move(policy)).first->first;
}

void Draft::AddInternal(Manifest& origin, const std::vector<Prefix>& networks) {
  for (const Prefix& network : networks) {
    if (internal_.insert(network).second) set.internal.push_back(network);
  }
  std::string& comment = comments["internal"];
  comment += std::format("{}from: {}", comment.empty() ? "" : "\n", OriginText(origin.object()));
  origin.Creates("internal");
}

policy::Namespace& Draft::NamespaceNamed(Manifest& origin, const std::string& name) {
  const std::string path = "namespaces." + name;
  if (!set.namespaces.contains(name)) Remember(origin, path);
  policy::Namespace& named = set.namespaces[name];
  named.name = name;
  return named;
}

std::string Draft::NameOf(const Manifest& manifest) {
  const std::string& within = manifest.object().namespace_;
  return within.empty() ? manifest.name() : within + "-" + manifest.name();
}

std::optional<Requirements> Draft::NamespacesOf(Manifest& manifest, const Node& selector) {
  auto requirements = RequirementsOf(manifest, selector);
  if (!requirements) return std::nullopt;
  using Operator = policy::Requirement::Operator;
  bool needs_labels = false;
  for (const policy::Requirement& requirement : *requirements) {
    if (requirement.key != kNamespaceName) {
      needs_labels = needs_labels || requirement.op == Operator::kIn || requirement.op == Operator::kExists;
    } else if (requirement.op == Operator::kNotExists) {
      manifest.Error(selector, kCannotSay, std::format("every namespace has the label {}: nothing can be selected", kNamespaceName));
      return std::nullopt;
    } else if (requirement.op == Operator::kNotIn) {
      // Namespaces that nobody lists have no labels; so it is enough to list those that are left out.
      for (const std::string& name : requirement.values) NamespaceNamed(manifest, name).labels[std::string(kNamespaceName)] = name;
    }
  }
  Requirements asked = *requirements;
  std::erase_if(asked, [](const policy::Requirement& r) { return r.key == kNamespaceName; });
  const bool known = std::ranges::any_of(set.namespaces, [&](const auto& entry) { return policy::Matches(asked, entry.second.labels); });
  if (needs_labels && !known) {
    manifest.Approximated(selector, "policies.*.from",
                          "no namespace among the files has these labels: nothing is selected until `namespaces:` gives them to one");
  } else {
    manifest.Exact(selector, "policies.*.from");
  }
  return requirements;
}

Manifest* Draft::OriginOf(std::string_view path) const {
  // "policies.web.from[0]" → "policies.web"; names may have dots, so the longest one counts.
  for (std::size_t end = path.size(); end != std::string_view::npos && end > 0; end = path.find_last_of(".[", end - 1)) {
    const auto found = origins_.find(path.substr(0, end));
    if (found != origins_.end()) return found->second;
    if (end == 0) break;
  }
  return nullptr;
}

}  // namespace egressd::convert
