// Findings as people expect them: a first line that editors can click, the line of the file, a caret, the hint.
#include <algorithm>
#include <format>
#include <string>

#include "egressd/yaml/yaml.h"
#include "yaml/text.h"

namespace egressd::yaml {
namespace {

constexpr std::size_t kWindow = 120;  // characters of a line that are shown

struct Colors {
  std::string_view severity, bold, frame, off;
};

Colors ColorsFor(policy::Severity severity, bool color) {
  if (!color) return {};
  return {severity == policy::Severity::kError ? "\x1b[1;31m" : "\x1b[1;33m", "\x1b[1m", "\x1b[1;34m", "\x1b[0m"};
}

// Characters, not bytes.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Bytes of the first `characters` characters.
std::size_t BytesOf(std::string_view text, std::size_t characters) {
  std::size_t bytes = 0;
  for (; characters > 0 && bytes < text.size(); --characters) bytes += std::max<std::size_t>(SequenceBytes(text.substr(bytes)), 1);
  return bytes;
}

// What the caret underlines: the quoted text or the word that starts here.
std::string_view Token(std::string_view rest) {
  if (rest.empty()) return rest;
  if (rest[0] == '"' || rest[0] == '\'') {
    const std::size_t close = rest.find(rest[0], 1);
    return rest.substr(0, close == std::string_view::npos ? rest.size() : close + 1);
  }
  std::size_t end = 0;
  while (end < rest.size()) {
    const char next = end + 1 < rest.size() ? rest[end + 1] : ' ';
    if (std::string_view(",]}").contains(rest[end]) || (rest[end] == ':' && next == ' ') || (rest[end] == ' ' && next == '#')) break;
    ++end;
  }
  while (end > 1 && rest[end - 1] == ' ') --end;
  return rest.substr(0, std::max<std::size_t>(end, 1));
}

struct Snippet {
  std::string line;
  std::string caret;
};

Snippet MakeSnippet(std::string_view source, int column) {
  const std::string line = Printable(source);
  std::size_t before = static_cast<std::size_t>(std::max(column - 1, 0));
  std::size_t start = 0;
  if (before > kWindow / 2 && Width(line) > kWindow) start = before - kWindow / 2;
  std::string_view shown = std::string_view(line).substr(BytesOf(line, start));
  std::string lead;
  if (start > 0) lead = "…";
  before = before - start + Width(lead);
  std::string text = lead + std::string(shown.substr(0, BytesOf(shown, kWindow)));
  const std::string_view rest = std::string_view(text).substr(BytesOf(text, before));
  const std::size_t carets = std::max<std::size_t>(Width(Token(rest)), 1);
  if (BytesOf(shown, kWindow) < shown.size()) text += "…";
  return {std::move(text), std::string(before, ' ') + std::string(carets, '^')};
}

}  // namespace

std::string Render(const policy::Finding& finding, std::string_view text, bool color) {
  const bool is_error = finding.severity == policy::Severity::kError;
  const Colors colors = ColorsFor(finding.severity, color);
  std::string place = Printable(finding.file);
  if (finding.line > 0) place += std::format(":{}:{}", finding.line, finding.column);
  std::string result =
      std::format("{}{}{}: {}{}[{}]{}: {}{}{}\n", colors.bold, place, colors.off, colors.severity, is_error ? "error" : "warning",
                  finding.code, colors.off, colors.bold, Printable(finding.message), colors.off);
  const Lines lines(WithoutByteOrderMark(text));
  std::string margin = "  ";
  if (finding.line > 0 && finding.line <= lines.count()) {
    const std::string number = std::format("{:>2}", finding.line);
    margin = std::string(number.size(), ' ');
    const Snippet snippet = MakeSnippet(lines.at(finding.line), finding.column);
    result += std::format("{}{} |{}\n", colors.frame, margin, colors.off);
    result += std::format("{}{} |{} {}\n", colors.frame, number, colors.off, snippet.line);
    result += std::format("{}{} |{} {}{}{}\n", colors.frame, margin, colors.off, colors.severity, snippet.caret, colors.off);
  }
  if (!finding.path.empty()) result += std::format("{}{} = at:{}   {}\n", colors.frame, margin, colors.off, Printable(finding.path));
  if (!finding.hint.empty()) result += std::format("{}{} = help:{} {}\n", colors.frame, margin, colors.off, Printable(finding.hint));
  return result;
}

}  // namespace egressd::yaml
