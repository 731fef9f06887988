#include "yaml/text.h"

#include <algorithm>
#include <cstdint>
#include <format>

#include "yaml/codes.h"

namespace egressd::yaml {
namespace {

constexpr std::size_t kQuotedCharacters = 60;
constexpr std::size_t kMaxTabFlaws = 100;

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// Follows quotes, comments and brackets closely enough to know how deep a flow collection nests and which lines belong to block
// structure. It may be fooled by quotes inside plain scalars; the limit on structural characters holds all the same.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::vector<Flaw> Run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (byte_ == 0 && quote_ == 0 && depth_ == 0) CheckIndentation();
      if (!Step(c)) return {std::move(fatal_)};
    }
    return std::move(tabs_);
  }

 private:
  bool Step(char c) {
    const char before = at_ == 0 ? '\n' : text_[at_ - 1];
    const bool token_start = before == '\n' || before == ' ' || before == '\t' || (depth_ > 0 && std::string_view("[{,:").contains(before));
    if (std::string_view("[]{},:-").contains(c) && ++structure_ > kMaxStructure) {
      return Fatal(std::format("the file has more than {} structural characters", kMaxStructure), "split it");
    }
    if (quote_ != 0) {
      if (c == '\\' && quote_ == '"') Advance();
      if (at_ < text_.size() && c == quote_) quote_ = 0;
    } else if (comment_) {
      comment_ = c != '\n';
    } else if ((c == '"' || c == '\'') && token_start) {
      quote_ = c;
    } else if (c == '#' && token_start) {
      comment_ = true;
    } else if ((c == '[' || c == '{') && (depth_ > 0 || token_start)) {
      if (++depth_ > kMaxDepth) return Fatal(std::format("nested deeper than {} levels", kMaxDepth), "");
    } else if ((c == ']' || c == '}') && depth_ > 0) {
      --depth_;
    }
    Advance();
    return true;
  }

  void Advance() {
    if (at_ >= text_.size()) return;
    if (text_[at_++] == '\n') {
      ++line_;
      byte_ = 0;
    } else {
      ++byte_;
    }
  }

  void CheckIndentation() {
    const std::string_view rest = text_.substr(at_, text_.find('\n', at_) - at_);
    // Also in front of comments and in empty lines: there a tab may end up in the value above.
    const std::size_t tab = rest.substr(0, rest.find_first_not_of(" \t")).find('\t');
    if (tab == std::string_view::npos || tabs_.size() > kMaxTabFlaws) return;
    tabs_.push_back(
        {kTab, {line_, static_cast<int>(tab)}, "a tab in the indentation", "YAML indents with spaces: replace the tab by spaces"});
  }

  bool Fatal(std::string message, std::string hint) {
    fatal_ = {kTooBig, {line_, byte_}, std::move(message), std::move(hint)};
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  int byte_ = 0;
  int depth_ = 0;
  std::size_t structure_ = 0;
  char quote_ = 0;
  bool comment_ = false;
  std::vector<Flaw> tabs_;
  Flaw fatal_{};
};

}  // namespace

Lines::Lines(std::string_view text) : text_(text) {
  starts_.push_back(0);
  for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) starts_.push_back(at + 1);
}

std::string_view Lines::at(int line) const {
  if (line < 1 || line > count()) return {};
  const std::size_t start = starts_[static_cast<std::size_t>(line - 1)];
  std::string_view content = text_.substr(start, text_.find('\n', start) - start);
  if (content.ends_with('\r')) content.remove_suffix(1);
  return content;
}

int Lines::Column(Position position) const {
  if (position.line == 0) return 0;
  const std::string_view before = at(position.line).substr(0, static_cast<std::size_t>(std::max(position.byte, 0)));
  const auto continuation = std::ranges::count_if(before, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; });
  return position.byte + 1 - static_cast<int>(continuation);
}

std::string_view WithoutByteOrderMark(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return text;
}

std::size_t SequenceBytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = (lead & 0xe0) == 0xc0 ? 2 : (lead & 0xf0) == 0xe0 ? 3 : (lead & 0xf8) == 0xf0 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  std::uint32_t point = lead & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3f);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};  // anything below is an overlong form
  if (point < kSmallest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return 0;
  return length;
}

std::vector<Flaw> CheckBytes(std::string_view text) {
  if (text.size() > kMaxFileBytes) {
    return {{kTooBig, {1, 0}, std::format("the file has {} bytes, the limit is {}", text.size(), kMaxFileBytes), "split it"}};
  }
  Position position{1, 0};
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '\n') {
      position = {position.line + 1, 0};
      ++at;
      continue;
    }
    const std::size_t length = SequenceBytes(text.substr(at));
    if (length == 0) {
      return {{kEncoding, position, std::format("byte 0x{:02x} is not UTF-8", static_cast<unsigned char>(c)), "save the file as UTF-8"}};
    }
    const bool line_break = c == '\r' && at + 1 < text.size() && text[at + 1] == '\n';
    if (IsControl(c) && c != '\t' && !line_break) {
      return {{kEncoding, position, std::format("control character 0x{:02x}", static_cast<unsigned char>(c)), "remove it"}};
    }
    at += length;
    position.byte += static_cast<int>(length);
  }
  return Scanner(text).Run();
}

std::string Printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = SequenceBytes(text);
    // U+0080-U+009f are control characters too, to some terminals.
    const bool control = IsControl(text[0]) || (length == 2 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0);
    if (text[0] == '\t') {
      result += ' ';
    } else if (length == 0 || control) {
      result += '?';
    } else {
      result += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

std::string Quote(std::string_view text) {
  std::size_t bytes = 0;
  std::size_t characters = 0;
  while (bytes < text.size() && characters < kQuotedCharacters) {
    bytes += std::max<std::size_t>(SequenceBytes(text.substr(bytes)), 1);
    ++characters;
  }
  return std::format("`{}{}`", Printable(text.substr(0, bytes)), bytes < text.size() ? "…" : "");
}

}  // namespace egressd::yaml
