// egressctl keys generate: a new gossip key, one line of base64 on standard output. Needs no daemon.
#include <sys/random.h>

#include <cerrno>
#include <format>

#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"
#include "egressd/gossip/key.h"

namespace egressd::ctl {

using control::Json;

int Keys(Session& session) {
  if (session.arguments().Text("action") != "generate") {
    return session.Complain({.exit_code = kUsage,
                             .message = std::format("keys: unknown action '{}'", session.arguments().Text("action")),
                             .hint = "egressctl keys generate > /etc/egressd/gossip.key"});
  }
  gossip::Key key;
  if (::getrandom(key.bytes.data(), key.bytes.size(), 0) != static_cast<ssize_t>(key.bytes.size())) {
    return session.Complain(SystemError("getrandom", errno));
  }
  if (session.structured()) {
    session.Print(Json::Object{{"schema", "egressd.key/v1"}, {"key", gossip::ToString(key)}});
  } else {
    session.Print(gossip::ToString(key));
  }
  return kDone;
}

}  // namespace egressd::ctl
