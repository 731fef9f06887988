// Which keys an object has, and what people write instead.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "yaml/document.h"
#include "yaml/report.h"

namespace egressd::yaml {

struct Key {
  std::string_view name;
};

// Reports every key of `map` that is unknown (with a guess at what was meant). `what` names the object: "a policy".
void CheckKeys(Report& report, const Node& map, std::span<const Key> keys, std::string_view what);

// "did you mean `priority`?" or what a word of other systems is called here; empty when nothing comes close.
std::string GuessKey(std::string_view written, std::span<const Key> keys);
// The nearest of some words, empty when none is near.
std::string_view Nearest(std::string_view written, std::span<const std::string_view> words);

}  // namespace egressd::yaml
