// One binary, two programs: `egressctl` by its name or as `egressd ctl`, else the daemon.
#include <string_view>

#include "egressd/ctl/main.h"
#include "egressd/daemon/main.h"

int main(int argument_count, char** arguments) {
  std::string_view name = argument_count > 0 ? arguments[0] : "egressd";
  name.remove_prefix(name.rfind('/') + 1);  // npos + 1 == 0
  if (name == "egressctl") return egressd::ctl::Main(argument_count, arguments);
  if (argument_count > 1 && std::string_view(arguments[1]) == "ctl") return egressd::ctl::Main(argument_count - 1, arguments + 1);
  return egressd::daemon::Main(argument_count, arguments);
}
