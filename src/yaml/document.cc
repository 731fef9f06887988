#include "yaml/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <format>
#include <map>
#include <spanstream>

#include "yaml/codes.h"

namespace egressd::yaml {
namespace {

constexpr std::size_t kMaxAliasedNodes = 10'000;

// Thrown through yaml-cpp, which has no other way to stop; caught in Parse.
struct Stop {
  Flaw flaw;
};

Position PositionOf(const YAML::Mark& mark) { return mark.is_null() ? Position{} : Position{mark.line + 1, mark.column}; }

// What yaml-cpp says, and what usually causes it.
Flaw Explain(const YAML::Exception& error) {
  const std::string_view said = error.msg;
  std::string hint = "check indentation, quotes and brackets here and just above";
  if (said.contains("end of sequence flow") || said.contains("end of map flow")) hint = "a closing bracket or a comma is missing";
  if (said.contains("illegal map value")) hint = "quote text that contains `: `";
  if (said.contains("unknown token") || said.contains("special character")) hint = "quote text that starts with a special character";
  return {kSyntax, PositionOf(error.mark), std::format("not valid YAML: {}", Printable(said)), std::move(hint)};
}

bool IsEndOfPlain(char c) { return c == '\n' || c == ' ' || c == ',' || c == ']' || c == '}' || c == '#'; }

}  // namespace

// Receives yaml-cpp's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(Forest& forest, const Lines& lines, Report& report, Expect expect)
      : forest_(forest), lines_(lines), report_(report), expect_(expect) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    anchors_.clear();  // they are known within their document only
    // At a token that begins nothing, such as a comma, yaml-cpp finds one empty document after the other, for ever.
    if (mark.pos <= last_start_) Fail(mark, kSyntax, "not valid YAML: nothing begins like this", "a bracket, a quote or a key is missing");
    last_start_ = mark.pos;
    if (expect_ == Expect::kOne && !forest_.roots.empty()) {
      Fail(mark, kSeveralDocuments, "a second YAML document starts here, one is expected", "remove the line `---`, or use two files");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node& node = Add(Node::Kind::kNull, mark, anchor);
    node.is_written = IsNullWritten(node.position);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    Node& node = Add(Node::Kind::kScalar, mark, anchor);
    node.text = value;
    node.is_quoted = tag == "!";
    RefuseTag(node, tag);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node* target = anchor < anchors_.size() ? anchors_[anchor] : nullptr;
    const bool is_open = std::ranges::any_of(open_, [&](const Open& open) { return open.node == target; });
    if (target == nullptr || is_open) Fail(mark, kTooBig, "an alias that contains itself", "write the value out");
    Node& copy = Add(target->kind, mark, YAML::NullAnchor);
    Copy(*target, copy, mark, static_cast<int>(open_.size()));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Start(Node::Kind::kList, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Start(Node::Kind::kMap, mark, tag, anchor);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapEnd() override {
    Node& map = *open_.back().node;
    open_.pop_back();
    CheckKeys(map);
  }

 private:
  struct Open {
    Node* node;
    Node* key = nullptr;  // a key that waits for its value
  };

  [[noreturn]] static void Fail(const YAML::Mark& mark, const char* code, std::string message, std::string hint) {
    throw Stop{{code, PositionOf(mark), std::move(message), std::move(hint)}};
  }

  void Start(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (open_.size() >= static_cast<std::size_t>(kMaxDepth))
      Fail(mark, kTooBig, std::format("nested deeper than {} levels", kMaxDepth), "");
    Node& node = Add(kind, mark, anchor);
    RefuseTag(node, tag);
    open_.push_back({&node});
  }

  Node& Add(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    Node& node = forest_.nodes.emplace_back();
    node.kind = kind;
    node.position = PositionOf(mark);
    if (anchor != YAML::NullAnchor) {
      if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
      anchors_[anchor] = &node;
    }
    if (open_.empty()) {
      forest_.roots.push_back(&node);
      return node;
    }
    Open& top = open_.back();
    node.parent = top.node;
    if (top.node->is_list()) {
      node.index = top.node->entries.size();
      top.node->entries.push_back({nullptr, &node});
    } else if (top.key == nullptr) {
      top.key = &node;
      node.key = &node;
    } else {
      node.key = top.key;
      top.node->entries.push_back({top.key, &node});
      top.key = nullptr;
    }
    return node;
  }

  Node& CopyOf(const Node& from, const YAML::Mark& mark, int depth) {
    Node& node = forest_.nodes.emplace_back();
    node.kind = from.kind;
    node.position = from.position;
    Copy(from, node, mark, depth);
    return node;
  }

  void Copy(const Node& from, Node& to, const YAML::Mark& mark, int depth) {
    if (depth > kMaxDepth) Fail(mark, kTooBig, std::format("nested deeper than {} levels", kMaxDepth), "");
    aliased_ += 1 + from.text.size() / 64;  // long texts count as well
    if (aliased_ > kMaxAliasedNodes)
      Fail(mark, kTooBig, std::format("aliases add more than {} values", kMaxAliasedNodes), "write them out");
    to.is_quoted = from.is_quoted;
    to.is_written = from.is_written;
    to.text = from.text;
    for (const Node::Entry& entry : from.entries) {
      Node* key = entry.key == nullptr ? nullptr : &CopyOf(*entry.key, mark, depth + 1);
      Node& value = CopyOf(*entry.value, mark, depth + 1);
      value.parent = &to;
      value.key = key;
      value.index = to.entries.size();
      if (key != nullptr) {
        key->parent = &to;
        key->key = key;
      }
      to.entries.push_back({key, &value});
    }
  }

  // "?" is yaml-cpp's word for "no tag, plain", "!" for "no tag, quoted".
  void RefuseTag(const Node& node, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    report_.Error(node, kYamlFeature, std::format("the tag {} has no meaning here", Quote(tag)),
                  "remove it; quote a value that must be a string");
  }

  bool IsNullWritten(Position position) const {
    const std::string_view line = lines_.at(position.line);
    if (position.byte < 0 || static_cast<std::size_t>(position.byte) >= line.size()) return false;
    std::string_view rest = line.substr(static_cast<std::size_t>(position.byte));
    for (const std::string_view word : {"~", "null", "Null", "NULL"}) {
      if (rest.starts_with(word) && (rest.size() == word.size() || IsEndOfPlain(rest[word.size()]))) return true;
    }
    return false;
  }

  // Reports keys that are no names and keys that stand twice, and leaves them out.
  void CheckKeys(Node& map) {
    std::map<std::string_view, const Node*> seen;
    std::erase_if(map.entries, [&](const Node::Entry& entry) { return !IsSoundKey(*entry.key, seen); });
  }

  bool IsSoundKey(const Node& key, std::map<std::string_view, const Node*>& seen) {
    if (!key.is_scalar() || (key.text.empty() && !key.is_quoted)) {
      const std::string hint = key.is_map() ? "quote text in braces" : "give it a name, or quote it";
      report_.ErrorAt(key.position, kYamlFeature, PathOf(*key.parent), std::format("expected a key, found {}", Describe(key)), hint);
      return false;
    }
    if (key.text == "<<" && !key.is_quoted) {
      report_.Error(key, kYamlFeature, "merge keys (`<<`) are not read", "write the keys out; a whole value may be an alias (`*name`)");
      return false;
    }
    const auto [first, is_new] = seen.try_emplace(key.text, &key);
    if (!is_new) {
      report_.Error(key, kDuplicateKey,
                    std::format("duplicate key {}, first used in line {}", Quote(key.text), first->second->position.line),
                    "only one of them can count: remove or rename one");
    }
    return is_new;
  }

  Forest& forest_;
  const Lines& lines_;
  Report& report_;
  Expect expect_;
  std::vector<Open> open_;
  std::vector<Node*> anchors_;
  std::size_t aliased_ = 0;
  int last_start_ = -1;  // where the last document began, in the text
};

std::optional<Forest> ParseForest(std::string_view text, const Lines& lines, Report& report, Expect expect) {
  const std::vector<Flaw> flaws = CheckBytes(text);
  for (const Flaw& flaw : flaws) report.ErrorAt(flaw.position, flaw.code, "", flaw.message, flaw.hint);
  if (!flaws.empty()) return std::nullopt;
  Forest forest;
  Flaw flaw{};
  try {
    std::ispanstream stream(std::span<const char>(text.data(), text.size()));
    YAML::Parser parser(stream);
    TreeBuilder builder(forest, lines, report, expect);
    while (parser.HandleNextDocument(builder)) {
    }
    return forest;
  } catch (const Stop& stop) {
    flaw = stop.flaw;
  } catch (const YAML::Exception& error) {
    flaw = Explain(error);
  } catch (const std::exception& error) {
    flaw = {kSyntax, {}, std::format("not valid YAML: {}", error.what()), ""};
  }
  report.ErrorAt(flaw.position, flaw.code, "", flaw.message, flaw.hint);
  return std::nullopt;
}

std::optional<Document> Document::Parse(std::string_view text, const Lines& lines, Report& report) {
  auto forest = ParseForest(text, lines, report, Expect::kOne);
  if (!forest) return std::nullopt;
  Document document;
  document.forest_ = std::move(*forest);
  document.root_ = document.forest_.roots.empty() ? &document.forest_.nodes.emplace_back() : document.forest_.roots.front();
  return document;
}

namespace {

// One step along `path`; shortens it by what was consumed. nullptr = there is no such child.
const Node* Child(const Node& node, std::string_view& path) {
  if (path.starts_with('[')) {
    const std::size_t close = path.find(']');
    if (close == std::string_view::npos) return nullptr;
    std::size_t index = 0;
    const auto [end, code] = std::from_chars(path.data() + 1, path.data() + close, index);
    if (code != std::errc() || end != path.data() + close) return nullptr;
    path.remove_prefix(close + 1);
    if (node.is_list()) return index < node.entries.size() ? node.entries[index].value : nullptr;
    return index == 0 ? &node : nullptr;
  }
  if (path.starts_with('.')) path.remove_prefix(1);
  const Node::Entry* best = nullptr;
  if (!node.is_map()) return nullptr;
  for (const Node::Entry& entry : node.entries) {
    const std::string_view name = entry.key->text;
    if (!path.starts_with(name) || (best != nullptr && name.size() <= best->key->text.size())) continue;
    if (path.size() == name.size() || path[name.size()] == '.' || path[name.size()] == '[') best = &entry;
  }
  if (best == nullptr) return nullptr;
  path.remove_prefix(best->key->text.size());
  return best->value;
}

}  // namespace

Document::Resolved Document::Resolve(std::string_view path) const {
  const Node* node = root_;
  while (!path.empty()) {
    std::string_view rest = path;
    const Node* child = Child(*node, rest);
    if (child == nullptr) break;
    node = child;
    path = rest;
  }
  return {*node, path};
}

std::string PathOf(const Node& node) {
  if (node.parent == nullptr) return {};
  std::string path = PathOf(*node.parent);
  if (node.key == nullptr) return path + std::format("[{}]", node.index);
  if (!path.empty()) path += '.';
  // Enough for every name that can be valid; a hostile key must not be repeated a hundred times.
  return path + node.key->text.substr(0, 300);
}

Position PlaceOf(const Node& node) {
  const bool own_place = node.is_scalar() || node.key == nullptr || (node.kind == Node::Kind::kNull && node.is_written);
  return own_place ? node.position : node.key->position;
}

std::string Describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return node.is_written ? "`null`" : "nothing";
    case Node::Kind::kScalar:
      return Quote(node.text);
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
  }
  return {};
}

const Node* Find(const Node& map, std::string_view key) {
  const auto has_key = [&](const Node::Entry& entry) { return entry.key != nullptr && entry.key->text == key; };
  const auto found = std::ranges::find_if(map.entries, has_key);
  return found == map.entries.end() ? nullptr : found->value;
}

}  // namespace egressd::yaml
