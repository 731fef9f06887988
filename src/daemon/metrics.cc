#include "daemon/metrics.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "egressd/plan/plan.h"

namespace egressd::daemon {
namespace {

using Type = MetricType;

// What a gateway may translate to one destination with one egress IP: the source ports 1024-65535.
constexpr double kSourcePorts = 64512;

std::uint64_t One(bool is) { return is ? 1 : 0; }
double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string_view NameOf(agent::Takeover::Reason reason) {
  switch (reason) {
    case agent::Takeover::Reason::kFirst: return "first";
    case agent::Takeover::Reason::kNodeDead: return "node-dead";
    case agent::Takeover::Reason::kHandover: return "handover";
    case agent::Takeover::Reason::kReleased: break;
  }
  return "released";
}

// ---- this daemon

void Build(const Snapshot&, Samples& out) { out.Add({{"version", EGRESSD_VERSION}}, std::uint64_t{1}); }
void Ready(const Snapshot& of, Samples& out) { out.Add({}, One(of.daemon.ready)); }
void Reloaded(const Snapshot& of, Samples& out) { out.Add({}, One(of.daemon.reload.successful)); }
void ReloadedAt(const Snapshot& of, Samples& out) { out.Add({}, of.daemon.reload.succeeded_at); }

void Health(const Snapshot& of, Samples& out) {
  std::map<std::pair<std::string, bool>, std::uint64_t> codes;
  for (const agent::Health& finding : of.health) ++codes[{finding.code, finding.error}];
  for (const auto& [code, count] : codes) {
    out.Add({{"code", code.first}, {"severity", code.second ? "error" : "warning"}}, count);
  }
}

void Events(const Snapshot& of, Samples& out) {
  for (const auto& [kind, count] : of.daemon.events) out.Add({{"kind", kind}}, count);
}

// ---- policy

void Revision(const Snapshot& of, Samples& out) {
  out.Add({{"revision", std::to_string(of.status.generation)}, {"digest", of.status.digest}}, std::uint64_t{1});
}
void Generation(const Snapshot& of, Samples& out) { out.Add({}, of.status.generation); }

void Workloads(const Snapshot& of, Samples& out) {
  for (const agent::PolicyStatus& policy : of.status.policies) {
    if (policy.enabled) out.Add({{"policy", policy.name}}, std::uint64_t{policy.workloads});
  }
}

std::string AddressOf(const policy::Binding& binding) { return binding.egress_ip ? binding.egress_ip->ToString() : ""; }

void AddTraffic(const Snapshot& of, std::uint64_t kernel::Count::*what, Samples& out) {
  for (const agent::PolicyStatus& policy : of.status.policies) {
    for (const policy::Binding& binding : policy.bindings) {
      for (const auto& [direction, counts] : {std::pair("sent", &of.counts.sent), std::pair("received", &of.counts.received)}) {
        const auto found = counts->find(plan::kDecided | binding.id.value);
        if (found == counts->end()) continue;
        out.Add({{"policy", policy.name}, {"ip", AddressOf(binding)}, {"direction", direction}}, found->second.*what);
      }
    }
  }
}
void Bytes(const Snapshot& of, Samples& out) { AddTraffic(of, &kernel::Count::bytes, out); }
void Packets(const Snapshot& of, Samples& out) { AddTraffic(of, &kernel::Count::packets, out); }

void Connections(const Snapshot& of, Samples& out) {
  if (!of.counts.tracked) return;
  for (const agent::PolicyStatus& policy : of.status.policies) {
    for (const policy::Binding& binding : policy.bindings) {
      out.Add({{"policy", policy.name}, {"ip", AddressOf(binding)}}, std::uint64_t{of.counts.tracked->Of(binding.id)});
    }
  }
}

void Pools(const Snapshot& of, Samples& out) {
  for (const Snapshot::PoolUse& use : of.pools) {
    const std::string_view family = ToString(use.family);
    out.Add({{"pool", use.pool}, {"family", family}, {"state", "free"}}, use.total - std::min(use.used, use.total));
    out.Add({{"pool", use.pool}, {"family", family}, {"state", "used"}}, use.used);
  }
}

// ---- egress IPs

void Owner(const Snapshot& of, Samples& out) {
  for (const agent::EgressIpStatus& ip : of.status.egress_ips) {
    out.Add({{"ip", ip.address.ToString()}, {"gateway", ip.gateway}}, One(ip.held_here));
  }
}

// Told from the beginning, with 0: of a series that begins with its first event Prometheus does not see that event. A node that belongs to
// no gateway never takes anything.
std::set<std::string> Gateways(const Snapshot& of) {
  std::set<std::string> gateways;
  for (const auto& [key, count] : of.tallies.moves) gateways.insert(key.first);
  const bool takes = std::ranges::any_of(of.status.nodes, [](const agent::NodeStatus& node) { return node.self && node.gateway; });
  for (const agent::EgressIpStatus& ip : of.status.egress_ips) {
    if (takes) gateways.insert(ip.gateway);
  }
  return gateways;
}
void Moves(const Snapshot& of, Samples& out) {
  using Reason = agent::Takeover::Reason;
  for (const std::string& gateway : Gateways(of)) {
    for (const Reason reason : {Reason::kFirst, Reason::kNodeDead, Reason::kHandover, Reason::kReleased}) {
      const auto found = of.tallies.moves.find({gateway, reason});
      out.Add({{"gateway", gateway}, {"reason", NameOf(reason)}}, found == of.tallies.moves.end() ? std::uint64_t{0} : found->second);
    }
  }
}
void Failovers(const Snapshot& of, Samples& out) {
  for (const std::string& gateway : Gateways(of)) {
    const auto found = of.tallies.failovers.find(gateway);
    const auto lasted = found == of.tallies.failovers.end() ? decltype(found->second){} : found->second;
    out.AddHistogram({{"gateway", gateway}}, kFailoverBounds, lasted.counts, lasted.sum_seconds);
  }
}
void Conflicts(const Snapshot& of, Samples& out) {
  for (const auto& [ip, count] : of.daemon.conflicts) out.Add({{"ip", ip}}, count);
}

// Of those that this node holds: what is translated elsewhere it does not know.
template <typename Visit>
void ForEachTranslated(const Snapshot& of, Visit visit) {
  if (!of.counts.tracked) return;
  for (const agent::EgressIpStatus& ip : of.status.egress_ips) {
    if (!ip.held_here) continue;
    const auto found = of.counts.tracked->translated.find(ip.address);
    visit(ip.address.ToString(), found == of.counts.tracked->translated.end() ? Tracked::Translated{} : found->second);
  }
}
void SnatConnections(const Snapshot& of, Samples& out) {
  ForEachTranslated(of, [&](const std::string& ip, const Tracked::Translated& is) {
    out.Add({{"ip", ip}}, std::uint64_t{is.connections});
  });
}
void SnatPorts(const Snapshot& of, Samples& out) {
  ForEachTranslated(of, [&](const std::string& ip, const Tracked::Translated& is) {
    out.Add({{"ip", ip}}, static_cast<double>(is.most_ports) / kSourcePorts);
  });
}

// ---- the data path

void InSync(const Snapshot& of, Samples& out) { out.Add({}, One(of.datapath.in_sync)); }
void Corrections(const Snapshot& of, Samples& out) {
  for (const auto& [kind, count] : of.tallies.corrections) out.Add({{"object", kind}}, count);
}
void Reconciles(const Snapshot& of, Samples& out) {
  for (const auto& [result, count] : of.tallies.reconciles) out.Add({{"result", result}}, count);
}
void ReconcileDurations(const Snapshot& of, Samples& out) {
  const auto& lasted = of.tallies.reconcile_durations;
  out.AddHistogram({}, kReconcileBounds, lasted.counts, lasted.sum_seconds);
}
void Dropped(const Snapshot& of, Samples& out) {
  for (const auto& [reason, packets] : of.drops) out.Add({{"reason", reason}}, packets);
}
void TunnelMtu(const Snapshot& of, Samples& out) {
  if (of.tunnel_mtu_bytes) out.Add({}, std::uint64_t{*of.tunnel_mtu_bytes});
}

// ---- the cluster

void Peers(const Snapshot& of, Samples& out) {
  using State = agent::NodeState;
  for (const State state : {State::kAlive, State::kSuspect, State::kDead, State::kLeft, State::kDrained}) {
    const auto is = [&](const agent::NodeStatus& node) { return !node.self && node.state == state; };
    const auto count = std::ranges::count_if(of.status.nodes, is);
    out.Add({{"state", agent::ToString(state)}}, static_cast<std::uint64_t>(count));
  }
}
void RoundTrips(const Snapshot& of, Samples& out) {
  for (const agent::NodeStatus& node : of.status.nodes) {
    if (node.round_trip && Lives(node)) out.Add({{"peer", node.name}}, Seconds(*node.round_trip));
  }
}
void BfdUp(const Snapshot& of, Samples& out) {
  for (const agent::NodeStatus& node : of.status.nodes) {
    if (!node.bfd.empty()) out.Add({{"peer", node.name}}, One(node.bfd == "up"));
  }
}
void BfdDetection(const Snapshot& of, Samples& out) {
  for (const agent::NodeStatus& node : of.status.nodes) {
    if (node.detection_time) out.Add({{"peer", node.name}}, Seconds(*node.detection_time));
  }
}
void TunnelUp(const Snapshot& of, Samples& out) {
  for (const agent::NodeStatus& node : of.status.nodes) {
    if (!node.path.empty()) out.Add({{"peer", node.name}}, One(node.path == "up"));
  }
}
void GossipMessages(const Snapshot& of, Samples& out) {
  out.Add({{"direction", "received"}}, of.tallies.received.datagrams);
  out.Add({{"direction", "sent"}}, of.tallies.sent.datagrams);
}
void GossipBytes(const Snapshot& of, Samples& out) {
  out.Add({{"direction", "received"}}, of.tallies.received.bytes);
  out.Add({{"direction", "sent"}}, of.tallies.sent.bytes);
}
void GossipRejected(const Snapshot& of, Samples& out) {
  const agent::RejectedDatagrams& rejected = of.status.rejected;
  for (const auto& [reason, count] : {std::pair("forged", rejected.forged), std::pair("malformed", rejected.malformed),
                                      std::pair("replayed", rejected.replayed), std::pair("wrong_cluster", rejected.wrong_cluster),
                                      std::pair("wrong_key", rejected.wrong_key)}) {
    out.Add({{"reason", reason}}, count);
  }
}

// ---- who tells of workloads, who reads metrics

void ProviderUp(const Snapshot& of, Samples& out) {
  for (const Containers::Provider& provider : of.daemon.providers) out.Add({{"provider", provider.name}}, One(provider.up));
}
void ProviderWorkloads(const Snapshot& of, Samples& out) {
  for (const Containers::Provider& provider : of.daemon.providers) {
    out.Add({{"provider", provider.name}}, std::uint64_t{provider.workloads});
  }
}
void HttpResponses(const Snapshot& of, Samples& out) {
  for (const auto& [status, count] : of.daemon.http.responses) out.Add({{"code", std::to_string(status)}}, count);
}
void HttpEnded(const Snapshot& of, Samples& out) {
  out.Add({{"reason", "pushed_out"}}, of.daemon.http.pushed_out);
  out.Add({{"reason", "timeout"}}, of.daemon.http.timed_out);
}

// ---- the process

void Cpu(const Snapshot& of, Samples& out) { out.Add({}, of.process.cpu_seconds); }
void StartTime(const Snapshot& of, Samples& out) { out.Add({}, of.daemon.started_at); }
void Resident(const Snapshot& of, Samples& out) { out.Add({}, of.process.resident_bytes); }
void Virtual(const Snapshot& of, Samples& out) { out.Add({}, of.process.virtual_bytes); }
void OpenFds(const Snapshot& of, Samples& out) { out.Add({}, of.process.open_descriptors); }
void MaxFds(const Snapshot& of, Samples& out) { out.Add({}, of.process.most_descriptors); }

constexpr Metric kMetrics[] = {
    {"egressd_build_info", Type::kInfo, "Version of egressd.", Build},
    {"egressd_ready", Type::kGauge, "Whether this node is synced with its cluster and its data path is in sync.", Ready},
    {"egressd_health", Type::kGauge, "Findings of egressctl status, by code.", Health},
    {"egressd_events_total", Type::kCounter, "Events of egressctl events since the start, by kind.", Events},
    {"egressd_config_last_reload_successful", Type::kGauge, "Whether the files could be used when they were read last.", Reloaded},
    {"egressd_config_last_reload_success_timestamp_seconds", Type::kGauge, "When the files were last read and could be used.", ReloadedAt},
    {"egressd_policy_revision_info", Type::kInfo, "The policy in force: its generation and a digest of its text.", Revision},
    {"egressd_policy_generation", Type::kGauge, "Generation of the policy in force, 0 without one.", Generation},
    {"egressd_policy_workloads", Type::kGauge, "Known addresses of workloads that a policy selects.", Workloads},
    {"egressd_policy_bytes_total", Type::kCounter, "Bytes of IP packets through an egress IP that this node holds.", Bytes},
    {"egressd_policy_packets_total", Type::kCounter, "Packets through an egress IP that this node holds.", Packets},
    {"egressd_policy_connections", Type::kGauge, "Connections that this node tracks for a policy and an egress IP.", Connections},
    {"egressd_pool_addresses", Type::kGauge, "Addresses of a pool, by whether a policy uses them.", Pools},
    {"egressd_egress_ip_owner", Type::kGauge, "Whether this node has the egress IP; the sum over all nodes is 1.", Owner},
    {"egressd_egress_ip_moves_total", Type::kCounter, "Egress IPs that this node took.", Moves},
    {"egressd_failover_duration_seconds", Type::kHistogram, "From the verdict dead until this node had the egress IP.", Failovers},
    {"egressd_egress_ip_conflicts_total", Type::kCounter, "How often another host was found to have it, too.", Conflicts},
    {"egressd_snat_connections", Type::kGauge, "Connections that this node translates to an egress IP.", SnatConnections},
    {"egressd_snat_port_utilization_ratio", Type::kGauge, "Share of source ports in use towards the busiest destination.", SnatPorts},
    {"egressd_datapath_in_sync", Type::kGauge, "Whether the kernel is as the policy wants it.", InSync},
    {"egressd_reconcile_total", Type::kCounter, "How often the kernel was brought to what is wanted, by what came of it.", Reconciles},
    {"egressd_reconcile_duration_seconds", Type::kHistogram, "How long that took.", ReconcileDurations},
    {"egressd_drift_corrections_total", Type::kCounter, "Objects that somebody else changed and that were put back.", Corrections},
    {"egressd_dropped_packets_total", Type::kCounter, "Packets that the data path dropped, by reason.", Dropped},
    {"egressd_tunnel_mtu_bytes", Type::kGauge, "MTU of the tunnel device.", TunnelMtu},
    {"egressd_tunnel_up", Type::kGauge, "Whether a peer answers through the tunnel.", TunnelUp},
    {"egressd_peers", Type::kGauge, "Other nodes of the cluster, by state.", Peers},
    {"egressd_peer_rtt_seconds", Type::kGauge, "Round trip of the last probe of a peer.", RoundTrips},
    {"egressd_bfd_session_up", Type::kGauge, "Whether the BFD session with a peer is up.", BfdUp},
    {"egressd_bfd_detection_seconds", Type::kGauge, "After so long a silence the BFD session is down.", BfdDetection},
    {"egressd_gossip_messages_total", Type::kCounter, "Datagrams of the gossip.", GossipMessages},
    {"egressd_gossip_bytes_total", Type::kCounter, "Bytes of these datagrams.", GossipBytes},
    {"egressd_gossip_rejected_total", Type::kCounter, "Datagrams to the gossip port that were rejected, by reason.", GossipRejected},
    {"egressd_provider_up", Type::kGauge, "Whether a container engine answers.", ProviderUp},
    {"egressd_provider_workloads", Type::kGauge, "Workloads that a container engine told of.", ProviderWorkloads},
    {"egressd_http_responses_total", Type::kCounter, "Answers to HTTP requests, by status code.", HttpResponses},
    {"egressd_http_connections_ended_total", Type::kCounter, "HTTP connections that were ended without an answer.", HttpEnded},
    {"process_cpu_seconds_total", Type::kCounter, "Processor time of the daemon.", Cpu},
    {"process_start_time_seconds", Type::kGauge, "When the daemon was started.", StartTime},
    {"process_resident_memory_bytes", Type::kGauge, "Memory of the daemon that is in use.", Resident},
    {"process_virtual_memory_bytes", Type::kGauge, "Address space of the daemon.", Virtual},
    {"process_open_fds", Type::kGauge, "Open file descriptors.", OpenFds},
    {"process_max_fds", Type::kGauge, "How many there may be.", MaxFds},
};

}  // namespace

std::span<const Metric> Metrics() { return kMetrics; }

std::string MetricsText(const Snapshot& snapshot, Exposition exposition) {
  ExpositionWriter writer(exposition);
  for (const Metric& metric : kMetrics) {
    Samples samples(metric.name);
    metric.fill(snapshot, samples);
    writer.Add(metric.name, metric.type, metric.help, samples);
  }
  return writer.Finish();
}

}  // namespace egressd::daemon
