// Source classes by content: the same interests get the same class, as long as somebody uses it.
//
// 1. A class keeps its place in memory and its key from the first Acquire to the last Release.
// 2. Its key is the hash of its content; only when another class already has that key is the next hash taken.
// Called by Selection.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "egressd/policy/selection.h"
#include "policy/interests.h"

namespace egressd::policy {

class ClassTable {
 public:
  explicit ClassTable(std::vector<const Policy*> order) : order_(std::move(order)) {}

  // One more use of the class with these interests; nullptr when there are none.
  const SourceClass* Acquire(Family family, const InterestList& interests);
  // One use less; the class dies with its last use. nullptr is nobody's class.
  void Release(const SourceClass* source_class);
  // In order of family and key.
  std::vector<const SourceClass*> Classes() const;

 private:
  struct Entry {
    SourceClass source_class;
    std::size_t uses = 0;
    std::string content;
  };
  std::string ContentOf(Family family, const InterestList& interests) const;
  std::uint32_t FreeKey(const std::string& content) const;

  std::vector<const Policy*> order_;
  std::map<std::uint32_t, Entry> entries_;  // by key
  std::unordered_map<std::string, Entry*> by_content_;
};

}  // namespace egressd::policy
