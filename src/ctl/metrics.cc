// egressctl metrics: what Prometheus would read, on the terminal or in a file for the textfile collector of the node_exporter.
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/files.h"

namespace egressd::ctl {

using control::Json;

int Metrics(Session& session) {
  const bool openmetrics = session.arguments().Has("openmetrics");
  const std::string path = session.arguments().Text("textfile");
  if (openmetrics && !path.empty()) {
    return session.Complain({.exit_code = kUsage,
                             .message = "the textfile collector reads the format of Prometheus only: --openmetrics is too much",
                             .hint = "egressctl metrics --textfile " + path});
  }
  const auto answer = session.Ask("Metrics", Json::Object{{"openmetrics", openmetrics}});
  if (!answer) return session.Complain(answer.error());
  const std::string& text = (*answer)["text"].text();
  if (!path.empty()) {
    // The collector runs as a user of its own.
    if (auto written = control::WriteFile(path, text, 0644); !written) return session.Complain(written.error());
    return kDone;
  }
  if (session.structured()) {
    session.Print(Json::Object{{"schema", "egressd.metrics/v1"}, {"text", text}});
  } else {
    session.Print(text);
  }
  return kDone;
}

}  // namespace egressd::ctl
