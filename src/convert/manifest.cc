#include "convert/manifest.h"

#include <algorithm>
#include <charconv>
#include <format>

namespace egressd::convert {
namespace {

constexpr std::size_t kShown = 100;  // bytes of an annotation that a description keeps

bool IsEmpty(const Node& node) { return node.kind == Node::Kind::kNull || (node.is_scalar() ? node.text.empty() : node.entries.empty()); }

std::string TextAt(const Node& map, std::string_view key) {
  const Node* node = yaml::Find(map, key);
  return node != nullptr && node->is_scalar() ? node->text : "";
}

// One character of UTF-8 is not cut in two.
std::string Shortened(std::string_view text) {
  if (text.size() <= kShown) return std::string(text);
  std::size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace

Manifest::Manifest(const Node& root, yaml::Documents& file, std::string_view file_name) : root_(root), file_(file) {
  object_.kind = TextAt(root, "kind");
  api_version_ = TextAt(root, "apiVersion");
  if (const Node* metadata = yaml::Find(root, "metadata")) {
    object_.name = TextAt(*metadata, "name");
    object_.namespace_ = TextAt(*metadata, "namespace");
  }
  object_.file = file_name;
  // Of an item in a list: its first key, not the dash.
  const yaml::Position place = root.entries.empty() ? root.position : root.entries.front().key->position;
  object_.line = place.line;
  object_.column = file.Column(place);
}

std::string Manifest::group() const {
  const std::size_t slash = api_version_.find('/');
  return slash == std::string::npos ? "" : api_version_.substr(0, slash);
}

std::string Manifest::Description() const {
  std::string out;
  for (const std::string_view path : {"metadata.labels", "metadata.annotations"}) {
    const Node* map = Field(path);
    if (map == nullptr || !map->is_map()) continue;
    for (const Node::Entry& entry : map->entries) {
      const std::string& key = entry.key->text;
      if (key == "kubectl.kubernetes.io/last-applied-configuration" || !entry.value->is_scalar()) continue;
      out += std::format("{}{}={}", out.empty() ? "" : ", ", Shortened(key), Shortened(entry.value->text));
    }
  }
  return out;
}

const Node* Manifest::Selector(const Node& from, std::string_view path) const {
  const Node* node = &from;
  while (!path.empty() && node != nullptr) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    node = yaml::Find(*node, path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return node == nullptr || node->kind == Node::Kind::kNull ? nullptr : node;
}

const Node* Manifest::Field(const Node& from, std::string_view path) const {
  const Node* node = Selector(from, path);
  return node == nullptr || IsEmpty(*node) ? nullptr : node;
}

void Manifest::DropAll(std::initializer_list<std::string_view> paths, const std::string& note) {
  for (const std::string_view path : paths) {
    if (const Node* node = Field(std::format("spec.{}", path))) Dropped(*node, note);
  }
}

std::string Manifest::RelativePath(const Node& node) const {
  const std::string above = yaml::PathOf(root_);
  std::string path = yaml::PathOf(node);
  if (above.empty()) return path;
  return path.substr(std::min(above.size() + 1, path.size()));
}

// Several others may read one field: what is worse holds.
void Manifest::Worsen(const Node& node, Outcome outcome, std::string note) {
  const auto told = std::ranges::find(object_.fields, RelativePath(node), &convert::Field::path);
  if (told == object_.fields.end() || told->outcome >= outcome) return;
  told->outcome = outcome;
  told->note = std::move(note);
}

void Manifest::Tell(const Node& node, Outcome outcome, std::string becomes, std::string note) {
  if (!told_.insert(&node).second) return Worsen(node, outcome, std::move(note));
  for (const Node* above = node.parent; above != nullptr && partly_told_.insert(above).second; above = above->parent) {
  }
  object_.fields.push_back({.path = RelativePath(node),
                            .outcome = outcome,
                            .becomes = std::move(becomes),
                            .note = std::move(note),
                            .line = yaml::PlaceOf(node).line});
}

void Manifest::ApproximatedAbsent(std::string path, std::string becomes, std::string note) {
  object_.fields.push_back(
      {.path = std::move(path), .outcome = Outcome::kApproximated, .becomes = std::move(becomes), .note = std::move(note)});
}

void Manifest::ReportRest(const Node& node) {
  for (const Node::Entry& entry : node.entries) {
    const Node& value = *entry.value;
    const bool of_kubernetes = &node == &root_ && (entry.key->text == "apiVersion" || entry.key->text == "kind" ||
                                                   entry.key->text == "metadata" || entry.key->text == "status");
    if (of_kubernetes || told_.contains(&value) || IsEmpty(value)) continue;
    if (partly_told_.contains(&value)) {
      ReportRest(value);
    } else {
      Dropped(value, "this field is not known here");
    }
  }
}

void Manifest::Finish(Rest rest) {
  if (rest == Rest::kReported) ReportRest(root_);
  // "pools.*.ipv4" was said before the pool had a name.
  for (convert::Field& field : object_.fields) {
    const std::size_t star = field.becomes.find(".*");
    if (star == std::string::npos) continue;
    const std::string_view section = std::string_view(field.becomes).substr(0, star + 1);
    for (const auto* paths : {&object_.creates, &uses_}) {
      const auto found = std::ranges::find_if(*paths, [&](const std::string& path) { return path.starts_with(section); });
      if (found == paths->end()) continue;
      field.becomes.replace(0, star + 2, *found);
      break;
    }
  }
  std::ranges::stable_sort(object_.fields, {}, [](const convert::Field& field) { return field.line; });
}

void Manifest::Error(const Node& node, const char* code, std::string message, std::string hint) {
  has_errors_ = true;
  file_.Error(node, code, std::move(message), std::move(hint));
}

std::optional<std::string> Manifest::Text(const Node& node) {
  if (node.is_scalar()) return node.text;
  Error(node, kBadValue, std::format("expected a text, found {}", yaml::Describe(node)));
  return std::nullopt;
}

std::optional<bool> Manifest::Boolean(const Node& node) {
  if (node.is_scalar() && (node.text == "true" || node.text == "false")) return node.text == "true";
  Error(node, kBadValue, std::format("expected true or false, found {}", yaml::Describe(node)));
  return std::nullopt;
}

std::optional<std::uint64_t> Manifest::Number(const Node& node, std::uint64_t highest) {
  std::uint64_t value = 0;
  if (node.is_scalar() && !node.text.empty()) {
    const char* end = node.text.data() + node.text.size();
    const auto [last, code] = std::from_chars(node.text.data(), end, value);
    if (code == std::errc() && last == end && value <= highest) return value;
  }
  Error(node, kBadValue, std::format("expected a number 0-{}, found {}", highest, yaml::Describe(node)));
  return std::nullopt;
}

std::vector<Manifest::Item> Manifest::Texts(const Node& node) {
  std::vector<Item> items;
  if (!node.is_list()) {
    Error(node, kBadValue, std::format("expected a list, found {}", yaml::Describe(node)));
    return items;
  }
  for (const Node::Entry& entry : node.entries) {
    if (IsEmpty(*entry.value)) continue;
    if (const auto text = Text(*entry.value)) items.push_back({.node = entry.value, .text = *text});
  }
  return items;
}

std::vector<const Node*> Manifest::Maps(const Node& node) {
  std::vector<const Node*> maps;
  if (!node.is_list()) {
    Error(node, kBadValue, std::format("expected a list, found {}", yaml::Describe(node)));
    return maps;
  }
  for (const Node::Entry& entry : node.entries) {
    if (entry.value->is_map()) {
      maps.push_back(entry.value);
    } else {
      Error(*entry.value, kBadValue, std::format("expected a map, found {}", yaml::Describe(*entry.value)));
    }
  }
  return maps;
}

}  // namespace egressd::convert
