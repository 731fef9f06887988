// The table of verbs: one line and one file each. Adding a verb is a line here, a line in verbs.cc and a file.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ctl/session.h"

namespace egressd::ctl {

struct Option {
  const char* names;        // "-f,--file"
  const char* value;        // "FILE"; nullptr = a switch
  const char* help;
};
struct Argument {
  const char* name;         // "kind"
  const char* help;
  bool required = true;
};
struct Verb {
  const char* name;
  const char* summary;
  std::vector<Argument> arguments;
  std::vector<Option> options;
  int (*run)(Session& session);
  const char* example = nullptr;  // what its help begins with, lines of it; nullptr = nothing
};

std::span<const Verb> Verbs();

int Validate(Session& session);
int Convert(Session& session);
int Diff(Session& session);
int Apply(Session& session);
int Status(Session& session);
int Get(Session& session);
int Explain(Session& session);
int Events(Session& session);
int Metrics(Session& session);
int GraphVerb(Session& session);
int Drain(Session& session);
int Undrain(Session& session);
int Move(Session& session);
int Keys(Session& session);
int Reload(Session& session);
int Version(Session& session);

}  // namespace egressd::ctl
