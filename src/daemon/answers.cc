#include "daemon/answers.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <string_view>

#include "daemon/event_loop.h"
#include "daemon/flow_source.h"
#include "daemon/log.h"

namespace egressd::daemon {

using control::Json;

namespace {

constexpr const char* kCounters[] = {"not_held",   "no_gateway",  "wrong_source", "not_a_peer",
                                     "unexpected", "policy_drop", "untracked",    "hairpin",
                                     "lease_over", "not_answered", "unknown_source", "unknown_unit", "other_process",
                                     "over_limit"};

Json Texts(const std::vector<IpAddress>& addresses) {
  Json::Array out;
  for (const IpAddress& address : addresses) out.emplace_back(address.ToString());
  return out;
}

Json ToJson(const policy::Labels& labels) {
  Json::Object out;
  for (const auto& [key, value] : labels) out.push_back({.name = key, .value = value});
  return out;
}

std::optional<double> Milliseconds(const std::optional<Duration>& duration) {
  if (!duration) return std::nullopt;
  return static_cast<double>(duration->count()) / 1000.0;
}

Json ToJson(const agent::NodeStatus& node) {
  return Json::Object{{"name", node.name},
                      {"state", agent::ToString(node.state)},
                      {"address", node.address.is_unspecified() ? "" : node.address.ToString()},
                      {"labels", ToJson(node.labels)},
                      {"gateway", node.gateway},
                      {"generation", node.generation},
                      {"rtt_ms", Milliseconds(node.round_trip)},
                      {"egress_ips", Texts(node.egress_ips)},
                      {"self", node.self},
                      {"tunnel_address", node.tunnel_address.is_unspecified() ? "" : node.tunnel_address.ToString()},
                      {"bfd", node.bfd},
                      {"detection_ms", Milliseconds(node.detection_time)},
                      {"path", node.path}};
}

// The connections that this node tracks with one of these egress ids.
Json Connections(const Counts& counts, const std::vector<EgressId>& ids) {
  if (!counts.tracked) return {};
  std::size_t count = 0;
  for (const EgressId id : ids) count += counts.tracked->Of(id);
  return count;
}

// What this node, as the holder, has counted for these ids; null: it holds none of them.
Json Counted(const kernel::CountsByMark& counts, const std::vector<EgressId>& ids) {
  std::optional<kernel::Count> sum;
  for (const EgressId id : ids) {
    const auto found = counts.find(plan::kDecided | id.value);
    if (found == counts.end()) continue;
    if (!sum) sum.emplace();
    *sum += found->second;
  }
  return sum ? Json(Json::Object{{"packets", sum->packets}, {"bytes", sum->bytes}}) : Json();
}

Json ToJson(const agent::EgressIpStatus& ip, const Counts& counts) {
  return Json::Object{{"ip", ip.address.ToString()},
                      {"family", ToString(ip.address.family())},
                      {"gateway", ip.gateway},
                      {"node", ip.node},
                      {"state", agent::ToString(ip.state)},
                      {"policies", Json::List(ip.policies)},
                      {"connections", Connections(counts, ip.ids)},
                      {"sent", Counted(counts.sent, ip.ids)},
                      {"received", Counted(counts.received, ip.ids)},
                      {"lease_ms", Milliseconds(ip.lease)}};
}

// In bits, and bits in a second; absent = no limit.
Json ToJson(const policy::Bandwidth& bandwidth) {
  if (bandwidth == policy::Bandwidth{}) return {};
  const auto some = [](std::uint64_t bits) { return bits == 0 ? std::optional<std::uint64_t>() : bits; };
  return Json::Object{{"egress", some(bandwidth.egress_bits)},
                      {"ingress", some(bandwidth.ingress_bits)},
                      {"burst", some(bandwidth.burst_bits)}};
}

Json ToJson(const agent::PolicyStatus& policy, const Counts& counts) {
  Json::Array egress_ips;
  std::vector<EgressId> ids;
  for (const policy::Binding& binding : policy.bindings) {
    if (binding.egress_ip) egress_ips.emplace_back(binding.egress_ip->ToString());
    ids.push_back(binding.id);
  }
  return Json::Object{{"name", policy.name},
                      {"action", policy::ToString(policy.action)},
                      {"gateway", policy.gateway},
                      {"egress_ips", egress_ips},
                      {"workloads", policy.workloads},
                      {"connections", Connections(counts, ids)},
                      {"sent", Counted(counts.sent, ids)},
                      {"received", Counted(counts.received, ids)},
                      {"enabled", policy.enabled},
                      {"nodes", Json::List(policy.nodes)},
                      {"source", policy.source == policy::Source::kPreserve ? "preserve" : "masquerade"},
                      {"bandwidth", ToJson(policy.bandwidth)}};
}

Json ToJson(const agent::Health& health) {
  return Json::Object{{"code", health.code},     {"severity", health.error ? "error" : "warning"}, {"object", health.object},
                      {"text", health.text}, {"hint", health.hint}};
}

Json ToJson(const agent::RejectedDatagrams& rejected) {
  return Json::Object{{"malformed", rejected.malformed},
                      {"wrong_cluster", rejected.wrong_cluster},
                      {"wrong_key", rejected.wrong_key},
                      {"forged", rejected.forged},
                      {"replayed", rejected.replayed}};
}

Json Items(const std::string& kind, Json::Array items) {
  return Json::Object{{"schema", "egressd." + kind + "/v1"}, {"items", std::move(items)}};
}

Json Nodes(const agent::Status& status, const std::string& name) {
  Json::Array out;
  for (const auto& node : status.nodes) {
    if (name.empty() || node.name == name) out.push_back(ToJson(node));
  }
  return Items("nodes", std::move(out));
}

Json EgressIps(const agent::Status& status, const std::string& name, const Counts& counts) {
  Json::Array out;
  for (const auto& ip : status.egress_ips) {
    if (name.empty() || ip.address.ToString() == name) out.push_back(ToJson(ip, counts));
  }
  return Items("ips", std::move(out));
}

Json Policies(const agent::Status& status, const std::string& name, const Counts& counts) {
  Json::Array out;
  for (const auto& policy : status.policies) {
    if (name.empty() || policy.name == name) out.push_back(ToJson(policy, counts));
  }
  return Items("policies", std::move(out));
}

// How many addresses the pools of a gateway have, and how many of them are bound.
Json UsageOf(const agent::Status& status, const policy::PolicySet& set, const policy::Gateway& gateway) {
  Json usage;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    std::uint64_t total = 0;
    for (const std::string& pool : gateway.pools) {
      constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();  // what an integer of the interface holds
      total += std::min(policy::CountOf(set.pools.at(pool), family), kMost - total);
    }
    const auto used = std::ranges::count_if(
        status.egress_ips, [&](const auto& ip) { return ip.gateway == gateway.name && ip.address.family() == family; });
    usage.Set(std::string(ToString(family)), Json::Object{{"total", total}, {"used", used}});
  }
  return usage;
}

Json Gateways(const agent::Status& status, const policy::Selection* selection, const std::string& wanted) {
  Json::Array out;
  if (selection == nullptr) return Items("gateways", std::move(out));
  for (const auto& [name, gateway] : selection->set().gateways) {
    if (!wanted.empty() && name != wanted) continue;
    Json::Array nodes;
    std::size_t alive = 0, drained = 0;
    for (const auto& node : status.nodes) {
      if (!policy::Matches(gateway.nodes, node.name, node.labels)) continue;
      nodes.emplace_back(node.name);
      if (Lives(node)) ++alive;
      if (node.state == agent::NodeState::kDrained) ++drained;
    }
    Json::Array ips;
    for (const auto& ip : status.egress_ips) {
      if (ip.gateway == name)
        ips.push_back(Json::Object{{"ip", ip.address.ToString()}, {"node", ip.node}, {"state", agent::ToString(ip.state)}});
    }
    Json::Array policies;
    for (const auto& policy : status.policies) {
      if (policy.gateway == name) policies.emplace_back(policy.name);
    }
    out.push_back(Json::Object{{"name", name},
                               {"default", gateway.is_default},
                               {"nodes", nodes},
                               {"alive", alive},
                               {"pools", Json::List(gateway.pools)},
                               {"usage", UsageOf(status, selection->set(), gateway)},
                               {"egress_ips", ips},
                               {"policies", policies},
                               {"drained", drained},
                               {"takeover", gateway.takeover == policy::Takeover::kStrict ? "strict" : "immediate"},
                               {"restart_grace_ms", Milliseconds(gateway.restart_grace)},
                               {"failback", gateway.failback}});
  }
  return Items("gateways", std::move(out));
}

Json WorkloadList(const policy::Selection* selection, const std::string& name) {
  Json::Array out;
  if (selection == nullptr) return Items("workloads", std::move(out));
  for (const policy::Workload* workload : selection->Workloads()) {
    if (!name.empty() && workload->name != name && workload->namespace_ + '/' + workload->name != name) continue;
    std::vector<std::string> policies;  // in deciding order
    for (const IpAddress& address : workload->addresses) {
      const policy::SourceClass* source_class = selection->ClassOf(address);
      if (source_class == nullptr) continue;
      for (const policy::Interest& interest : source_class->interests) {
        if (std::ranges::find(policies, interest.policy->name) == policies.end()) policies.push_back(interest.policy->name);
      }
    }
    out.push_back(Json::Object{{"name", workload->name},
                               {"namespace", workload->namespace_},
                               {"addresses", Texts(workload->addresses)},
                               {"labels", ToJson(workload->labels)},
                               {"node", workload->node.value_or("")},
                               {"policies", Json::List(policies)}});
  }
  return Items("workloads", std::move(out));
}

// With what nftables has counted, which is read in microseconds.
Counts Complete(Core& core, std::shared_ptr<const Tracked> tracked) {
  Counts counts{.tracked = std::move(tracked), .sent = {}, .received = {}};
  const auto add = [&](std::string_view set, kernel::CountsByMark& into) {
    const auto added = core.kernel().AddCounts(std::string(set), into);
    // Not every set is always there: before the first commit none, later those that a policy asks for.
    if (!added && added.error().kind != ErrorKind::kNotFound) Warn(added.error().message);
  };
  for (const std::string_view set : plan::kSentSets) add(set, counts.sent);
  add(plan::kReceivedSet, counts.received);
  return counts;
}

}  // namespace

