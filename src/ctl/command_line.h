// From argv to Arguments. The one source that knows CLI11.
#pragma once

#include <expected>
#include <string>

#include "ctl/arguments.h"

namespace egressd::ctl {

// What to print instead of running a verb: help (exit 0) or what is wrong (exit 2).
struct Instead {
  int exit_code = 2;
  std::string text;
};

std::expected<Arguments, Instead> ReadCommandLine(int argument_count, char** arguments);
// The name that someone who wrote `word` may have meant; "" = none is near.
std::string Nearest(const std::string& word, const std::vector<std::string>& names);

}  // namespace egressd::ctl
