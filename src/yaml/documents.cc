// Files of several documents, for readers outside of this module.
#include <utility>

#include "egressd/yaml/tree.h"
#include "yaml/document.h"
#include "yaml/report.h"
#include "yaml/text.h"

namespace egressd::yaml {

struct Documents::Body {
  Body(std::string content, std::string file)
      : text(std::move(content)), lines(WithoutByteOrderMark(text)), report(lines, std::move(file)) {}

  std::string text;
  Lines lines;
  Report report;
  Forest forest;
  std::vector<const Node*> roots;
};

Documents::Documents(std::string text, std::string file) : body_(std::make_unique<Body>(std::move(text), std::move(file))) {
  auto forest = ParseForest(WithoutByteOrderMark(body_->text), body_->lines, body_->report, Expect::kSeveral);
  if (!forest) return;
  body_->forest = std::move(*forest);
  for (const Node* root : body_->forest.roots) {
    if (root->kind != Node::Kind::kNull) body_->roots.push_back(root);
  }
}

Documents::Documents(Documents&&) noexcept = default;
Documents& Documents::operator=(Documents&&) noexcept = default;
Documents::~Documents() = default;

const std::vector<const Node*>& Documents::roots() const { return body_->roots; }

void Documents::Error(const Node& node, const char* code, std::string message, std::string hint) {
  body_->report.Error(node, code, std::move(message), std::move(hint));
}

std::vector<policy::Finding> Documents::TakeFindings() { return body_->report.Take(); }

int Documents::Column(Position position) const { return body_->lines.Column(position); }

}  // namespace egressd::yaml