bool Lives(const agent::NodeStatus& node) { return node.state == agent::NodeState::kAlive || node.state == agent::NodeState::kDrained; }

void Counts::Ask(Core& core, std::function<void(const Counts&)> done) {
  core.census().Ask(EventLoop::Now(), [&core, done = std::move(done)](const std::shared_ptr<const Tracked>& tracked) {
    done(Complete(core, tracked));
  });
}

std::vector<std::pair<std::string_view, std::uint64_t>> Drops(Core& core) {
  std::vector<std::pair<std::string_view, std::uint64_t>> out;
  for (const char* counter : kCounters) out.emplace_back(counter, core.kernel().CounterPackets(counter));
  return out;
}

std::vector<agent::Health> AllHealth(const Core& core, const agent::Status& status, const std::vector<agent::Health>& own_health) {
  std::vector<agent::Health> all = status.health;
  std::ranges::copy(own_health, std::back_inserter(all));
  if (const auto& trouble = core.datapath().trouble) {
    all.push_back({.code = "E150",
                   .error = true,
                   .object = "datapath",
                   .text = trouble->message,
                   .hint = "tried again every second; see the log"});
  }
  return all;
}

Json StatusAnswer(Core& core, const std::vector<agent::Health>& own_health, const Counts& counts) {
  const agent::Status status = core.agent().status();
  const Datapath datapath = core.datapath();
  Json::Array nodes, ips, policies, health;
  std::size_t alive = 0, total = 0;
  for (const auto& node : status.nodes) {
    nodes.push_back(ToJson(node));
    if (Lives(node)) ++alive;
    if (node.state != agent::NodeState::kLeft) ++total;
  }
  for (const auto& ip : status.egress_ips) ips.push_back(ToJson(ip, counts));
  for (const auto& policy : status.policies) policies.push_back(ToJson(policy, counts));
  bool healthy = status.synced && datapath.in_sync;
  for (const agent::Health& finding : AllHealth(core, status, own_health)) {
    healthy = healthy && !finding.error;
    health.push_back(ToJson(finding));
  }
  Json counters;
  for (const auto& [name, packets] : Drops(core)) counters.Set(std::string(name), packets);
  return Json::Object{
      {"schema", "egressd.status/v1"},
      {"node", status.node},
      {"version", EGRESSD_VERSION},
      {"healthy", healthy},
      {"synced", status.synced},
      {"policy", Json::Object{{"generation", status.generation}, {"digest", status.digest}}},
      {"cluster",
       Json::Object{{"name", status.cluster}, {"alive", alive}, {"total", total}, {"nodes", nodes}, {"rejected", ToJson(status.rejected)}}},
      {"datapath", Json::Object{{"in_sync", datapath.in_sync}, {"corrections", datapath.corrections}, {"counters", counters}}},
      {"egress_ips", ips},
      {"policies", policies},
      {"health", health}};
}

