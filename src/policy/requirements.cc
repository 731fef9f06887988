// Label requirements, node selectors and globs: the small languages inside `from:` and `nodes:`.
#include <algorithm>
#include <format>

#include "egressd/policy/selection.h"

namespace egressd::policy {
namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool IsLabelText(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-_./:@").contains(c);
  });
}

std::unexpected<Error> NotARequirement(std::string_view term) {
  return Fail(ErrorKind::kInvalid,
              std::format("`{}` is not a requirement; expected key=value, key!=value, key in (a,b), key notin (a,b), key or !key", term));
}

// "key in (a, b)": `word` is "in" or "notin"; nullopt when the term has another form.
std::optional<Requirement> ParseList(std::string_view term, std::string_view word, Requirement::Operator op) {
  const auto open = term.find('(');
  if (open == std::string_view::npos || !term.ends_with(')')) return std::nullopt;
  const std::string_view head = Trim(term.substr(0, open));
  if (!head.ends_with(word) || head.size() == word.size()) return std::nullopt;
  const std::string_view before = head.substr(0, head.size() - word.size());
  if (before.back() != ' ' && before.back() != '\t') return std::nullopt;
  Requirement requirement{.key = std::string(Trim(before)), .op = op};
  std::string_view values = term.substr(open + 1, term.size() - open - 2);
  while (true) {
    const auto comma = values.find(',');
    requirement.values.emplace_back(Trim(values.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    values.remove_prefix(comma + 1);
  }
  if (requirement.values.size() == 1 && requirement.values.front().empty()) return std::nullopt;
  return requirement;
}

std::optional<Requirement> ParseComparison(std::string_view term) {
  const auto equals = term.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const bool negated = equals > 0 && term[equals - 1] == '!';
  std::string_view value = term.substr(equals + 1);
  if (!negated && value.starts_with('=')) value.remove_prefix(1);  // Kubernetes takes `==` too
  return Requirement{.key = std::string(Trim(term.substr(0, negated ? equals - 1 : equals))),
                     .op = negated ? Requirement::Operator::kNotIn : Requirement::Operator::kIn,
                     .values = {std::string(Trim(value))}};
}

Result<Requirement> ParseTerm(std::string_view term) {
  std::optional<Requirement> parsed = ParseList(term, "notin", Requirement::Operator::kNotIn);
  if (!parsed) parsed = ParseList(term, "in", Requirement::Operator::kIn);
  if (!parsed) parsed = ParseComparison(term);
  if (!parsed && term.starts_with('!')) {
    parsed = Requirement{.key = std::string(Trim(term.substr(1))), .op = Requirement::Operator::kNotExists};
  }
  if (!parsed) parsed = Requirement{.key = std::string(term), .op = Requirement::Operator::kExists};
  if (parsed->key.empty() || !IsLabelText(parsed->key) || !std::ranges::all_of(parsed->values, IsLabelText)) return NotARequirement(term);
  return *parsed;
}

// Does `c` belong to the bracket expression that starts at pattern[at] == '['? `at` moves behind it; an expression that never
// closes is an ordinary bracket (nullopt).
std::optional<bool> MatchBracket(std::string_view pattern, std::size_t& at, char c) {
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool found = false;
  for (const std::size_t first = i; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i > first) {
      at = i + 1;
      return found != negated;
    }
    char low = pattern[i];
    if (low == '\\' && i + 1 < pattern.size()) low = pattern[++i];
    char high = low;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      high = pattern[i + 2];
      i += 2;
    }
    const auto Order = [](char x) { return static_cast<unsigned char>(x); };
    found = found || (Order(low) <= Order(c) && Order(c) <= Order(high));
  }
  return std::nullopt;
}

// One pattern element other than `*` against one character.
bool MatchOne(std::string_view pattern, std::size_t& at, char c) {
  if (pattern[at] == '?') {
    ++at;
    return true;
  }
  if (pattern[at] == '[') {
    if (const std::optional<bool> matched = MatchBracket(pattern, at, c)) return *matched;
  }
  if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
  return pattern[at++] == c;
}

bool Matches(const Requirement& requirement, const Labels& labels) {
  const auto found = labels.find(requirement.key);
  const bool exists = found != labels.end();
  switch (requirement.op) {
    case Requirement::Operator::kIn:
      return exists && std::ranges::contains(requirement.values, found->second);
    case Requirement::Operator::kNotIn:
      return !exists || !std::ranges::contains(requirement.values, found->second);
    case Requirement::Operator::kExists:
      return exists;
    case Requirement::Operator::kNotExists:
      return !exists;
  }
  return false;
}

std::string Join(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) {
    if (!text.empty()) text += ',';
    text += value;
  }
  return text;
}

}  // namespace

bool Matches(const std::vector<Requirement>& requirements, const Labels& labels) {
  return std::ranges::all_of(requirements, [&](const Requirement& requirement) { return Matches(requirement, labels); });
}

bool Matches(const NodeSelector& selector, const std::string& node_name, const Labels& labels) {
  if (std::ranges::contains(selector.names, node_name)) return true;
  return !selector.labels.empty() && Matches(selector.labels, labels);
}

bool CountsOn(const Selector& selector, const std::string& node_name, const Labels& node_labels) {
  return (selector.nodes.empty() || std::ranges::contains(selector.nodes, node_name)) && Matches(selector.node_labels, node_labels);
}

Result<std::vector<Requirement>> ParseRequirements(std::string_view text) {
  std::vector<Requirement> requirements;
  if (Trim(text).empty()) return Fail(ErrorKind::kInvalid, "a selector without any requirement");
  std::size_t depth = 0;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (c == '(') ++depth;
    if (c == ')' && depth > 0) --depth;
    if (c != ',' || (depth > 0 && i < text.size())) continue;  // a comma inside of brackets separates values
    Result<Requirement> requirement = ParseTerm(Trim(text.substr(start, i - start)));
    if (!requirement) return std::unexpected(std::move(requirement).error());
    requirements.push_back(*std::move(requirement));
    start = i + 1;
  }
  return requirements;
}

std::string ToString(const Requirement& requirement) {
  const std::string values = Join(requirement.values);
  switch (requirement.op) {
    case Requirement::Operator::kIn:
      if (requirement.values.size() == 1) return requirement.key + "=" + values;
      return requirement.key + " in (" + values + ")";
    case Requirement::Operator::kNotIn:
      if (requirement.values.size() == 1) return requirement.key + "!=" + values;
      return requirement.key + " notin (" + values + ")";
    case Requirement::Operator::kExists:
      return requirement.key;
    case Requirement::Operator::kNotExists:
      return "!" + requirement.key;
  }
  return requirement.key;
}

bool GlobMatches(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t i = 0;
  // Where to go on when an element does not match: one character further below the last `*`. Never more than one star to
  // look back to, so the time is bounded by pattern times text.
  std::optional<std::size_t> star;
  std::size_t star_text = 0;
  while (i < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      star_text = i;
      continue;
    }
    if (at < pattern.size() && MatchOne(pattern, at, text[i])) {
      ++i;
      continue;
    }
    if (!star) return false;
    at = *star;
    i = ++star_text;
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace egressd::policy
