// A YAML document as a tree that knows where everything stands and what it is called.
//
// 1. The tree is bounded: depth, nodes added by aliases, and (through CheckBytes) size.
// 2. Keys of a map are scalars, and no two are equal: what breaks this has been reported and left out.
// 3. Aliases are copied in, so every node has one parent and one path. What stands inside a copy keeps the place where it is
//    written; the copy itself stands where the alias does.
// 4. Merge keys and tags are findings. yaml-cpp and its exceptions stay in document.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yaml/report.h"
#include "yaml/text.h"

namespace egressd::yaml {

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
// The value of a key, nullptr when absent. Linear.
const Node* Find(const Node& map, std::string_view key);

class Document {
 public:
  // nullopt: the text is no document; the report says why. `text` has no byte order mark.
  static std::optional<Document> Parse(std::string_view text, const Lines& lines, Report& report);

  // Null node when the text has no content.
  const Node& root() const { return *root_; }
  // The deepest node that `path` leads to, and the rest of the path that leads nowhere. Names may contain dots, and "[0]" of a single
  // value is that value.
  struct Resolved {
    const Node& node;
    std::string_view rest;
  };
  Resolved Resolve(std::string_view path) const;

 private:
  friend class TreeBuilder;
  std::deque<Node> nodes_;  // stable addresses
  Node* root_ = nullptr;
};

}  // namespace egressd::yaml