std::optional<Json> ListAnswer(const Core& core, const std::string& kind, const std::string& name, const Counts& counts) {
  if (kind == "nodes") return Nodes(core.agent().status(), name);
  if (kind == "gateways") return Gateways(core.agent().status(), core.agent().selection(), name);
  if (kind == "policies") return Policies(core.agent().status(), name, counts);
  if (kind == "ips") return EgressIps(core.agent().status(), name, counts);
  if (kind == "workloads") return WorkloadList(core.agent().selection(), name);
  return std::nullopt;
}

Json ExplainAnswer(const Core& core, const policy::Flow& flow) {
  const plan::Explanation explanation = core.agent().Explain(flow);
  Json::Array rejected;
  for (const plan::Rejected& other : explanation.rejected)
    rejected.push_back(Json::Object{{"policy", other.policy}, {"reason", other.reason}});
  Json::Array choices;
  for (const plan::Choice& choice : explanation.choices) {
    choices.push_back(Json::Object{{"egress_ip", choice.egress_ip ? Json(choice.egress_ip->ToString()) : Json()},
                                   {"node", choice.node},
                                   {"share", choice.share}});
  }
  std::string workload;
  if (core.agent().selection() != nullptr) {
    if (const auto* known = core.agent().selection()->WorkloadAt(flow.source)) workload = known->namespace_ + '/' + known->name;
  }
  return Json::Object{{"schema", "egressd.explain/v1"},
                      {"policy", explanation.policy},
                      {"action", explanation.action},
                      {"gateway", explanation.gateway},
                      {"egress_ip", explanation.egress_ip ? Json(explanation.egress_ip->ToString()) : Json()},
                      {"node", explanation.node},
                      {"choices", choices},
                      {"path", Json::List(explanation.path)},
                      {"rejected", rejected},
                      {"source", flow.source.ToString()},
                      {"workload", workload},
                      {"process", ToString(flow.process)},
                      {"destination", flow.destination.ToString()}};
}

