// egressctl explain: which policy decides about a flow, why not the others, and the packet's way. Sends nothing.
#include <format>

#include "ctl/flow.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"

namespace egressd::ctl {

using control::Json;

namespace {

std::string Conclusion(const Session& session, const Json& found, const std::string& destination) {
  const std::string& action = found["action"].text();
  const std::string& egress_ip = found["egress_ip"].text();
  if (action == "drop") return session.Red(std::format("=> dropped by policy {}", found["policy"].text()));
  const bool carried = !found["choices"].items().empty() || !found["node"].text().empty();
  if (action == "route" && carried) return session.Green(std::format("=> {} sees {}", destination, found["source"].text()));
  if (!found["choices"].items().empty()) {
    std::vector<std::string> choices;
    for (const Json& choice : found["choices"].items()) choices.push_back(choice["egress_ip"].text());
    return session.Green(std::format("=> {} sees one of {}", destination, Join(choices, ", ")));
  }
  if (action == "snat" && !egress_ip.empty() && !found["node"].text().empty())
    return session.Green(std::format("=> {} sees {}", destination, egress_ip));
  if (action == "snat" && !found["node"].text().empty())
    return session.Green(std::format("=> {} sees {}'s own address", destination, found["node"].text()));
  if (action == "snat" || action == "route") return session.Red("=> no gateway can carry it now");
  return "=> goes out as if egressd were not there";
}

}  // namespace

int Explain(Session& session) {
  const auto end = ParseFlowEnd(session.arguments().Text("destination"));
  if (!end)
    return session.Complain({.exit_code = kUsage, .message = end.error().message, .hint = "egressctl explain shop/web 192.0.2.44:443/tcp"});
  Json parameters = Json::Object{{"source", session.arguments().Text("source")},
                                 {"destination", end->address.ToString()},
                                 {"protocol", end->protocol},
                                 {"port", end->port}};
  if (session.arguments().Has("interface")) parameters.Set("interface", session.arguments().Text("interface"));
  const auto answer = session.Ask("Explain", parameters);
  if (!answer) return session.Complain(answer.error());
  const Json& found = *answer;
  if (session.structured()) {
    session.Print(found);
    return kDone;
  }
  const std::string destination =
      end->port == 0 ? end->address.ToString() : Endpoint{.address = end->address, .port = end->port}.ToString();
  const std::string& process = found["process"].text();
  const std::string& whose = process.empty() ? found["workload"].text() : process;
  std::string out = std::format("from  {}{}\n", found["source"].text(), whose.empty() ? "" : "  " + whose);
  out += std::format("to    {} {}\n\n", destination, ProtocolName(end->protocol));
  std::vector<std::vector<std::string>> rows{{"POLICY", "RESULT"}};
  if (!found["policy"].text().empty()) {
    const std::string& gateway = found["gateway"].text();
    rows.push_back({found["policy"].text(),
                    std::format("<- used: {}{}", found["action"].text(), gateway.empty() ? "" : " through gateway " + gateway)});
  }
  for (const Json& other : found["rejected"].items()) rows.push_back({other["policy"].text(), other["reason"].text()});
  if (rows.size() > 1) out += Columns(rows) + '\n';
  for (const Json& hop : found["path"].items()) {
    if (!hop.text().starts_with("=>")) out += hop.text() + '\n';  // the conclusion is drawn below, for every outcome
  }
  session.Print(out + Conclusion(session, found, destination));
  return kDone;
}

}  // namespace egressd::ctl
