#include "yaml/reader.h"

#include <algorithm>
#include <charconv>
#include <format>

#include "egressd/policy/selection.h"
#include "yaml/codes.h"
#include "yaml/scalar.h"

namespace egressd::yaml {

bool Reader::Map(const Node& node, std::span<const Key> keys, std::string_view what) {
  if (!NamedMap(node, what)) return false;
  CheckKeys(report_, node, keys, what);
  return true;
}

bool Reader::NamedMap(const Node& node, std::string_view what) {
  if (node.is_map()) return true;
  std::string hint;
  if (node.kind == Node::Kind::kNull) hint = "remove the key, or write `{}`";
  if (node.is_scalar() && node.text.contains(':')) hint = "a space belongs behind the colon: `key: value`";
  report_.Error(node, kWrongKind, std::format("expected {} (a map), found {}", what, Describe(node)), hint);
  return false;
}

std::vector<const Node*> Reader::Items(const Node& node, std::string_view what) {
  std::vector<const Node*> items;
  if (node.is_scalar()) items.push_back(&node);
  if (node.is_list()) {
    for (const Node::Entry& entry : node.entries) items.push_back(entry.value);
  }
  if (node.is_map() || node.kind == Node::Kind::kNull) {
    report_.Error(node, kWrongKind, std::format("expected {} or a list of them, found {}", what, Describe(node)),
                  node.is_map() ? "" : "remove the key, or give it a value");
  }
  return items;
}

std::vector<const Node*> Reader::SomeItems(const Node& node, std::string_view what, std::string_view hint) {
  if (node.is_list() && node.entries.empty()) report_.Error(node, kEmpty, "an empty list", std::string(hint));
  return Items(node, what);
}

const Node* Reader::ExpectScalar(const Node& node, std::string_view what, std::string_view hint) {
  if (node.is_scalar()) return &node;
  report_.Error(node, kWrongKind, std::format("expected {}, found {}", what, Describe(node)), std::string(hint));
  return nullptr;
}

std::optional<std::string> Reader::Text(const Node& node, std::string_view what) {
  if (node.kind == Node::Kind::kNull && node.is_written) {
    report_.Error(node, kAmbiguous, std::format("expected {}, found `null`", what), "quote it if it is meant as text, else remove the key");
    return std::nullopt;
  }
  if (ExpectScalar(node, what) == nullptr) return std::nullopt;
  const Looks looks = node.is_quoted ? Looks::kText : LooksLike(node.text);
  if (IsAmbiguous(looks)) {
    report_.Error(node, kAmbiguous, std::format("{} {}, {} is expected", Quote(node.text), Words(looks), what),
                  std::format("quote it: \"{}\"", Printable(node.text.substr(0, 60))));
    return std::nullopt;
  }
  return node.text;
}

std::optional<std::string> Reader::Name(const Node& node, std::string_view what) {
  auto text = Text(node, what);
  if (!text) return std::nullopt;
  if (text->empty()) {
    report_.Error(node, kBadName, std::format("expected {}, found an empty string", what));
    return std::nullopt;
  }
  return text;
}

bool Reader::IsName(const Node& key, std::string_view what) { return Name(key, what).has_value(); }

std::optional<std::string> Reader::LabelValue(const Node& node) {
  if (node.kind == Node::Kind::kNull) {
    report_.Error(node, kWrongKind, std::format("expected a label's value, found {}", Describe(node)),
                  node.is_written ? "quote it: \"null\"" : "an empty value is written as \"\"");
    return std::nullopt;
  }
  if (ExpectScalar(node, "a label's value", node.is_list() ? "several values are `select: \"key in (a,b)\"`" : "") == nullptr)
    return std::nullopt;
  return node.text;
}

policy::Labels Reader::Labels(const Node& node) {
  policy::Labels labels;
  if (!NamedMap(node, "labels")) return labels;
  for (const Node::Entry& entry : node.entries) {
    if (entry.key->text.empty()) report_.Error(*entry.key, kBadName, "a label needs a name");
    if (auto value = LabelValue(*entry.value)) labels.emplace(entry.key->text, std::move(*value));
  }
  return labels;
}

std::vector<policy::Requirement> Reader::LabelRequirements(const Node& node) {
  if (node.is_map() && node.entries.empty()) {
    report_.Error(node, kEmpty, "empty labels select nothing", "name a label, or write `all: true`");
    return {};
  }
  std::vector<policy::Requirement> requirements;
  for (auto& [key, value] : Labels(node)) {
    requirements.push_back({.key = key, .op = policy::Requirement::Operator::kIn, .values = {value}});
  }
  return requirements;
}

std::vector<policy::Requirement> Reader::Select(const Node& node) {
  if (ExpectScalar(node, "a label selector such as \"app in (web,api),!canary\"") == nullptr) return {};
  auto requirements = policy::ParseRequirements(node.text);
  if (!requirements) {
    report_.Error(node, kBadSelector, std::format("not a label selector: {}", requirements.error().message),
                  "write `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key` or `!key`, separated by commas");
    return {};
  }
  if (requirements->empty()) {
    report_.Error(node, kEmpty, "an empty selector selects nothing", "write a requirement such as \"app=web\"");
    return {};
  }
  return std::move(*requirements);
}

std::optional<std::uint64_t> Reader::Number(const Node& node, std::uint64_t lowest, std::uint64_t highest) {
  const std::string expected = std::format("a number {}-{}", lowest, highest);
  if (ExpectScalar(node, expected) == nullptr) return std::nullopt;
  const std::string& text = node.text;
  const Looks looks = LooksLike(text);
  if (node.is_quoted) {
    report_.Error(node, kWrongKind, std::format("expected {}, found the string \"{}\"", expected, Printable(text.substr(0, 60))),
                  looks == Looks::kInteger ? std::format("remove the quotes: {}", text) : "");
    return std::nullopt;
  }
  if (looks == Looks::kInteger) {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code == std::errc() && value >= lowest && value <= highest) return value;
    report_.Error(node, kBadNumber, std::format("{} is out of range, expected {}", Quote(text), expected));
    return std::nullopt;
  }
  if (looks == Looks::kText || looks == Looks::kSigned) {
    report_.Error(node, kBadNumber, std::format("expected {}, found {}", expected, Quote(text)));
    return std::nullopt;
  }
  std::string hint = "write a plain decimal number";
  if (looks == Looks::kOctal && text.find_first_not_of("0123456789") == std::string::npos) {
    const std::size_t first = std::min(text.find_first_not_of('0'), text.size() - 1);
    hint = std::format("parsers disagree about a leading zero: write `{}`", text.substr(first, 20));
  }
  report_.Error(node, kAmbiguous, std::format("{} {}, expected {}", Quote(text), Words(looks), expected), hint);
  return std::nullopt;
}

