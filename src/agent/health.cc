// What is not as it should be, with what to do about it. Codes are stable.
#include <algorithm>
#include <format>

#include "agent/body.h"

namespace egressd::agent {
namespace {

constexpr Duration kDuplicateShown{60'000'000};

void AddMembers(const Status& status, std::vector<Health>& health) {
  for (const NodeStatus& node : status.nodes) {
    if (node.state == NodeState::kDead) {
      health.push_back({.code = "W101", .object = node.name, .text = "node is dead: it answers nobody",
                        .hint = std::format("check egressd on {} ({}) and UDP between the nodes", node.name, node.address.ToString())});
    } else if (node.state == NodeState::kSuspect) {
      health.push_back({.code = "W102", .object = node.name, .text = "node does not answer", .hint = "it is declared dead if this lasts"});
    } else if (node.state == NodeState::kDrained) {
      health.push_back({.code = "W109", .object = node.name, .text = "node is drained: it takes no egress IPs",
                        .hint = std::format("egressctl undrain {}", node.name)});
    } else if (node.state == NodeState::kAlive && !node.self && node.generation != status.generation && node.generation != 0) {
      health.push_back({.code = "W103", .object = node.name,
                        .text = std::format("policy generation {} there, {} here", node.generation, status.generation),
                        .hint = "nodes follow within seconds; look at egressctl status on that node if this stays"});
    }
  }
}

void AddAddresses(const Status& status, std::vector<Health>& health) {
  for (const EgressIpStatus& address : status.egress_ips) {
    if (address.state == EgressIpState::kUnassigned) {
      health.push_back({.code = "E101", .error = true, .object = address.address.ToString(),
                        .text = std::format("no node of gateway {} holds this egress IP", address.gateway),
                        .hint = "a gateway node must be alive and have a running uplink for it"});
    } else if (address.state == EgressIpState::kConflict) {
      health.push_back({.code = "W104", .object = address.address.ToString(), .text = "more than one node claims this egress IP",
                        .hint = "it is settled as soon as they hear of each other"});
    }
  }
}

// Networks of workloads that keep their address and are not alone with it.
void AddNetworks(const Grants& grants, const std::string& self, const state::Host& host, std::vector<Health>& health) {
  constexpr std::string_view kHint = "give each node a network of its own (Docker: default-address-pools), or leave `source: preserve` out";
  for (const NetworkRefusal& refusal : grants.refusals) {
    const bool own = refusal.node == self;
    health.push_back({.code = own ? "E107" : "W114", .error = own, .object = refusal.network.ToString(),
                      .text = std::format("{} has {}, which it had first: what keeps its address in this network of {} is dropped",
                                          refusal.holder, refusal.held.ToString(), own ? "this node" : refusal.node),
                      .hint = std::string(kHint)});
  }
  for (const auto& [node, networks] : grants.networks) {
    if (node == self) continue;
    for (const Prefix& network : networks) {
      const auto connected = plan::ConnectedOverlap(host, network);
      if (!connected) continue;
      health.push_back({.code = "W115", .object = network.ToString(),
                        .text = std::format("of workloads of {} that keep their address, and {} is connected to this node: it takes "
                                            "none of them",
                                            node, connected->ToString()),
                        .hint = std::string(kHint)});
    }
  }
}

// Selectors of processes that can select nothing on this node as it is.
void AddProcesses(const policy::Selection& selection, std::vector<Health>& health) {
  for (const policy::Policy* policy : policy::InOrder(selection.set())) {
    for (const policy::Selector& selector : policy->from) {
      if (!selector.names_processes() || !selection.Counts(selector)) continue;
      for (const std::string& user : selector.users) {
        if (policy::UserNumber(selection.processes(), user)) continue;
        health.push_back({.code = "W112", .object = policy->name, .text = std::format("this host has no user {} in /etc/passwd", user),
                          .hint = "write the user's number if another service knows the name, or `node:` where it is meant"});
      }
      if (selector.units.empty() || !selection.processes().cgroups.empty()) continue;
      health.push_back({.code = "W113", .object = policy->name, .text = "no cgroups of version 2 here: `unit` selects nothing",
                        .hint = "boot with systemd.unified_cgroup_hierarchy=1, or `node:` where units are meant"});
    }
  }
}

void AddRejected(const RejectedDatagrams& rejected, std::vector<Health>& health) {
  const auto add = [&](std::uint64_t count, std::string_view what, std::string_view hint) {
    if (count == 0) return;
    health.push_back({.code = "W105",
                      .object = "cluster",
                      .text = std::format("{} datagram{} rejected: {}", count, count == 1 ? "" : "s", what),
                      .hint = std::string(hint)});
  };
  add(rejected.wrong_cluster, "another cluster's name", "cluster.name must be the same on every node");
  add(rejected.wrong_key, "sealed with an unknown key",
      "the key files of the nodes differ, or a node is back with a key that was removed: copy it the key file (egressctl keys export)");
  add(rejected.forged, "not authentic", "somebody sends forged or damaged datagrams to the gossip port");
  add(rejected.replayed, "seen before", "somebody repeats datagrams, or the network duplicates them");
  add(rejected.malformed, "not understood", "something else sends to the gossip port, or a node runs a later version");
}

}  // namespace

std::vector<Health> Agent::Body::HealthFindings(const Status& status) const {
  std::vector<Health> health;
  if (!host_known || !underlay) {
    health.push_back({.code = "E102", .error = true, .object = status.node, .text = "no underlay address: this node has no global address",
                      .hint = "bring the network up, or set node.address"});
  } else if (!synced) {
    health.push_back({.code = "W106", .object = status.node, .text = "not synced with the cluster yet: the data path stays as it was",
                      .hint = "this ends within seconds"});
  }
  for (const auto& [address, refusal] : refused) {
    if (refusal.by == Refused::By::kOtherHost) {
      health.push_back({.code = "E106", .error = true, .object = address.ToString(),
                        .text = std::format("another host has this egress IP: {}", refusal.reason),
                        .hint = "find the host with this MAC; here it is tried again every few seconds"});
      continue;
    }
    health.push_back({.code = "E103", .error = true, .object = address.ToString(),
                      .text = std::format("the kernel refuses: {}", refusal.reason),
                      .hint = "another gateway takes the egress IP if there is one; here it is tried again every few seconds"});
  }
  for (const auto& [gateway, failed] : unhealthy) {
    health.push_back({.code = "W110", .object = gateway,
                      .text = std::format("a health check of this gateway fails on this node: {}", failed),
                      .hint = "the node holds no egress IP of it until the check succeeds"});
  }
  if (!kernel_error.empty()) {
    health.push_back({.code = "E103", .error = true, .object = status.node, .text = std::format("the kernel refuses: {}", kernel_error),
                      .hint = "tried again at least every 5 s"});
  }
  if (!unusable_generation.empty()) {
    health.push_back({.code = "E104", .error = true, .object = status.node,
                      .text = std::format("the cluster's policy cannot be used here: {}", unusable_generation),
                      .hint = "run the same version of egressd on every node"});
  }
  if (const auto seen = membership.duplicate_seen(); seen && now - *seen < kDuplicateShown) {
    health.push_back({.code = "E105", .error = true, .object = status.node, .text = "another node uses this node's name",
                      .hint = "node.name must be unique in the cluster"});
  }
  for (const auto& [name, member] : membership.members()) {
    if (watch.PathBroken(name, now)) {
      health.push_back({.code = "W111", .object = name, .text = "its daemon answers (BFD is up), its tunnel address does not",
                        .hint = std::format("let UDP port {} (VXLAN) pass between the nodes", settings.config.tunnel.port)});
    }
    if (member.lives() && member.record.tunnel_number == tunnel_number) {
      health.push_back({.code = "W107", .object = name, .text = "has the same tunnel number as this node",
                        .hint = "the node with the later name chooses another one"});
    }
    if (member.lives() && !settings.config.replicate_policy && in_force->selection &&
        member.record.policy != gossip::Version{.number = 0, .digest = DigestOfText(in_force->generation.text)}) {
      health.push_back({.code = "W108", .object = name, .text = "has another policy than this node",
                        .hint = "policy: file leaves it to you to give every node the same file"});
    }
  }
  AddMembers(status, health);
  AddAddresses(status, health);
  AddNetworks(grants, settings.config.node.name, host, health);
  AddRejected(rejected, health);
  std::ranges::stable_sort(health, [](const Health& a, const Health& b) { return a.error && !b.error; });
  if (in_force->selection) AddProcesses(*in_force->selection, health);
  return health;
}

}  // namespace egressd::agent
