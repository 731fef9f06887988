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

#include "egressd/yaml/tree.h"
#include "yaml/report.h"
#include "yaml/text.h"

namespace egressd::yaml {

// What the text consists of: one document, or several with `---` between them.
enum class Expect : std::uint8_t { kOne, kSeveral };

struct Forest {
  std::deque<Node> nodes;     // stable addresses
  std::vector<Node*> roots;   // of the documents that have content
};
// nullopt: the text is no YAML; the report says why. `text` has no byte order mark.
std::optional<Forest> ParseForest(std::string_view text, const Lines& lines, Report& report, Expect expect);

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
  Forest forest_;
  const Node* root_ = nullptr;
};

}  // namespace egressd::yaml
