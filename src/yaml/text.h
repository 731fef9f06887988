// The text of a file before anybody parses it: lines, positions, and the checks that protect the parser from hostile bytes.
//
// 1. yaml-cpp queues a whole flow collection before its first event, so size, nesting and the number of structural characters are
//    limited here, where they cost nothing.
// 2. Text that passes is UTF-8 without control characters, so it can be shown on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/yaml/tree.h"

namespace egressd::yaml {

inline constexpr std::size_t kMaxFileBytes = std::size_t{8} << 20;
inline constexpr std::size_t kMaxStructure = 1'500'000;  // brackets, braces, commas, colons, dashes
inline constexpr int kMaxDepth = 32;

// The lines of a text, split once. The text must outlive it.
class Lines {
 public:
  explicit Lines(std::string_view text);
  // Without its line break; empty when there is no such line. 1-based.
  std::string_view at(int line) const;
  int count() const { return static_cast<int>(starts_.size()); }
  // The 1-based column in characters, as editors count.
  int Column(Position position) const;

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;
};

struct Flaw {
  const char* code;
  Position position;
  std::string message;
  std::string hint;
};

// The text without a byte order mark.
std::string_view WithoutByteOrderMark(std::string_view text);

// What is wrong with the bytes; empty = fit for the parser. Tabs are all reported, of anything else the first.
std::vector<Flaw> CheckBytes(std::string_view text);

// For messages: in backquotes, cut after 60 characters, line breaks and control characters replaced.
std::string Quote(std::string_view text);
// Control characters and bytes that are not UTF-8 become `?`, tabs become a space.
std::string Printable(std::string_view text);
// Bytes of the well-formed UTF-8 sequence at the start of `text`; 0 = not well-formed. `text` is not empty.
std::size_t SequenceBytes(std::string_view text);

}  // namespace egressd::yaml
