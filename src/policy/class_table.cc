#include "policy/class_table.h"

#include <algorithm>
#include <tuple>

#include "egressd/base/hash.h"

namespace egressd::policy {

std::string SourceClass::ToString() const {
  std::string text;
  for (const Interest& interest : interests) {
    if (!text.empty()) text += ", ";
    text += interest.policy->name;
    if (interest.interfaces.empty()) continue;
    char separator = '(';
    for (const std::string& interface : interest.interfaces) {
      text += separator + interface;
      separator = ',';
    }
    text += ')';
  }
  return text;
}

const SourceClass* ClassTable::Acquire(Family family, const InterestList& interests) {
  if (interests.empty()) return nullptr;
  std::string content = ContentOf(family, interests);
  const auto known = by_content_.find(content);
  if (known != by_content_.end()) {
    ++known->second->uses;
    return &known->second->source_class;
  }
  const std::uint32_t key = FreeKey(content);
  Entry& entry = entries_[key];
  entry.source_class = {.key = key, .family = family};
  for (const RankedInterest& interest : interests) {
    entry.source_class.interests.push_back({.policy = order_[interest.rank], .interfaces = interest.interfaces});
  }
  entry.uses = 1;
  entry.content = std::move(content);
  by_content_.emplace(entry.content, &entry);
  return &entry.source_class;
}

void ClassTable::Release(const SourceClass* source_class) {
  if (source_class == nullptr) return;
  const auto found = entries_.find(source_class->key);
  EGRESSD_ASSERT(found != entries_.end() && &found->second.source_class == source_class);
  if (--found->second.uses > 0) return;
  by_content_.erase(found->second.content);
  entries_.erase(found);
}

std::vector<const SourceClass*> ClassTable::Classes() const {
  std::vector<const SourceClass*> classes;
  classes.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) classes.push_back(&entry.source_class);
  std::ranges::stable_sort(classes, {}, &SourceClass::family);
  return classes;
}

std::string ClassTable::ContentOf(Family family, const InterestList& interests) const {
  std::string content(egressd::ToString(family));
  for (const RankedInterest& interest : interests) {
    // Neither a policy's name nor a device's can hold these two separators.
    content += '\n';
    content += order_[interest.rank]->name;
    for (const std::string& interface : interest.interfaces) {
      content += '/';
      content += interface;
    }
  }
  return content;
}

std::uint32_t ClassTable::FreeKey(const std::string& content) const {
  for (std::uint64_t seed = 0;; ++seed) {
    const std::uint32_t key = 0x80000000U | static_cast<std::uint32_t>(StableHash(content, seed) & 0x7fffffffU);
    if (!entries_.contains(key)) return key;
  }
}

}  // namespace egressd::policy
