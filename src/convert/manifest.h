// One Kubernetes object as it stands in a file, and the account of what becomes of its fields.
//
// 1. A field that is null, empty or "" counts as not there, as it does for Kubernetes; a selector `{}` is the exception (Selector()).
// 2. Finish() reports every field as dropped that nobody has spoken of, so a field of a later version is never ignored in silence.
// Called by the converters of the four systems.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "convert/codes.h"
#include "egressd/convert/convert.h"
#include "egressd/yaml/tree.h"

namespace egressd::convert {

using yaml::Node;

template <typename Element>
void Append(std::vector<Element>& to, const std::vector<Element>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

class Manifest {
 public:
  Manifest(const Node& root, yaml::Documents& file, std::string_view file_name);

  const Object& object() const { return object_; }
  const std::string& kind() const { return object_.kind; }
  const std::string& name() const { return object_.name; }
  // "default" when a namespaced object does not say.
  std::string namespace_or_default() const { return object_.namespace_.empty() ? "default" : object_.namespace_; }
  const Node& root() const { return root_; }
  // The API group: "" of v1, "crd.antrea.io".
  std::string group() const;
  // Labels and annotations of the object, as text for people.
  std::string Description() const;

  // By its path: "spec.egressIP.ipv4", or below `from`: "matchLabels". nullptr: not there.
  const Node* Field(std::string_view path) const { return Field(root_, path); }
  const Node* Field(const Node& from, std::string_view path) const;
  // A label selector, which may be empty; nullptr: not there.
  const Node* Selector(const Node& from, std::string_view path) const;

  // What becomes of a field: `becomes` is a path in the result, "pools.*.ipv4" one in the first pool that this object creates. The note of
  // an exact one tells what to know about it.
  void Exact(const Node& node, std::string becomes, std::string note = "") {
    Tell(node, Outcome::kExact, std::move(becomes), std::move(note));
  }
  void Approximated(const Node& node, std::string becomes, std::string note) {
    Tell(node, Outcome::kApproximated, std::move(becomes), std::move(note));
  }
  void Dropped(const Node& node, std::string note) { Tell(node, Outcome::kDropped, "", std::move(note)); }
  // Drops these fields of spec, where they are there.
  void DropAll(std::initializer_list<std::string_view> paths, const std::string& note);
  // A field that is not there, where its default means something.
  void ApproximatedAbsent(std::string path, std::string becomes, std::string note);
  void Creates(const std::string& path) { object_.creates.push_back(path); }
  // An object that another manifest has created: "*" may stand for it, too.
  void Uses(const std::string& path) { uses_.push_back(path); }
  // Puts the fields into the order of the file. What nobody has spoken of is reported, or, of an object that is read for some of its
  // fields only, left alone.
  enum class Rest : std::uint8_t { kReported, kLeft };
  void Finish(Rest rest);

  void Error(const Node& node, const char* code, std::string message, std::string hint = "");
  bool has_errors() const { return has_errors_; }

  // Values; nullopt: reported.
  std::optional<std::string> Text(const Node& node);
  std::optional<bool> Boolean(const Node& node);
  std::optional<std::uint64_t> Number(const Node& node, std::uint64_t highest);
  // The texts of a list, the empty ones left out, each with its node.
  struct Item {
    const Node* node;
    std::string text;
  };
  std::vector<Item> Texts(const Node& node);
  // The maps of a list.
  std::vector<const Node*> Maps(const Node& node);

 private:
  void Tell(const Node& node, Outcome outcome, std::string becomes, std::string note);
  void Worsen(const Node& node, Outcome outcome, std::string note);
  void ReportRest(const Node& node);
  std::string RelativePath(const Node& node) const;

  const Node& root_;
  yaml::Documents& file_;
  Object object_;
  std::string api_version_;
  std::vector<std::string> uses_;
  std::set<const Node*> told_;
  std::set<const Node*> partly_told_;  // what stands above them
  bool has_errors_ = false;
};

}  // namespace egressd::convert