std::optional<bool> Reader::Boolean(const Node& node) {
  if (ExpectScalar(node, "true or false") == nullptr) return std::nullopt;
  if (!node.is_quoted && node.text == "true") return true;
  if (!node.is_quoted && node.text == "false") return false;
  const Looks looks = LooksLike(node.text);
  if (node.is_quoted) {
    report_.Error(node, kWrongKind, std::format("expected true or false, found the string \"{}\"", Printable(node.text.substr(0, 60))),
                  looks == Looks::kBoolean ? std::format("remove the quotes: {}", node.text) : "");
    return std::nullopt;
  }
  if (looks == Looks::kOldBoolean) {
    const bool is_on = node.text.size() == 2 && std::string_view("oO").contains(node.text[0]);
    const bool is_true = is_on || std::string_view("tTyY").contains(node.text[0]);
    report_.Error(node, kAmbiguous, std::format("parsers disagree whether {} is a boolean", Quote(node.text)),
                  std::format("write `{}`", is_true ? "true" : "false"));
    return std::nullopt;
  }
  report_.Error(node, kBadWord, std::format("expected true or false, found {}", Quote(node.text)));
  return std::nullopt;
}

std::optional<std::size_t> Reader::Word(const Node& node, std::span<const std::string_view> words) {
  std::string expected;
  for (const std::string_view word : words) {
    expected += std::format("{}{}", expected.empty() ? "" : word == words.back() ? " or " : ", ", word);
  }
  if (ExpectScalar(node, expected) == nullptr) return std::nullopt;
  const auto found = std::ranges::find(words, std::string_view(node.text));
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const std::string_view near = Nearest(node.text, words);
  report_.Error(node, kBadWord, std::format("expected {}, found {}", expected, Quote(node.text)),
                near.empty() ? "" : std::format("did you mean `{}`?", near));
  return std::nullopt;
}

void Reader::Version(const Node& root, VersionKey need) {
  const Node* version = Find(root, "version");
  if (version == nullptr) {
    if (need == VersionKey::kOptional) return;
    report_.ErrorAt({1, 0}, kVersion, "version", "the key `version` is missing", "put `version: 1` into the first line");
    return;
  }
  if (version->is_scalar() && !version->is_quoted && version->text == "1") return;
  report_.Error(*version, kVersion, std::format("this build reads version 1, found {}", Describe(*version)), "write `version: 1`");
}

}  // namespace egressd::yaml
