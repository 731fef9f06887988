// Collects findings while a file is read, and hands them out sorted, located and limited.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "egressd/policy/finding.h"
#include "yaml/text.h"

namespace egressd::yaml {

struct Node;

inline constexpr std::size_t kMaxFindings = 100;

class Report {
 public:
  // `lines` must outlive it.
  Report(const Lines& lines, std::string file) : lines_(lines), file_(std::move(file)) {}

  // An error about a node: its place and path are the node's.
  void Error(const Node& node, const char* code, std::string message, std::string hint = {});
  void ErrorAt(Position position, const char* code, std::string path, std::string message, std::string hint = {});
  // A finding that knows its place.
  void Add(policy::Finding finding);

  bool has_errors() const { return has_errors_; }
  // Once full, findings are counted only; the text is too broken for suggestions to matter.
  bool is_full() const { return findings_.size() >= kKept; }
  const std::vector<policy::Finding>& findings() const { return findings_; }
  // Sorted by place; at most kMaxFindings and a last one that says how many were left out.
  std::vector<policy::Finding> Take();

 private:
  // More than are shown, because they are not found in order of line.
  static constexpr std::size_t kKept = 1000;

  const Lines& lines_;
  std::string file_;
  std::vector<policy::Finding> findings_;
  std::size_t total_ = 0;
  bool has_errors_ = false;
};

}  // namespace egressd::yaml
