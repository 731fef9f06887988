// YAML as a tree that knows where everything stands and what it is called: what readers of files start from that are not ours.
//
// 1. Hostile text costs bounded time and memory, as with yaml.h; keys of a map are scalars, no two of them equal.
// 2. Whatever breaks a rule has been reported and left out.
// Called by convert; the readers of our own files use the same trees (src/yaml/document.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "egressd/policy/finding.h"

namespace egressd::yaml {

// A place in the text. line is 1-based, 0 = unknown; byte is the 0-based offset within the line.
struct Position {
  int line = 0;
  int byte = 0;
  auto operator<=>(const Position&) const = default;
};

struct Node {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  struct Entry {
    Node* key;  // nullptr in a list
    Node* value;
  };

  Kind kind = Kind::kNull;
  bool is_quoted = false;  // or a block scalar: surely a string
  bool is_written = true;  // false: a value that is not there at all ("key:")
  Position position;
  std::string text;  // of a scalar
  std::vector<Entry> entries;
  const Node* parent = nullptr;  // of a key: the map
  const Node* key = nullptr;     // in a map; a key's is itself
  std::size_t index = 0;         // in a list

  bool is_map() const { return kind == Kind::kMap; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_scalar() const { return kind == Kind::kScalar; }
};

// "policies.mailer.ports[1]"; empty for the root.
std::string PathOf(const Node& node);
// Where a finding about the node points: a scalar or list item itself, anything else the key in front of it.
Position PlaceOf(const Node& node);
// "a map", "a list", "nothing", "`text`" – what was found.
std::string Describe(const Node& node);
// The value of a key, nullptr when absent or when the node is no map. Linear.
const Node* Find(const Node& map, std::string_view key);

// All the documents of one file, and what is wrong with them.
class Documents {
 public:
  // `file` is only for the findings.
  Documents(std::string text, std::string file);
  Documents(Documents&&) noexcept;
  Documents& operator=(Documents&&) noexcept;
  ~Documents();

  // Of the documents that have content; none when the text is no YAML. They live as long as this does.
  const std::vector<const Node*>& roots() const;
  // Adds a finding that points at the node.
  void Error(const Node& node, const char* code, std::string message, std::string hint = {});
  // Sorted by place; also those of reading.
  std::vector<policy::Finding> TakeFindings();
  // The 1-based column of a place, as editors count.
  int Column(Position position) const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace egressd::yaml
