#include "egressd/ctl/main.h"

#include <csignal>
#include <cstdio>

#include "ctl/command_line.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

int Main(int argument_count, char** arguments) {
  std::signal(SIGPIPE, SIG_DFL);  // `egressctl events -f | head` ends quietly
  auto read = ReadCommandLine(argument_count, arguments);
  if (!read) {
    std::fputs(read.error().text.c_str(), read.error().exit_code == kDone ? stdout : stderr);
    return read.error().exit_code;
  }
  for (const Verb& verb : Verbs()) {
    if (read->verb != verb.name) continue;
    Session session(std::move(*read));
    return verb.run(session);
  }
  return kUsage;
}

}  // namespace egressd::ctl