Json KeysAnswer(const agent::KeyResult& result, const KeyFile& file) {
  // Every key that anybody has, those of this node first.
  std::vector<gossip::Fingerprint> known = result.ring;
  std::map<gossip::Fingerprint, std::size_t> installed;
  Json::Array nodes, keys, unmet;
  for (const agent::KeyNode& node : result.nodes) {
    Json::Array ring;
    for (const gossip::Fingerprint key : node.ring) {
      ring.emplace_back(gossip::ToString(key));
      ++installed[key];
      if (std::ranges::find(known, key) == known.end()) known.push_back(key);
    }
    nodes.push_back(Json::Object{{"name", node.name},
                                 {"state", agent::ToString(node.state)},
                                 {"self", node.self},
                                 {"answered", node.answered},
                                 {"follows", node.follows},
                                 {"keys", ring}});
  }
  for (const gossip::Fingerprint key : known) {
    const bool primary = !result.ring.empty() && key == result.ring.front();
    keys.push_back(Json::Object{{"fingerprint", gossip::ToString(key)}, {"primary", primary}, {"nodes", installed[key]}});
  }
  for (const Endpoint& endpoint : result.unmet) unmet.emplace_back(endpoint.ToString());
  return Json::Object{{"schema", "egressd.keys/v1"}, {"ring", result.ring_number},
                      {"source", result.ring_number == 0 ? "file" : "cluster"},
                      {"file", file.path}, {"in_file", file.has_first}, {"keys", keys}, {"nodes", nodes}, {"unmet", unmet}};
}

Json ToJson(const policy::Finding& finding) {
  return Json::Object{{"file", finding.file},
                      {"line", finding.line},
                      {"column", finding.column},
                      {"severity", finding.severity == policy::Severity::kError ? "error" : "warning"},
                      {"code", finding.code},
                      {"message", finding.message},
                      {"path", finding.path},
                      {"hint", finding.hint}};
}

Json ToJson(const policy::Change& change) {
  return Json::Object{{"object", change.object}, {"kind", policy::ToString(change.kind)}, {"details", Json::List(change.details)}};
}

}  // namespace egressd::daemon
