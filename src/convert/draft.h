// The policy set as it grows, with the names that are taken and where everything comes from.
// Called by the converters of the four systems, one after the other.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "convert/manifest.h"
#include "convert/selectors.h"
#include "egressd/policy/policy_set.h"
#include "egressd/yaml/write.h"

namespace egressd::convert {

class Draft {
 public:
  explicit Draft(std::deque<Manifest>& manifests);

  const std::vector<Manifest*>& OfKind(const std::string& group, const std::string& kind) const;
  // nullptr: there is none.
  Manifest* Find(const std::string& group, const std::string& kind, const std::string& name) const;
  // The same; without one an error at `node`, which names it.
  Manifest* Named(Manifest& by, const Node& node, const std::string& group, const std::string& kind) const;

  // Adds objects under the name that the manifest's gives, or one that is free; they know their origin. The path: "pools.public".
  std::string AddPool(Manifest& origin, const std::string& wanted, policy::Pool pool);
  std::string AddGateway(Manifest& origin, const std::string& wanted, policy::Gateway gateway);
  std::string AddPolicy(Manifest& origin, const std::string& wanted, policy::Policy policy);
  void AddInternal(Manifest& origin, const std::vector<Prefix>& networks);
  policy::Namespace& NamespaceNamed(Manifest& origin, const std::string& name);
  // "<namespace>-<name>", or the name alone.
  static std::string NameOf(const Manifest& manifest);

  // Reads a selector of namespaces, and tells what becomes of it: not much, where the labels that it asks for are unknown here.
  std::optional<Requirements> NamespacesOf(Manifest& manifest, const Node& selector);

  // Which gateway stands for an object of another system, by "kind/name".
  std::map<std::string, std::string> gateway_of;
  policy::PolicySet set;
  yaml::Comments comments;

  // Whose the object at a path is ("policies.web.from[0]"); nullptr: nobody's.
  Manifest* OriginOf(std::string_view path) const;

 private:
  void Remember(Manifest& origin, const std::string& path);
  // Removes what stands at its beginning and is no name, and takes one that is free.
  template <typename Objects>
  std::string Free(const Objects& objects, std::string_view wanted) const;

  std::map<std::pair<std::string, std::string>, std::vector<Manifest*>> kinds_;  // by group and kind
  std::map<std::tuple<std::string, std::string, std::string>, Manifest*> named_;
  std::map<std::string, Manifest*, std::less<>> origins_;
  std::set<Prefix> internal_;
};

// "EgressPolicy default/web (web.yaml:12)"
std::string OriginText(const Object& object);

}  // namespace egressd::convert
