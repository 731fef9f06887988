// The log: stderr, in the way of whoever reads it there: a person sees time and level, the journal gets sd-daemon(3)'s <N> prefixes.
#pragma once

#include <string_view>

namespace egressd::daemon {

// "trace", "debug", "info", "warning", "error". False = no such level.
bool StartLog(std::string_view level);
// Is Debug heard? For texts that cost something to make.
bool IsDebugging();
void Debug(std::string_view text);
void Info(std::string_view text);
void Warn(std::string_view text);
void Complain(std::string_view text);  // an error

}  // namespace egressd::daemon
