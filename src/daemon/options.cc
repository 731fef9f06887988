#include "daemon/options.h"

#include <array>
#include <optional>
#include <string_view>

namespace egressd::daemon {

namespace {

struct Valued {
  std::string_view name;
  std::string Options::*member;
};
constexpr std::array<Valued, 4> kValued{{{"--config", &Options::config},
                                         {"--state-dir", &Options::state_directory},
                                         {"--run-dir", &Options::run_directory},
                                         {"--log-level", &Options::log_level}}};
struct Tasked {
  std::string_view name;
  Options::Task task;
};
constexpr std::array<Tasked, 5> kTasks{{{"--release-after-crash", Options::Task::kReleaseAfterCrash},
                                        {"--cleanup", Options::Task::kCleanup},
                                        {"--version", Options::Task::kVersion},
                                        {"--help", Options::Task::kHelp},
                                        {"-h", Options::Task::kHelp}}};

}  // namespace

Result<Options> ParseOptions(int argument_count, char** arguments) {
  Options out;
  for (int i = 1; i < argument_count; ++i) {
    const std::string_view argument = arguments[i];
    const std::size_t equals = argument.starts_with("--") ? argument.find('=') : std::string_view::npos;
    const std::string_view name = argument.substr(0, equals);
    bool known = false;
    for (const Valued& option : kValued) {
      if (name != option.name) continue;
      known = true;
      if (equals != std::string_view::npos) {
        out.*option.member = argument.substr(equals + 1);
      } else if (i + 1 < argument_count) {
        out.*option.member = arguments[++i];
      } else {
        return Fail(ErrorKind::kInvalid, std::string(name) + " needs a value");
      }
      if ((out.*option.member).empty()) return Fail(ErrorKind::kInvalid, std::string(name) + " needs a value");
      if (name == "--config") out.config_given = true;
    }
    for (const Tasked& option : kTasks) {
      if (argument != option.name) continue;
      known = true;
      out.task = option.task;
    }
    if (known) continue;
    if (!argument.starts_with('-')) {
      return Fail(ErrorKind::kInvalid,
                  "unexpected argument '" + std::string(argument) + "' (verbs are egressctl's: egressctl " + std::string(argument) + " …)");
    }
    return Fail(ErrorKind::kInvalid, "unknown option " + std::string(name));
  }
  return out;
}

const char* Usage() {
  return R"(egressd - highly available egress gateway

Usage: egressd [OPTIONS]          run the daemon in the foreground
       egressd ctl VERB …         the same as egressctl VERB …

  --config FILE            node file [/etc/egressd/egressd.yaml]
  --state-dir DIR          what must outlive a restart [/var/lib/egressd]
  --run-dir DIR            control socket and lock [/run/egressd]
  --log-level LEVEL        trace, debug, info, warning, error [info]
  --release-after-crash    take this node's egress addresses away, and nothing else
  --cleanup                remove every kernel object that egressd owns
  --version                print the version
  -h, --help               print this

Exit codes: 0 done, 1 failed, 2 usage, 4 no permission, 78 invalid configuration.
See egressd(8), egressd.yaml(5).
)";
}

}  // namespace egressd::daemon
