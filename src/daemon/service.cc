#include "daemon/service.h"

#include <algorithm>
#include <format>
#include <set>

#include "daemon/event_loop.h"
#include "daemon/flow_source.h"
#include "daemon/log.h"
#include "daemon/setup.h"
#include "egressd/control/files.h"
#include "egressd/plan/plan.h"

namespace egressd::daemon {

using control::Json;

namespace {

Json Message(std::string text) { return Json::Object{{"message", std::move(text)}}; }

std::string FileOf(const control::Call& call) {
  const std::string& file = call.parameters()["file"].text();
  return file.empty() ? "policy" : file;
}

// Findings of the agent point into the text that the caller sent.
std::vector<policy::Finding> Located(std::vector<policy::Finding> findings, const control::Call& call) {
  PointInto(findings, call.parameters()["text"].text(), FileOf(call));
  return findings;
}

Result<agent::KeyOrder> KeyOrderOf(const Json& parameters) {
  using Action = agent::KeyOrder::Action;
  static constexpr std::pair<std::string_view, Action> kActions[] = {
      {"list", Action::kList}, {"install", Action::kInstall}, {"use", Action::kUse}, {"remove", Action::kRemove}};
  const auto* action = std::ranges::find(kActions, parameters["action"].text(), &std::pair<std::string_view, Action>::first);
  if (action == std::end(kActions)) return Fail(ErrorKind::kInvalid, "action: list, install, use, remove or export");
  agent::KeyOrder order{.action = action->second, .force = parameters["force"].boolean()};
  std::string file;
  for (const Json& key : parameters["keys"].items()) file += key.text() + '\n';
  if (order.action == Action::kInstall) {
    auto keys = gossip::ParseKeys(file);
    if (!keys) return std::unexpected(std::move(keys.error()).In("keys"));
    order.keys = std::move(*keys);
  }
  for (const Json& name : parameters["fingerprints"].items()) {
    const auto fingerprint = gossip::ParseFingerprint(name.text());
    if (!fingerprint) {
      return Fail(ErrorKind::kInvalid, std::format("'{}' is not the fingerprint of a key (8 hexadecimal digits)", name.text()));
    }
    order.named.push_back(*fingerprint);
  }
  return order;
}

}  // namespace

const Service::Entry Service::kMethods[] = {
    {"GetStatus", &Service::GetStatus}, {"Validate", &Service::Validate}, {"Diff", &Service::Diff},       {"Apply", &Service::Apply},
    {"Reload", &Service::Reload},       {"List", &Service::List},         {"Explain", &Service::Explain}, {"Events", &Service::Events},
    {"Metrics", &Service::Metrics},
    {"GetPolicy", &Service::GetPolicy}, {"Keys", &Service::Keys},         {"Version", &Service::Version},   {"Drain", &Service::Drain},
    {"Undrain", &Service::Undrain},     {"Move", &Service::Move}};

Service::Service(Core& core, Journal& journal, Edges edges) : core_(&core), journal_(&journal), edges_(std::move(edges)) {}

void Service::Serve(std::shared_ptr<control::Call> call) {
  const auto* entry = std::ranges::find_if(kMethods, [&](const Entry& candidate) { return call->method() == candidate.name; });
  EGRESSD_ASSERT(entry != std::end(kMethods));  // the server knows no other
  (this->*entry->method)(std::move(call));
}

void Service::GetStatus(std::shared_ptr<control::Call> call) {
  const auto answer = [this, call](const Counts& counts) { call->Reply(StatusAnswer(*core_, edges_.health(), counts)); };
  if (!call->parameters()["connections"].boolean()) return answer({});
  Counts::Ask(*core_, answer);
}

void Service::Validate(std::shared_ptr<control::Call> call) {
  call->Reply(Json::Object{{"findings", ToJsonList(Located(core_->agent().Preview(call->parameters()["text"].text()).findings, *call))}});
}

void Service::Diff(std::shared_ptr<control::Call> call) {
  const auto preview = core_->agent().Preview(call->parameters()["text"].text());
  const auto findings = Located(preview.findings, *call);
  if (policy::HasErrors(findings)) return call->Fail(control::kInvalid, Json::Object{{"findings", ToJsonList(findings)}});
  if (preview.error) return call->Fail(control::kRefused, Message(preview.error->message));

  std::set<std::string> removed;
  for (const policy::Change& change : preview.changes) {
    if (change.kind == policy::ChangeKind::kRemoved) removed.insert(change.object);
  }
  std::vector<EgressId> ending;
  for (const auto& policy : core_->agent().status().policies) {
    if (!removed.contains("policy/" + policy.name)) continue;
    for (const auto& binding : policy.bindings) ending.push_back(binding.id);
  }
  const auto answer = [call, preview, findings, ending](const std::shared_ptr<const Tracked>& tracked) {
    std::size_t connections = 0;
    for (const EgressId id : ending) connections += tracked ? tracked->Of(id) : 0;
    call->Reply(Json::Object{{"generation", preview.generation},
                             {"findings", ToJsonList(findings)},
                             {"changes", ToJsonList(preview.changes)},
                             {"effects", Json::List(preview.effects)},
                             {"connections", connections}});
  };
  if (ending.empty()) return answer(nullptr);
  core_->census().Ask(EventLoop::Now(), answer);
}

void Service::Apply(std::shared_ptr<control::Call> call) {
  const auto done = [this, call](const agent::ApplyResult& result) {
    const auto findings = Located(result.findings, *call);
    if (policy::HasErrors(findings)) return call->Fail(control::kInvalid, Json::Object{{"findings", ToJsonList(findings)}});
    if (result.error && result.error->kind == ErrorKind::kUnavailable)
      return call->Fail(control::kNotReady, Message(result.error->message));
    if (result.error) return call->Fail(control::kRefused, Message(result.error->message));
    edges_.applied();
    call->Reply(Json::Object{{"generation", result.generation},
                             {"findings", ToJsonList(findings)},
                             {"changes", ToJsonList(result.changes)},
                             {"effects", Json::List(result.effects)}});
  };
  core_->Apply(call->parameters()["text"].text(), control::UserName(call->user()), false, done);
}

void Service::Reload(std::shared_ptr<control::Call> call) { edges_.reload(std::move(call)); }

void Service::List(std::shared_ptr<control::Call> call) {
  const std::string& kind = call->parameters()["kind"].text();
  const std::string& name = call->parameters()["name"].text();
  const auto reply = [this, call, kind, name](const Counts& counts) {
    auto answer = ListAnswer(*core_, kind, name, counts);
    if (!answer)
      return call->Fail(control::kBadArgument, Message(std::format("unknown kind '{}': nodes, gateways, policies, ips, workloads", kind)));
    if (!name.empty() && (*answer)["items"].items().empty()) {
      return call->Fail(control::kNoSuchObject, Message(std::format("there is no '{}' among the {}", name, kind)));
    }
    call->Reply(*answer);
  };
  if (kind == "policies" || kind == "ips") return Counts::Ask(*core_, reply);
  reply({});
}

void Service::Explain(std::shared_ptr<control::Call> call) {
  const Json& parameters = call->parameters();
  const auto destination = IpAddress::Parse(parameters["destination"].text());
  if (!destination) return call->Fail(control::kBadArgument, Message("destination: " + destination.error().message));
  const auto source = SourceOf(*core_, parameters["source"].text(), destination->family());
  if (!source) {
    return call->Fail(source.error().kind == ErrorKind::kNotFound ? control::kNoSuchObject : control::kBadArgument,
                      Message(source.error().message));
  }
  const std::int64_t protocol = parameters["protocol"].is_null() ? 6 : parameters["protocol"].integer();
  const std::int64_t port = parameters["port"].integer();
  if (protocol < 0 || protocol > 255 || port < 0 || port > 65535)
    return call->Fail(control::kBadArgument, Message("no such protocol or port"));
  const policy::Flow flow{.source = source->address,
                          .interface = parameters["interface"].text(),
                          .destination = *destination,
                          .protocol = static_cast<std::uint8_t>(protocol),
                          .port = static_cast<std::uint16_t>(port),
                          .process = source->process};
  call->Reply(ExplainAnswer(*core_, flow));
}

void Service::Events(std::shared_ptr<control::Call> call) { journal_->Serve(std::move(call)); }

void Service::Metrics(std::shared_ptr<control::Call> call) {
  const Exposition exposition = call->parameters()["openmetrics"].boolean() ? Exposition::kOpenMetrics : Exposition::kPrometheus;
  edges_.metrics(exposition, [call](const std::string& text) { call->Reply(Json::Object{{"text", text}}); });
}

void Service::GetPolicy(std::shared_ptr<control::Call> call) {
  call->Reply(Json::Object{{"generation", core_->agent().status().generation}, {"text", core_->agent().policy_text()}});
}

void Service::Keys(std::shared_ptr<control::Call> call) {
  const std::string& action = call->parameters()["action"].text();
  if (action == "export") return ExportKeys(*call);
  const auto order = KeyOrderOf(call->parameters());
  if (!order) return call->Fail(control::kBadArgument, Message(order.error().message));
  core_->Order(*order, [this, call](const agent::KeyResult& result) {
    if (!result.error) return call->Reply(KeysAnswer(result, edges_.key_file()));
    const char* name = control::kRefused;
    if (result.error->kind == ErrorKind::kNotFound) name = control::kNoSuchObject;
    if (result.error->kind == ErrorKind::kUnavailable) name = control::kNotReady;
    call->Fail(name, Message(result.error->message));
  });
}

// The keys themselves: for root alone, whoever else may use the socket.
void Service::ExportKeys(control::Call& call) {
  if (call.user() != 0) return call.Fail(control::kRefused, Message("only root gets to see the keys"));
  const std::vector<gossip::Key> ring = core_->agent().keys();
  if (ring.empty()) return call.Fail(control::kNotReady, Message("this node has no gossip key: it is a cluster of one"));
  std::string text;
  for (const gossip::Key& key : ring) text += gossip::ToString(key) + '\n';
  const agent::Status status = core_->agent().status();
  Json answer = KeysAnswer({.ring_number = status.key_ring, .ring = status.keys}, edges_.key_file());
  answer.Set("text", text);
  call.Reply(answer);
}

void Service::Version(std::shared_ptr<control::Call> call) { call->Reply(Json::Object{{"version", EGRESSD_VERSION}}); }

}  // namespace egressd::daemon
