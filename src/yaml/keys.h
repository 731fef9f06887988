// Which keys an object has: the ones that work, the ones that later builds will know, and what people write instead.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "yaml/document.h"
#include "yaml/report.h"

namespace egressd::yaml {

enum class Support : std::uint8_t { kWorks, kLater };

struct Key {
  std::string_view name;
  Support support = Support::kWorks;
  // For kLater: values, separated by `|`, that ask for what this build does anyway, and are therefore accepted.
  // "{}" and "[]" stand for an empty map and list.
  std::string_view harmless = {};
};

// Reports every key of `map` that is unknown (with a guess at what was meant) or not supported. `what` names the object: "a policy".
void CheckKeys(Report& report, const Node& map, std::span<const Key> keys, std::string_view what);

// "did you mean `priority`?" or what a word of other systems is called here; empty when nothing comes close.
std::string GuessKey(std::string_view written, std::span<const Key> keys);
// The nearest of some words, empty when none is near.
std::string_view Nearest(std::string_view written, std::span<const std::string_view> words);

}  // namespace egressd::yaml
