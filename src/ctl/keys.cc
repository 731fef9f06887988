// egressctl keys: the gossip key ring of the whole cluster. `generate` needs no daemon; the others ask the daemon of this node, which asks
// all.
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <expected>
#include <format>

#include "ctl/command_line.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "egressd/base/exit_codes.h"
#include "egressd/control/files.h"
#include "egressd/gossip/key.h"

namespace egressd::ctl {

using control::Json;

namespace {

bool TakesPart(const Session& session, const Json& node) {
  const std::string& state = node["state"].text();
  return state != "left" && !(state == "dead" && session.arguments().Has("force"));
}

std::size_t Participants(const Session& session, const Json& answer) {
  const auto& nodes = answer["nodes"].items();
  return static_cast<std::size_t>(std::ranges::count_if(nodes, [&](const Json& node) { return TakesPart(session, node); }));
}

// Nodes that take part and do not have the ring of this one, as "gw2 (dead)"; with --force dead ones do not count.
std::vector<std::string> Behind(const Session& session, const Json& answer) {
  std::vector<std::string> out;
  for (const Json& node : answer["nodes"].items()) {
    const std::string& state = node["state"].text();
    if (node["follows"].boolean() || !TakesPart(session, node)) continue;
    const std::string why = state != "alive" ? state : node["answered"].boolean() ? "behind" : "no answer";
    out.push_back(std::format("{} ({})", node["name"].text(), why));
  }
  return out;
}

std::string FileHint(const Json& answer) {
  if (answer["in_file"].boolean()) return "";
  return std::format("the key file {} does not hold the key that seals\n  try  egressctl keys export > {}  on every node\n",
                     answer["file"].text(), answer["file"].text());
}

std::string ListOf(const Session& session, const Json& answer) {
  std::vector<std::vector<std::string>> rows{{"KEY", "SEALS", "NODES"}};
  const std::size_t total = Participants(session, answer);
  for (const Json& key : answer["keys"].items()) {
    const auto nodes = static_cast<std::size_t>(key["nodes"].integer());
    const std::string share = std::format("{} of {}", nodes, total);
    rows.push_back({key["fingerprint"].text(), key["primary"].boolean() ? "yes" : "", nodes < total ? session.Yellow(share) : share});
  }
  std::string out = Columns(rows) + '\n';
  if (answer["source"].text() == "file") {
    out += std::format("as in the key file {}\n", answer["file"].text());
  } else {
    out += std::format("ring {} of the cluster, stored on every node\n", answer["ring"].integer());
  }
  for (const Json& node : answer["nodes"].items()) {
    const std::string& state = node["state"].text();
    if (!node["answered"].boolean() && state != "left") {
      out += session.Yellow(std::format("{} is {}: its keys are not known\n", node["name"].text(), state == "alive" ? "silent" : state));
    } else if (state == "left") {
      out += std::format("{} has left: it needs the key file if its keys are gone when it comes back\n", node["name"].text());
    }
  }
  for (const Json& endpoint : answer["unmet"].items()) {
    out += session.Yellow(std::format("{} should be a node and is no member\n", endpoint.text()));
  }
  return out + FileHint(answer);
}

std::expected<gossip::Key, Complaint> NewKey(const Session& session) {
  gossip::Key key;
  if (::getrandom(key.bytes.data(), key.bytes.size(), 0) == static_cast<ssize_t>(key.bytes.size())) return key;
  return std::unexpected(session.FromError(SystemError("getrandom", errno)));
}

int Generate(Session& session) {
  const auto key = NewKey(session);
  if (!key) return session.Complain(key.error());
  if (session.structured()) {
    session.Print(Json::Object{{"schema", "egressd.key/v1"}, {"key", gossip::ToString(*key)}});
  } else {
    session.Print(gossip::ToString(*key));
  }
  return kDone;
}

int List(Session& session) {
  const auto answer = session.Ask("Keys", Json::Object{{"action", "list"}});
  if (!answer) return session.Complain(answer.error());
  if (session.structured()) {
    session.Print(*answer);
  } else {
    session.Print(ListOf(session, *answer));
  }
  return kDone;
}

int Export(Session& session) {
  const auto answer = session.Ask("Keys", Json::Object{{"action", "export"}});
  if (!answer) return session.Complain(answer.error());
  if (session.structured()) {
    session.Print(Json::Object{{"schema", "egressd.keyfile/v1"}, {"text", (*answer)["text"]}});
  } else {
    session.Print((*answer)["text"].text());
  }
  return kDone;
}

// One step on all nodes; a Complaint unless every node followed.
std::expected<Json, Complaint> Step(Session& session, Json parameters, const std::string& done) {
  parameters.Set("force", session.arguments().Has("force"));
  auto answer = session.Ask("Keys", parameters);
  if (!answer) return answer;
  const std::vector<std::string> behind = Behind(session, *answer);
  const std::size_t all = Participants(session, *answer);
  if (!behind.empty()) {
    return std::unexpected(
        Complaint{.exit_code = kFailed,
                  .message = std::format("{} on {} of {} nodes; not yet on {}", done, all - behind.size(), all, Join(behind, ", ")),
                  .hint = "they follow when they can be reached; egressctl keys list"});
  }
  if (!session.structured()) session.Say(std::format("{} on {}", done, Count(all, "node")));
  return answer;
}

int StepAlone(Session& session, Json parameters, const std::string& done) {
  const auto answer = Step(session, std::move(parameters), done);
  if (!answer) return session.Complain(answer.error());
  if (session.structured()) {
    session.Print(*answer);
  } else {
    session.Say(FileHint(*answer));
  }
  return kDone;
}

int Install(Session& session, const std::string& path) {
  const auto text = control::ReadFile(path == "-" ? "/dev/stdin" : path);
  if (!text) return session.Complain({.exit_code = kFailed, .message = text.error().message});
  const auto keys = gossip::ParseKeys(*text);
  if (!keys) return session.Complain({.exit_code = kFailed, .message = (path == "-" ? "<stdin>" : path) + ": " + keys.error().message});
  Json::Array list;
  for (const gossip::Key& key : *keys) list.emplace_back(gossip::ToString(key));
  return StepAlone(session, Json::Object{{"action", "install"}, {"keys", list}}, Count(keys->size(), "key") + " installed");
}

Json Naming(const std::string& action, const std::string& fingerprint) {
  return Json::Object{{"action", action}, {"fingerprints", Json::Array{fingerprint}}};
}

// Whether a rotation can come to its end: before anything is changed.
std::optional<Complaint> Obstacle(const Session& session, const Json& ring) {
  std::vector<std::string> missing;
  for (const Json& node : ring["nodes"].items()) {
    const std::string& state = node["state"].text();
    if (!node["answered"].boolean() && TakesPart(session, node))
      missing.push_back(std::format("{} is {}", node["name"].text(), state == "alive" ? "silent" : state));
  }
  if (!session.arguments().Has("force")) {
    for (const Json& endpoint : ring["unmet"].items()) missing.push_back(endpoint.text() + " should be a node and is no member");
  }
  if (missing.empty()) return std::nullopt;
  return Complaint{.exit_code = kFailed,
                   .message = Join(missing, ", ") + ": nothing was changed",
                   .hint = "egressctl keys rotate --force, which goes on without dead nodes: they need the new key file to come back"};
}

int Rotate(Session& session) {
  const auto before = session.Ask("Keys", Json::Object{{"action", "list"}});
  if (!before) return session.Complain(before.error());
  if (const auto obstacle = Obstacle(session, *before)) return session.Complain(*obstacle);
  const auto key = NewKey(session);
  if (!key) return session.Complain(key.error());
  const auto installed =
      Step(session, Json::Object{{"action", "install"}, {"keys", Json::Array{gossip::ToString(*key)}}}, "1. new key installed");
  if (!installed) return session.Complain(installed.error());
  std::string fresh;
  Json::Array old;
  for (const Json& one : (*installed)["keys"].items()) {
    const std::string& name = one["fingerprint"].text();
    const auto& known = (*before)["keys"].items();
    if (std::ranges::none_of(known, [&](const Json& other) { return other["fingerprint"].text() == name; })) fresh = name;
    else old.emplace_back(name);
  }
  auto used = Step(session, Naming("use", fresh), std::format("2. key {} seals", fresh));
  if (!used) {
    used.error().hint = std::format("egressctl keys use {} to go on, egressctl keys remove {} to give up", fresh, fresh);
    return session.Complain(used.error());
  }
  const std::string third = std::format("3. {} removed", Count(old.size(), "old key"));
  auto removed = Step(session, Json::Object{{"action", "remove"}, {"fingerprints", old}}, third);
  if (!removed) {
    if (removed.error().hint.empty()) removed.error().hint = "egressctl keys remove FINGERPRINT, when egressctl keys list shows every node";
    return session.Complain(removed.error());
  }
  if (session.structured()) {
    session.Print(*removed);
  } else {
    session.Say(FileHint(*removed));
  }
  return kDone;
}

}  // namespace

int Keys(Session& session) {
  const std::string action = session.arguments().Text("action"), object = session.arguments().Text("object");
  static const std::vector<std::string> kActions{"generate", "list", "install", "use", "remove", "rotate", "export"};
  if (!std::ranges::contains(kActions, action)) {
    const std::string near = Nearest(action, kActions);
    return session.Complain({.exit_code = kUsage,
                             .message = std::format("keys: unknown action '{}': {}", action, Join(kActions, ", ")),
                             .hint = near.empty() ? "" : "egressctl keys " + near});
  }
  const bool takes_object = action == "install" || action == "use" || action == "remove";
  if (takes_object == object.empty()) {
    const std::string wanted = action == "install" ? "KEYFILE" : "FINGERPRINT";
    return session.Complain({.exit_code = kUsage,
                             .message = takes_object ? std::format("keys {}: which key?", action)
                                                     : std::format("keys {}: '{}' is too much", action, object),
                             .hint = std::format("egressctl keys {}{}", action, takes_object ? ' ' + wanted : "")});
  }
  if (action == "generate") return Generate(session);
  if (action == "list") return List(session);
  if (action == "export") return Export(session);
  if (action == "install") return Install(session, object);
  if (action == "rotate") return Rotate(session);
  if (action == "use") return StepAlone(session, Naming("use", object), std::format("key {} seals", object));
  return StepAlone(session, Naming("remove", object), std::format("key {} removed", object));
}

}  // namespace egressd::ctl
