// egressctl version: this program's and the daemon's.
#include <format>

#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

using control::Json;

int Version(Session& session) {
  const auto answer = session.Ask("Version", Json::Object{});
  if (session.structured()) {
    session.Print(
        Json::Object{{"schema", "egressd.version/v1"}, {"client", EGRESSD_VERSION}, {"daemon", answer ? (*answer)["version"] : Json()}});
    return kDone;
  }
  session.Print(std::format("egressctl {}\negressd   {}", EGRESSD_VERSION,
                            answer ? (*answer)["version"].text() : "not reached: " + answer.error().message));
  return kDone;
}

}  // namespace egressd::ctl
